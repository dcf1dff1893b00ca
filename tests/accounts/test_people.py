"""The pages of people, for admins."""

import re

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from dashboard.accounts import services
from dashboard.accounts.models import CloudUser, User
from dashboard.audit.models import AuditEvent
from tests.conftest import PASSWORD
from tests.factories import make_instance

LIST = reverse("people:list")
ADD = reverse("people:add")
POSTS = ("role", "cloud_users", "active", "password", "second_factor", "sessions")

pytestmark = pytest.mark.usefixtures("_empty_cache")


def url(name: str, user: User) -> str:
    return reverse(f"people:{name}", args=[user.pk])


@pytest.fixture
def inside(client: Client, admin: User) -> Client:
    """The admin's browser."""
    client.force_login(admin)
    return client


@pytest.fixture
def theirs(scientist: User) -> Client:
    """The scientist's browser, signed in through the form."""
    browser = Client()
    form = {"login": "scientist", "password": PASSWORD}
    assert browser.post(reverse("account_login"), form).status_code == 302
    return browser


def can_work(browser: Client) -> bool:
    return browser.get("/instances/").status_code == 200


# -- permissions ---------------------------------------------------------------------


@pytest.mark.parametrize("role", ["viewer", "scientist", "operator"])
def test_only_admins_see_these_pages(
    client: Client, request: pytest.FixtureRequest, admin: User, role: str
) -> None:
    client.force_login(request.getfixturevalue(role))
    for page in (LIST, ADD, url("person", admin)):
        assert client.get(page).status_code == 403
    assert client.post(ADD).status_code == 403
    for name in POSTS:
        assert client.post(url(name, admin), {"role": "viewer"}).status_code == 403
    assert User.objects.get(pk=admin.pk).role == "admin"
    assert LIST not in client.get("/instances/").text


def test_anonymous_is_sent_to_sign_in(client: Client, admin: User) -> None:
    for page in (LIST, ADD, url("person", admin)):
        assert client.get(page).headers["Location"].startswith("/accounts/login/")
    for name in POSTS:
        assert client.post(url(name, admin)).status_code == 302


def test_other_methods_are_refused(inside: Client, viewer: User) -> None:
    assert inside.post(LIST).status_code == 405
    assert inside.post(url("person", viewer)).status_code == 405
    assert inside.put(ADD).status_code == 405
    for name in POSTS:
        assert inside.get(url(name, viewer)).status_code == 405


def test_an_unknown_person_is_not_found(inside: Client) -> None:
    assert inside.get(reverse("people:person", args=[999])).status_code == 404
    for name in POSTS:
        assert inside.post(reverse(f"people:{name}", args=[999])).status_code == 404


def test_the_way_there_is_in_the_navigation(inside: Client) -> None:
    assert f'href="{LIST}"' in inside.get("/instances/").text


# -- the list ------------------------------------------------------------------------


def test_everybody_is_listed_in_few_queries(
    inside: Client, django_assert_max_num_queries: object
) -> None:
    for number in range(30):
        user = User.objects.create_user(f"person-{number:02}", role="scientist")
        CloudUser.objects.create(account=user, identifier=f"upstream-{number:02}")
    with django_assert_max_num_queries(9):  # type: ignore[operator]
        page = inside.get(LIST).text
    assert page.count("<bdi>upstream-") == 30


@pytest.mark.parametrize(
    ("q", "found"),
    [
        ("", {"admin", "scientist", "viewer"}),
        ("SCIEN", {"scientist"}),
        ("anna schmidt", {"scientist"}),
        ("boss@example", {"viewer"}),
        ("nobody-is-called-this", set()),
        ("x" * 999, {"admin", "scientist", "viewer"}),
    ],
)
def test_search(
    inside: Client, scientist: User, viewer: User, q: str, found: set[str]
) -> None:
    User.objects.filter(pk=viewer.pk).update(email="boss@example.org")
    page = inside.get(LIST, {"q": q}).text
    assert set(re.findall(r"data-row-link[^>]*><bdi>([^<]+)", page)) == found
    assert ("No users found" in page) is not bool(found)


# -- adding --------------------------------------------------------------------------


