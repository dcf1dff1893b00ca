"""The lifetime of sessions."""

from datetime import UTC, datetime, timedelta
from urllib.parse import urljoin, urlsplit

import pytest
import time_machine
from django.contrib.sessions.models import Session
from django.test import Client
from django.urls import reverse

from dashboard.accounts.models import User
from dashboard.accounts.sessions import SIGNED_IN_AT
from tests.conftest import PASSWORD

LOGIN = reverse("account_login")
LOGOUT = reverse("account_logout")
POLL = {"HX-Request": "true", "HX-Trigger": "poller"}
NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)

pytestmark = pytest.mark.usefixtures("_empty_cache")


def sign_in(client: Client) -> None:
    form = {"login": "viewer", "password": PASSWORD}
    assert client.post(LOGIN, form).status_code == 302


def is_inside(client: Client) -> bool:
    return client.get("/instances/").status_code == 200


def test_an_idle_session_ends(client: Client, viewer: User) -> None:
    with time_machine.travel(NOW, tick=False) as clock:
        sign_in(client)
        for _ in range(3):
            clock.shift(timedelta(minutes=59))
            assert is_inside(client)
        clock.shift(timedelta(minutes=60))
        assert not is_inside(client)
        assert Session.objects.count() == 0
        assert "signed out after 60 minutes of inactivity" in client.get(LOGIN).text


def test_an_open_page_is_nobody_s_activity(client: Client, viewer: User) -> None:
    url = "/instances/changes?since=0"
    with time_machine.travel(NOW, tick=False) as clock:
        sign_in(client)
        for _ in range(12):
            clock.shift(timedelta(minutes=5))
            response = client.get(url, headers=POLL)
        assert response.headers["HX-Redirect"].startswith(LOGIN)
        assert not is_inside(client)


def test_a_busy_session_ends_too(client: Client, viewer: User) -> None:
    with time_machine.travel(NOW, tick=False) as clock:
        sign_in(client)
        for _ in range(23):
            clock.shift(timedelta(minutes=30))
            assert is_inside(client)
        clock.shift(timedelta(minutes=30))
        assert not is_inside(client)


def test_a_session_that_does_not_say_when_it_began_ends(
    client: Client, viewer: User
) -> None:
    client.force_login(viewer)
    session = client.session
    del session[SIGNED_IN_AT]
    session.save()
    assert not is_inside(client)


def test_signing_in_changes_the_key(client: Client, viewer: User) -> None:
    """A session key that an attacker has planted is worthless (session fixation)."""
    session = client.session
    session["planted"] = True
    session.save()
    planted = session.session_key
    client.cookies["sessionid"] = planted
    sign_in(client)
    assert client.session.session_key != planted
    thief = Client()
    thief.cookies["sessionid"] = planted
    assert not is_inside(thief)


def test_signing_out_ends_it_on_the_server(client: Client, viewer: User) -> None:
    sign_in(client)
    key = client.session.session_key
    response = client.post(LOGOUT)
    assert response.headers["Clear-Site-Data"] == '"cache", "storage"'
    thief = Client()
    thief.cookies["sessionid"] = key
    assert not is_inside(thief)
    assert not Session.objects.filter(session_key=key).exists()


def test_only_signing_out_clears(client: Client, viewer: User) -> None:
    sign_in(client)
    for url in ("/instances/", LOGOUT):
        assert "Clear-Site-Data" not in client.get(url).headers


def test_a_new_password_ends_the_other_sessions(client: Client, viewer: User) -> None:
    other = Client()
    sign_in(client)
    sign_in(other)
    new = "entirely different words"
    form = {"oldpassword": PASSWORD, "password1": new, "password2": new}
    response = client.post(reverse("account_change_password"), form)
    assert response.status_code == 302
    assert is_inside(client)
    assert not is_inside(other)


@pytest.mark.parametrize(
    ("new", "sentence"),
    [
        ("short words", "at least 12 characters"),
        ("administrator", "too common"),
        ("curfew curfew curfew", "easy to guess"),
        ("viewer.viewer", "Your name and words"),
        (PASSWORD, "This is your current password"),
    ],
)
def test_a_bad_new_password_is_refused(
    client: Client, viewer: User, new: str, sentence: str
) -> None:
    client.force_login(viewer)
    form = {"oldpassword": PASSWORD, "password1": new, "password2": new}
    page = client.post(reverse("account_change_password"), form)
    assert sentence in page.text
    viewer.refresh_from_db()
    assert viewer.check_password(PASSWORD)


@pytest.mark.parametrize(
    "new",
    ["all lower case words", "1234 5678 90ab", "пароль из слов", "x" * 7 + "y" * 120],
)
def test_nothing_is_asked_of_its_composition(
    client: Client, viewer: User, new: str
) -> None:
    client.force_login(viewer)
    form = {"oldpassword": PASSWORD, "password1": new, "password2": new}
    assert client.post(reverse("account_change_password"), form).status_code == 302


def test_the_change_wants_the_present_password(client: Client, viewer: User) -> None:
    client.force_login(viewer)
    new = "entirely different words"
    form = {"oldpassword": "wrong", "password1": new, "password2": new}
    assert client.post(reverse("account_change_password"), form).status_code == 200
    viewer.refresh_from_db()
    assert viewer.check_password(PASSWORD)


def test_people_see_and_end_their_sessions(client: Client, viewer: User) -> None:
    other = Client(headers={"User-Agent": "<b>Old phone</b>"})
    sign_in(client)
    sign_in(other)
    url = reverse("usersessions_list")
    page = client.get(url).text
    assert "&lt;b&gt;Old phone&lt;/b&gt;" in page
    assert page.count("This session") == 1
    client.post(url)
    assert is_inside(other), "not before it is known who asks"
    client.post(
        f"{reverse('account_reauthenticate')}?next={url}", {"password": PASSWORD}
    )
    assert is_inside(client)
    assert not is_inside(other)


@pytest.mark.parametrize(
    "where",
    [
        "https://evil.example/",
        "//evil.example",
        "///evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/\t/evil.example",
        "https:evil.example",
        "https:/evil.example",
        "http:///evil.example",
        "javascript:alert(1)",
        "data:text/html,x",
        "//evil.example\\@testserver",
        "https://testserver@evil.example",
        "https://testserver.evil.example",
        "/\r\nLocation: https://evil.example",
        "%0d%0aLocation:https://evil.example",
        " https://evil.example",
        "\x00//evil.example",
        "//evil\u3002example",
        "\uff0f\uff0fevil.example",
    ],
)
@pytest.mark.parametrize("way", ["login", "logout"])
def test_redirects_stay_on_this_site(
    client: Client, viewer: User, where: str, way: str
) -> None:
    if way == "login":
        form = {"login": "viewer", "password": PASSWORD, "next": where}
        response = client.post(LOGIN, form)
    else:
        client.force_login(viewer)
        response = client.post(LOGOUT, {"next": where})
    assert response.status_code == 302
    location = response.headers["Location"]
    assert not {"\r", "\n"} & set(location)
    # Browsers read backslashes as slashes and skip leading white space.
    seen = urljoin("http://testserver/", location.strip().replace("\\", "/"))
    assert urlsplit(seen).netloc == "testserver"


def test_a_poll_without_a_session_leads_back_to_the_page(
    client: Client, db: None
) -> None:
    headers = POLL | {"HX-Current-URL": "https://evil.example/x"}
    response = client.get("/instances/changes?since=0", headers=headers)
    assert response.headers["HX-Redirect"] == f"{LOGIN}?next=/"
