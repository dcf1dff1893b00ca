"""The pages of saved views, and their menu on the list."""

import re
from html import unescape
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from dashboard.accounts.models import User
from dashboard.instances.models import Cloud
from dashboard.saved.models import DefaultView, SavedView
from tests.factories import make_instance

from .test_services import make_view

FLEET = reverse("instances:list")
LIST = reverse("saved:list")
NEW = reverse("saved:new")
SET_DEFAULT = reverse("saved:set_default")
HOME = reverse("home")

pytestmark = pytest.mark.usefixtures("cloud_row")


def of(view: SavedView) -> str:
    return reverse("saved:view", args=[view.pk])


def menu_of(page: str) -> dict[str, bool]:
    """The menu's views by name, and whether each is the current one."""
    body = page.split('views-tabs"')[1].split("</nav>")[0]
    links = re.findall(r"<a\s([^>]*)>(.*?)</a>", body, re.DOTALL)
    return {
        unescape(re.sub(r".*<bdi>|<.*?>", "", label, flags=re.DOTALL)): "aria-current"
        in attributes
        for attributes, label in links
    }


@pytest.mark.parametrize("url", [LIST, NEW, "/views/1/"])
def test_anonymous_is_sent_to_sign_in(client: Client, url: str) -> None:
    response = client.get(url)
    assert response.headers["Location"] == f"{reverse('account_login')}?next={url}"


@pytest.mark.parametrize(
    ("method", "url"),
    [
        ("post", LIST),
        ("put", NEW),
        ("get", SET_DEFAULT),
        ("delete", "/views/1/"),
        ("get", "/views/1/delete/"),
        ("post", HOME),
    ],
)
def test_wrong_method(client: Client, operator: User, method: str, url: str) -> None:
    client.force_login(operator)
    assert getattr(client, method)(url).status_code == 405


@pytest.mark.parametrize("number", [77, 2**64])
def test_an_unknown_view_is_404(client: Client, admin: User, number: int) -> None:
    client.force_login(admin)
    assert client.get(f"/views/{number}/").status_code == 404
    assert client.post(f"/views/{number}/delete/").status_code == 404


# -- the menu -------------------------------------------------------------------------


def test_the_menu_has_one_s_own_views_and_those_shared(
    client: Client, operator: User, scientist: User
) -> None:
    make_view(operator, "mine")
    make_view(scientist, "theirs")
    make_view(scientist, "the team's", shared=True)
    client.force_login(operator)
    page = client.get(FLEET).text
    assert menu_of(page) == {
        **{"All": True, "Mine": False},
        **{"mine": False, "the team's": False},
    }


def test_the_current_view_is_marked_however_its_address_is_spelled(
    client: Client, operator: User
) -> None:
    make_view(operator, "busy", query="status=RUNNING&flavor_type=GPU")
    client.force_login(operator)
    page = client.get(f"{FLEET}?flavor_type=gpu&sort=stops_in&status=running").text
    assert menu_of(page) == {"All": False, "Mine": False, "busy": True}
    # It has a name already.
    assert 'id="view-name"' not in page


def test_a_filter_without_a_name_can_be_saved(client: Client, operator: User) -> None:
    client.force_login(operator)
    page = client.get(FLEET, {"q": "a&b", "page": "7", "sort": "upwards"}).text
    assert '<input type="hidden" name="query" value="q=a%26b">' in page
    assert 'name="shared"' in page
    assert 'id="view-name"' not in client.get(FLEET).text


def test_a_viewer_is_not_offered_to_share(client: Client, viewer: User) -> None:
    client.force_login(viewer)
    assert 'name="shared"' not in client.get(FLEET, {"q": "x"}).text
    assert 'name="shared"' not in client.get(NEW, {"q": "x"}).text


def test_the_way_to_the_timeline_keeps_owner_and_cloud(
    client: Client, operator: User
) -> None:
    client.force_login(operator)
    page = client.get(FLEET, {"owner": "li.wei", "q": "x"}).text
    assert 'href="/due/?owner=li.wei#timeline"' in page
    assert 'href="/due/#timeline"' in client.get(FLEET).text