def test_a_one_time_password_is_shown_once_and_opens_one_page(inside: Client) -> None:
    form = {"username": "maria", "role": "scientist", "cloud_user": "maría.fernández"}
    page = inside.post(ADD, form)
    assert page.status_code == 200
    assert "no-store" in page.headers["Cache-Control"]
    match = re.search(r'class="copyable secret">([^<]+)<', page.text)
    assert match
    password = match[1]
    maria = User.objects.get(username="maria")
    assert maria.cloud_identifiers == {"maría.fernández"}
    assert password not in inside.get(url("person", maria)).text
    assert password not in str(list(AuditEvent.objects.values()))

    browser = Client()
    browser.post(reverse("account_login"), {"login": "maria", "password": password})
    change = reverse("account_change_password")
    for where in ("/", "/instances/", "/edits/", reverse("mfa_index")):
        assert browser.get(where).headers["Location"] == change
    poll = browser.get("/instances/changes?since=0", headers={"HX-Request": "true"})
    assert poll.headers["HX-Redirect"] == change
    assert "Choose a password" in browser.get(change).text
    chosen = {"oldpassword": password, "password1": "a fine new one"}
    browser.post(change, chosen | {"password2": "a fine new one"})
    assert can_work(browser)
    maria.refresh_from_db()
    assert maria.one_time_until is None


def test_a_one_time_password_expires(client: Client, viewer: User, admin: User) -> None:
    password = services.give_one_time_password(user=viewer, actor=admin)
    User.objects.filter(pk=viewer.pk).update(one_time_until=timezone.now())
    page = client.post(
        reverse("account_login"), {"login": "viewer", "password": password}
    )
    assert "This one-time password has expired." in page.text
    assert not can_work(client)


@pytest.mark.parametrize(
    ("form", "sentence"),
    [
        ({"username": "admin", "role": "viewer"}, "already exists"),
        ({"username": "a b", "role": "viewer"}, "valid username"),
        ({"username": "", "role": "viewer"}, "This field is required"),
        ({"username": "x", "role": "root"}, "Unknown role"),
        ({"username": "x"}, "This field is required"),
        ({"username": "x", "role": "viewer", "email": "x"}, "valid email"),
        ({"username": "x", "role": "viewer", "email": "A@EXAMPLE.org"}, "has this"),
    ],
)
def test_errors_are_shown_in_the_form(
    inside: Client, admin: User, form: dict[str, str], sentence: str
) -> None:
    User.objects.filter(pk=admin.pk).update(email="a@example.org")
    page = inside.post(ADD, form)
    assert page.status_code == 422
    assert sentence in page.text
    assert User.objects.count() == 1


def test_nothing_else_can_be_given_by_the_form(inside: Client) -> None:
    inside.post(
        ADD,
        {"username": "x", "role": "viewer", "is_superuser": "1", "password": PASSWORD},
    )
    user = User.objects.get(username="x")
    assert not user.is_superuser
    assert not user.check_password(PASSWORD)


# -- changing ------------------------------------------------------------------------


def test_a_role(inside: Client, admin: User, viewer: User) -> None:
    response = inside.post(url("role", viewer), {"role": "operator"})
    assert (response.status_code, response.headers["Location"]) == (
        303,
        url("person", viewer),
    )
    viewer.refresh_from_db()
    assert viewer.role == "operator"
    event = AuditEvent.objects.get(action="user.role_changed")
    assert (event.actor_label, event.target_label) == ("admin", "viewer")
    assert (event.before, event.after) == ({"role": "viewer"}, {"role": "operator"})
    # The same values again are no change, and no event.
    inside.post(url("role", viewer), {"role": "operator"})
    assert AuditEvent.objects.filter(action="user.role_changed").count() == 1


def test_no_such_role(inside: Client, viewer: User) -> None:
    page = inside.post(url("role", viewer), {"role": "root"})
    assert page.status_code == 422
    assert "Unknown role." in page.text


def test_the_last_admin_stays(inside: Client, admin: User) -> None:
    User.objects.create_user("gone", role="admin", is_active=False)
    page = inside.post(url("role", admin), {"role": "viewer"})
    assert page.status_code == 422
    assert "This is the last active admin." in page.text
    assert inside.post(url("active", admin), {"active": "no"}).status_code == 409
    admin.refresh_from_db()
    assert (admin.role, admin.is_active) == ("admin", True)


def test_one_of_two_admins_can_step_down(inside: Client, admin: User) -> None:
    User.objects.create_user("other", role="admin")
    assert inside.post(url("role", admin), {"role": "viewer"}).status_code == 303
    assert inside.get(LIST).status_code == 403


def test_upstream_users_are_suggested_from_the_mirror(
    inside: Client, scientist: User, stranger: User
) -> None:
    make_instance(owner_name="li.wei", owner_id="b" * 32)
    make_instance()
    make_instance(owner_name="", owner_id="")
    page = inside.get(url("person", stranger)).text
    suggested = re.findall(r'name="seen"\s+value="([^"]*)"', page)
    # Unmapped ModelArts users come first.
    assert suggested == ["li.wei", "anna.schmidt"]
    assert "also <bdi>scientist</bdi>" in page


