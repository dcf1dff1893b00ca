"""The poll of the list."""

import json
import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from dashboard.accounts.models import User
from dashboard.edits.models import Edit
from dashboard.instances.models import Cloud, FleetVersion, Instance
from dashboard.web.stored_messages import verbatim
from tests.factories import make_cloud, make_instance

from .pages import add_edit, rows_of

LIST = reverse("instances:list")
URL = reverse("instances:changes")


@pytest.fixture
def watcher(client: Client, viewer: User, cloud_row: Cloud) -> Client:
    """A person who looks at the list."""
    client.force_login(viewer)
    return client


def draw(client: Client, **query: Any) -> str:
    """Load the list; the address of its first poll."""
    return next_poll(client.get(LIST, query).text)


def next_poll(text: str) -> str:
    match = re.search(r'<div id="poller"[^>]* hx-get="([^"]+)"', text)
    assert match
    return match[1].replace("&amp;", "&")


def change(*instances: Instance, **fields: Any) -> None:
    changed = Instance.objects.filter(pk__in=[instance.pk for instance in instances])
    if fields:
        changed.update(**fields)
    FleetVersion.stamp(changed)


def test_nothing_new_is_204_with_the_mirror_s_age(
    watcher: Client, cloud_row: Cloud, django_assert_num_queries: Any
) -> None:
    make_instance()
    url = draw(watcher)
    # Session, person, version, and the clouds for their age: however big the fleet.
    with django_assert_num_queries(4):
        response = watcher.get(url)
    assert response.status_code == 204
    assert response.content == b""
    news = json.loads(response.headers["HX-Trigger"])["curfew:unchanged"]
    assert cloud_row.refreshed_at is not None
    assert news["as_of_ms"] == round(cloud_row.refreshed_at.timestamp() * 1000)
    assert news["now_ms"] >= news["as_of_ms"]


def test_a_changed_row_comes_alone_and_before_anything_else(watcher: Client) -> None:
    first, second = make_instance(name="a"), make_instance(name="b")
    url = draw(watcher, sort="name")
    change(second, description="Third try")
    response = watcher.get(url)
    assert response.status_code == 200
    assert rows_of(response.text) == [str(second.pk)]
    assert f'id="instance-{first.pk}"' not in response.text
    assert "Third try" in response.text
    # The browser's parser drops a <tr> that follows another element.
    assert response.text.strip().startswith("<tr")
    assert re.search(r'<tr [^>]*hx-swap-oob="true"', response.text)
    for part in ("counters", "freshness", "foot"):
        assert re.search(rf'id="{part}"[^>]* hx-swap-oob="true"', response.text)
    assert watcher.get(next_poll(response.text)).status_code == 204


@pytest.mark.parametrize("stops_in", [5, 20_000])
def test_a_new_order_brings_the_whole_body(watcher: Client, stops_in: int) -> None:
    first, second = make_instance(stops_in=60), make_instance(stops_in=600)
    url = draw(watcher)
    moved = make_instance(stops_in=stops_in)
    change(moved)
    response = watcher.get(url)
    assert response.text.strip().startswith('<tbody id="rows" hx-swap-oob="true">')
    order = (
        [moved.pk, first.pk, second.pk]
        if stops_in == 5
        else [first.pk, second.pk, moved.pk]
    )
    assert rows_of(response.text) == [str(pk) for pk in order]
    assert watcher.get(next_poll(response.text)).status_code == 204


def test_a_row_that_no_longer_fits_the_filter_leaves(watcher: Client) -> None:
    first, second = make_instance(), make_instance()
    url = draw(watcher, status="RUNNING")
    change(first, status="STOPPED", stops_at=None)
    response = watcher.get(url)
    assert rows_of(response.text) == [str(second.pk)]
    assert response.text.strip().startswith("<tbody")
    assert "status=RUNNING" in next_poll(response.text)


def test_the_last_row_to_leave_leaves_a_word(watcher: Client) -> None:
    first = make_instance()
    url = draw(watcher, status="RUNNING")
    change(first, status="STOPPED", stops_at=None)
    assert "No matching instances" in watcher.get(url).text


def test_a_change_elsewhere_sends_no_row(watcher: Client) -> None:
    make_instance(name="here")
    other = make_instance(name="other")
    url = draw(watcher, q="here")
    change(other, name="other still")
    response = watcher.get(url)
    assert response.status_code == 200
    assert rows_of(response.text) == []
    assert "<tbody" not in response.text


def test_without_layout_all_rows_come(watcher: Client) -> None:
    first, second = make_instance(), make_instance()
    change(first)
    response = watcher.get(URL, {"since": 0})
    assert set(rows_of(response.text)) == {str(first.pk), str(second.pk)}


def test_a_version_of_another_database_brings_everything(watcher: Client) -> None:
    make_instance()
    url = re.sub(r"since=\d+", "since=999", draw(watcher))
    assert len(rows_of(watcher.get(url).text)) == 1


def test_trouble_with_a_cloud_reaches_the_page(
    watcher: Client, cloud_row: Cloud
) -> None:
    make_instance()
    url = draw(watcher)
    Cloud.objects.update(problem=verbatim("The cloud does not answer."))
    FleetVersion.stamp()
    assert "The cloud does not answer." in watcher.get(url).text


@pytest.mark.parametrize("since", ["", "x", "-1", "1.5", "9" * 30, None])
def test_a_nonsense_since_is_400(watcher: Client, since: str | None) -> None:
    query = {} if since is None else {"since": since}
    assert watcher.get(URL, query).status_code == 400


def test_the_list_s_own_garbage_does_not_break_the_poll(watcher: Client) -> None:
    make_instance()
    response = watcher.get(URL, {"since": 5, "sort": "x", "page": "y", "q": "\0"})
    assert response.status_code == 200


@pytest.mark.parametrize(
    ("fields", "edit_state", "seconds"),
    [
        ({}, None, "5"),
        ({"stops_in": -5}, None, "2"),
        ({"status": "STOPPING"}, None, "2"),
        ({}, "queued", "1"),
        ({}, "failed", "5"),
    ],
)
def test_the_server_says_how_soon_to_poll_again(
    watcher: Client,
    operator: User,
    fields: dict[str, Any],
    edit_state: str | None,
    seconds: str,
) -> None:
    instance = make_instance(**fields)
    if edit_state:
        edit = add_edit(instance, operator, state=edit_state)
        if not edit.is_open:
            Edit.objects.update(finished_at=edit.created_at)
    assert f'data-interval="{seconds}"' in watcher.get(LIST).text


def test_the_first_run_page_turns_into_the_list(client: Client, viewer: User) -> None:
    client.force_login(viewer)
    url = draw(client)
    make_cloud(refreshed_at=None, problem=verbatim("The password was refused."))
    FleetVersion.stamp()
    response = client.get(url)
    assert "The password was refused." in response.text
    Cloud.objects.all().delete()
    make_cloud()
    FleetVersion.stamp()
    response = client.get(next_poll(response.text))
    assert response.headers["HX-Refresh"] == "true"


def test_anonymous_htmx_is_led_to_sign_in(client: Client, db: None) -> None:
    response = client.get(
        URL,
        {"since": 0},
        headers={
            "HX-Request": "true",
            "HX-Current-URL": "http://testserver/instances/?q=x",
        },
    )
    assert response.headers["HX-Redirect"].startswith(reverse("account_login"))
    assert "next=/instances/%3Fq%3Dx" in response.headers["HX-Redirect"]


def test_only_get(watcher: Client) -> None:
    assert watcher.post(URL, {"since": 0}).status_code == 405