def test_a_long_menu_leads_to_the_page(client: Client, operator: User) -> None:
    for number in range(15):
        make_view(operator, f"view {number:02}")
    client.force_login(operator)
    page = client.get(FLEET).text
    assert len(menu_of(page)) == 15
    assert "3 more…" in page


@pytest.mark.parametrize("number", [1, 40])
def test_queries_do_not_grow_with_the_views(
    client: Client, admin: User, number: int, django_assert_num_queries: Any
) -> None:
    for count in range(number):
        owner = User.objects.create_user(f"person-{count}", role="operator")
        make_view(owner, f"view {count}", shared=True)
    client.force_login(admin)
    # Session, person, views, open requests, the bell.
    with django_assert_num_queries(4):
        page = client.get(LIST).text
    assert page.count('<tr id="view-') == number


# -- saving ---------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["viewer", "scientist", "operator", "admin"])
def test_saving_leads_back_to_what_was_shown(
    client: Client, request: pytest.FixtureRequest, role: str
) -> None:
    person = request.getfixturevalue(role)
    client.force_login(person)
    response = client.post(
        NEW, {"name": " My  view ", "query": "status=running&page=2"}
    )
    assert response.status_code == 302
    assert response.headers["Location"] == f"{FLEET}?status=RUNNING"
    view = SavedView.objects.get()
    assert (view.owner, view.name, view.query) == (person, "My view", "status=RUNNING")
    assert not view.shared
    assert "Saved as “My view”." in client.get(FLEET).text


def test_the_form_works_without_the_menu(client: Client, operator: User) -> None:
    client.force_login(operator)
    page = client.get(f"{NEW}?q=x&sort=upwards").text
    assert "search: x" in page
    assert "sort=upwards" in page
    assert 'name="query" value="q=x&amp;sort=upwards"' in page


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"name": ""}, "This field is required"),
        ({"name": "   "}, "This field is required"),
        ({"name": "x" * 81}, "at most 80"),
        ({"name": "gpus"}, "A view with this name already exists"),
        ({"name": "a\u202eb"}, "cannot contain invisible characters"),
        ({"name": "new", "query": "q=" + "x" * 5_000}, "at most 4096"),
        ({"name": "new", "query": "q=" + "\u20ac" * 500}, "too long to save"),
        ({"name": "a\0b"}, "cannot contain invisible characters"),
    ],
)
def test_bad_input_is_shown_and_kept(
    client: Client, operator: User, fields: dict[str, str], message: str
) -> None:
    make_view(operator, "GPUs")
    client.force_login(operator)
    response = client.post(NEW, {"query": "q=kept"} | fields)
    assert response.status_code == 422
    assert message in response.text
    assert "Not saved." in response.text
    assert SavedView.objects.count() == 1


def test_a_viewer_cannot_share_by_hand(client: Client, viewer: User) -> None:
    client.force_login(viewer)
    fields = {"name": "x", "query": "q=x", "shared": "on"}
    assert client.post(NEW, fields).status_code == 403
    view = make_view(viewer)
    assert client.post(of(view), fields).status_code == 403
    assert not SavedView.objects.filter(shared=True).exists()


def test_a_name_is_text_and_never_markup(client: Client, operator: User) -> None:
    hostile = '"><script>alert(1)</script>{{ 7 }}'
    view = make_view(operator, hostile, query="q=%22%3E%3Cscript%3E", shared=True)
    client.force_login(operator)
    for url in (view.get_absolute_url(), LIST, of(view)):
        page = client.get(url).text
        assert "<script>alert" not in page
        assert '"><script>' not in page
        assert hostile in unescape(page)


# -- changing and deleting ------------------------------------------------------------