def test_upstream_users_are_mapped(
    inside: Client, theirs: Client, scientist: User
) -> None:
    make_instance()
    mine = make_instance(owner_name="li.wei", owner_id="b" * 32)
    edit = reverse("edits:edit", args=[mine.cloud.name, mine.instance_id])
    assert theirs.get(edit).status_code == 403
    form = {"seen": ["li.wei"], "others": f"  {'c' * 32}\r\n\r\n"}
    assert inside.post(url("cloud_users", scientist), form).status_code == 303
    scientist.refresh_from_db()
    assert scientist.cloud_identifiers == {"li.wei", "c" * 32}
    assert theirs.get(edit).status_code == 200
    event = AuditEvent.objects.get(action="user.cloud_users_changed")
    assert event.before == {"cloud_users": ["anna.schmidt"]}
    # Typed names stay in the text field.
    page = inside.get(url("person", scientist)).text
    assert f"{'c' * 32}</textarea>" in page


@pytest.mark.parametrize(
    "form",
    [
        {"seen": ["not.seen.anywhere"]},
        {"others": "x" * 256},
        {"others": "a\u202eb"},
        {"others": "\n".join(map(str, range(51)))},
    ],
)
def test_invalid_names_of_modelarts_users_are_rejected(
    inside: Client, scientist: User, form: dict[str, object]
) -> None:
    page = inside.post(url("cloud_users", scientist), form)
    assert page.status_code == 422
    scientist.refresh_from_db()
    assert scientist.cloud_identifiers == {"anna.schmidt"}


def test_deactivating_ends_sessions_at_once(
    inside: Client, theirs: Client, scientist: User
) -> None:
    assert can_work(theirs)
    inside.post(url("active", scientist), {"active": "no"})
    assert not can_work(theirs)
    assert scientist.usersession_set.count() == 0
    page = theirs.post(
        reverse("account_login"), {"login": "scientist", "password": PASSWORD}
    )
    assert page.status_code == 302
    assert not can_work(theirs)
    inside.post(url("active", scientist), {"active": "yes"})
    # The old session is not restored.
    assert not can_work(theirs)
    actions = AuditEvent.objects.filter(target_id=str(scientist.pk))
    assert {"user.deactivated", "user.reactivated"} <= set(
        actions.values_list("action", flat=True)
    )


def test_only_yes_and_no(inside: Client, viewer: User) -> None:
    assert inside.post(url("active", viewer), {"active": "x"}).status_code == 400


def test_a_new_one_time_password_ends_the_old_one(
    inside: Client, theirs: Client, scientist: User
) -> None:
    page = inside.post(url("password", scientist))
    assert "One-time password for" in page.text
    assert not can_work(theirs)
    assert not scientist.usersession_set.exists()
    scientist.refresh_from_db()
    assert not scientist.check_password(PASSWORD)


def test_sessions_are_ended(inside: Client, theirs: Client, scientist: User) -> None:
    assert "1 session ended." in (
        inside.post(url("sessions", scientist), follow=True).text
    )
    assert not can_work(theirs)


def test_a_person_s_page_tells_what_was_changed(inside: Client, viewer: User) -> None:
    inside.post(url("role", viewer), {"role": "operator"})
    assert "Role changed" in inside.get(url("person", viewer)).text


def test_names_are_text_and_never_markup(inside: Client, viewer: User) -> None:
    hostile = '"><script>alert(1)</script><b hx-get=/x>'
    make_instance(owner_name=hostile)
    CloudUser.objects.create(account=viewer, identifier=hostile[:200])
    for page in (LIST, ADD, url("person", viewer)):
        text = inside.get(page).text
        assert "<script>alert" not in text
        assert "<b hx-get" not in text


def test_an_admin_sets_an_email_address(
    client: Client, admin: User, viewer: User
) -> None:
    client.force_login(admin)
    url = reverse("people:email", args=[viewer.pk])
    assert client.post(url, {"email": "vera@example.org"}).status_code == 303
    viewer.refresh_from_db()
    assert viewer.email == "vera@example.org"
    event = AuditEvent.objects.get(action="user.email_changed")
    assert "vera@" not in f"{event.before}{event.after}"
    assert client.post(url, {"email": ""}).status_code == 303
    viewer.refresh_from_db()
    assert viewer.email == ""


@pytest.mark.parametrize(
    ("email", "sentence"),
    [("vera", "valid email"), ("ADA@example.org", "Another account has this address")],
)
def test_a_wrong_or_taken_email_address_is_refused(
    client: Client, admin: User, viewer: User, email: str, sentence: str
) -> None:
    User.objects.filter(pk=admin.pk).update(email="ada@example.org")
    client.force_login(admin)
    answer = client.post(reverse("people:email", args=[viewer.pk]), {"email": email})
    assert answer.status_code == 422
    assert sentence in answer.text
    viewer.refresh_from_db()
    assert viewer.email == ""
