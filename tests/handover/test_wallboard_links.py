"""Links to wallboards: made, renamed and revoked."""

import json
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from dashboard.accounts.models import User
from dashboard.audit.models import AuditEvent
from dashboard.handover.models import WallLink
from dashboard.saved.models import SavedView

from .wall_pages import fleet, of, poll_of

LINKS = reverse("handover:walls")

pytestmark = pytest.mark.usefixtures("cloud_row", "_empty_cache", "_no_news")

FORM = {"name": "Lab", "zone": "Europe/Berlin", "scheme": "light", "masked": "on"}


def test_creating_and_revoking_a_link(
    client: Client, operator: User, admin: User
) -> None:
    view = SavedView.objects.create(owner=operator, name="CPUs", query="q=cpu")
    client.force_login(operator)
    assert client.post(LINKS, FORM | {"view": view.pk}).status_code == 303
    link = WallLink.objects.get()
    assert (link.name, link.query, link.masked) == ("Lab", "q=cpu", True)
    assert of(link) in client.get(LINKS).text
    client.force_login(admin)
    client.post(reverse("handover:revoke_wall", args=[link.pk]))
    client.post(reverse("handover:revoke_wall", args=[link.pk]))
    page = client.get(LINKS).text
    assert of(link) not in page
    assert "Revoked" in page
    assert list(AuditEvent.objects.order_by("pk").values_list("action", flat=True)) == [
        *("user.signed_in", "wall.made", "user.signed_in", "wall.revoked")
    ]


def test_a_link_can_be_renamed(client: Client, operator: User, link: WallLink) -> None:
    fleet()
    address, before = of(link), client.get(of(link)).text
    poll = client.get(poll_of(before))
    client.force_login(operator)
    page = reverse("handover:wall_link", args=[link.pk])
    assert 'value="Control room"' in client.get(page).text
    assert client.post(page, {"name": " Lobby  West "}).status_code == 303
    link.refresh_from_db()
    assert link.name == "Lobby West"
    assert of(link) == address
    # The poll has its screens load anew, though nothing else has changed.
    events = [
        json.loads(response.headers["HX-Trigger"])
        for response in (poll, poll_again(before))
    ]
    assert events[0]["curfew:release"] != events[1]["curfew:release"]
    assert "Lobby West" in client.get(address).text
    event = AuditEvent.objects.get(action="wall.renamed")
    assert (event.before, event.after) == (
        {"name": "Control room"},
        {"name": "Lobby West"},
    )
    client.post(page, {"name": "Lobby West"})
    assert AuditEvent.objects.filter(action="wall.renamed").count() == 1


def poll_again(page: str) -> Any:
    return Client().get(poll_of(page))


@pytest.mark.parametrize("name", ["", "x" * 61, "a\u202eb"])
def test_an_invalid_name_is_not_saved(
    client: Client, operator: User, link: WallLink, name: str
) -> None:
    client.force_login(operator)
    page = reverse("handover:wall_link", args=[link.pk])
    assert client.post(page, {"name": name}).status_code == 422
    link.refresh_from_db()
    assert link.name == "Control room"


def test_revoking_asks_first(client: Client, operator: User, link: WallLink) -> None:
    client.force_login(operator)
    revoke = reverse("handover:revoke_wall", args=[link.pk])
    page = reverse("handover:wall_link", args=[link.pk])
    assert revoke not in client.get(LINKS).text
    assert revoke in client.get(page).text
    client.post(revoke)
    assert client.get(page).status_code == 404
    assert client.post(page, {"name": "Alive"}).status_code == 404


def test_the_page_of_one_link_costs_few_queries(
    client: Client, operator: User, link: WallLink, django_assert_max_num_queries: Any
) -> None:
    client.force_login(operator)
    with django_assert_max_num_queries(5):
        client.get(reverse("handover:wall_link", args=[link.pk]))


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""},
        {"name": "x" * 61},
        {"name": "a\u202eb"},
        {"zone": "Mars/Olympus"},
        {"scheme": "pink"},
        {"view": 999},
    ],
)
def test_an_invalid_link_is_not_created(
    client: Client, operator: User, wrong: dict[str, Any]
) -> None:
    client.force_login(operator)
    assert client.post(LINKS, FORM | wrong).status_code == 422
    assert not WallLink.objects.exists()


def test_a_view_of_another_s_own_is_not_offered(
    client: Client, operator: User, admin: User
) -> None:
    view = SavedView.objects.create(owner=admin, name="Mine", query="q=x")
    client.force_login(operator)
    assert client.post(LINKS, FORM | {"view": view.pk}).status_code == 422