def test_the_owner_renames_and_shares(client: Client, operator: User) -> None:
    view = make_view(operator)
    client.force_login(operator)
    assert 'value="GPUs"' in client.get(of(view)).text
    response = client.post(of(view), {"name": "gpus", "shared": "on"})
    assert response.headers["Location"] == LIST
    view.refresh_from_db()
    assert (view.name, view.shared, view.query) == ("gpus", True, "flavor_type=GPU")


def test_a_taken_name_is_reported(client: Client, operator: User) -> None:
    make_view(operator, "other")
    view = make_view(operator)
    client.force_login(operator)
    response = client.post(of(view), {"name": "Other"})
    assert response.status_code == 422
    assert 'value="Other"' in response.text


@pytest.mark.parametrize(
    ("role", "shared", "status"),
    [
        ("viewer", True, 403),
        ("viewer", False, 404),
        ("scientist", True, 403),
        ("admin", False, 404),
        ("admin", True, 302),
        ("operator", True, 302),
        ("operator", False, 302),
    ],
)
def test_who_may_change_and_delete(
    client: Client,
    request: pytest.FixtureRequest,
    operator: User,
    role: str,
    shared: bool,
    status: int,
) -> None:
    view = make_view(operator, shared=shared)
    client.force_login(request.getfixturevalue(role))
    page = 200 if status == 302 else status
    assert client.get(of(view)).status_code == page
    fields = {"name": "New name", "shared": "on"} if shared else {"name": "New name"}
    assert client.post(of(view), fields).status_code == status
    assert client.post(f"{of(view)}delete/").status_code == status
    assert SavedView.objects.filter(pk=view.pk).exists() is (status != 302)


def test_the_page_offers_what_one_may(client: Client, scientist: User) -> None:
    owner = User.objects.create_user("owner", role="operator")
    view = make_view(owner, shared=True)
    client.force_login(scientist)
    page = client.get(LIST).text
    assert f'href="{of(view)}"' not in page
    assert "Set as default" in page


def test_unsupported_filters_are_shown(client: Client, operator: User) -> None:
    view = make_view(operator, query="sort=upwards&status=STOPPED")
    instance = make_instance(status="STOPPED")
    client.force_login(operator)
    page = client.get(LIST).text
    assert "Unsupported filters removed" in page
    assert "status: Stopped" in page
    page = client.get(view.get_absolute_url()).text
    assert "Ignored unsupported filter:" in page
    assert instance.name in page


def test_an_empty_page_says_how_to_begin(client: Client, viewer: User) -> None:
    client.force_login(viewer)
    assert "No saved views" in client.get(LIST).text


# -- what opens first -----------------------------------------------------------------


def test_home_opens_the_chosen_view(client: Client, operator: User) -> None:
    view = make_view(operator)
    client.force_login(operator)
    assert client.get(HOME).headers["Location"] == FLEET
    client.post(SET_DEFAULT, {"view": view.pk})
    assert client.get(HOME).headers["Location"] == view.get_absolute_url()
    client.post(SET_DEFAULT, {"view": ""})
    assert client.get(HOME).headers["Location"] == FLEET


def test_one_s_own_page_can_still_be_reached(
    client: Client, scientist: User, cloud_row: Cloud
) -> None:
    view = make_view(scientist)
    client.force_login(scientist)
    client.post(SET_DEFAULT, {"view": view.pk})
    assert client.get(HOME).status_code == 302
    response = client.get(HOME, {"mine": "1"})
    assert response.status_code == 200
    assert f'href="{HOME}?mine=1"' in response.text


@pytest.mark.parametrize(
    ("key", "status"), [("x", 400), ("-1", 400), ("9" * 30, 400), ("4711", 404)]
)
def test_nonsense_opens_nothing_first(
    client: Client, operator: User, key: str, status: int
) -> None:
    client.force_login(operator)
    assert client.post(SET_DEFAULT, {"view": key}).status_code == status
    assert not DefaultView.objects.exists()


def test_another_s_private_view_cannot_be_first(
    client: Client, operator: User, scientist: User
) -> None:
    view = make_view(scientist)
    client.force_login(operator)
    assert client.post(SET_DEFAULT, {"view": view.pk}).status_code == 404
