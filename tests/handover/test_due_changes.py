"""The poll of "stopping soon"."""

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from dashboard.accounts.models import User
from dashboard.edits.models import Edit
from dashboard.instances.models import Cloud, FleetVersion, Instance
from dashboard.livepoll import state
from dashboard.livepoll.shortcut import PollShortcut
from dashboard.web.stored_messages import verbatim
from tests.factories import make_cloud, make_instance
from tests.instances.pages import add_edit

PAGE = reverse("handover:due")
URL = reverse("handover:due_changes")
NOON = datetime(2026, 11, 23, 12, 1, tzinfo=UTC)


@pytest.fixture
def watcher(client: Client, viewer: User, cloud_row: Cloud) -> Client:
    """A viewer, signed in."""
    client.force_login(viewer)
    return client


def draw(client: Client, **query: Any) -> str:
    """Load the page; the address of its first poll."""
    return next_poll(client.get(PAGE, query).text)


def next_poll(text: str) -> str:
    match = re.search(r'<div id="poller"[^>]* hx-get="([^"]+)"', text)
    assert match
    return match[1].replace("&amp;", "&")


def change(*instances: Instance, **fields: Any) -> None:
    changed = Instance.objects.filter(pk__in=[instance.pk for instance in instances])
    if fields:
        changed.update(**fields)
    FleetVersion.stamp(changed)


def cards(text: str) -> list[int]:
    return [int(pk) for pk in re.findall(r'<li id="instance-(\d+)"', text)]


def swapped(text: str) -> set[str]:
    """Ids of what is swapped out of band."""
    return set(re.findall(r'<\w+ id="([\w-]+)"[^>]* hx-swap-oob="true"', text))


def test_an_unchanged_page_gets_204_and_the_age_of_the_mirror(
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
    assert news["poll_token"]


@pytest.mark.usefixtures("_fresh_news")
def test_a_poll_token_saves_queries_until_time_moves_a_run(
    client: Client,
    viewer: User,
    cloud_row: Cloud,
    django_assert_num_queries: Any,
) -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        client.force_login(viewer)
        make_instance(stops_at=NOON + timedelta(minutes=15, seconds=20))
        page = client.get(PAGE).text
        url, grant = next_poll(page), re.search(r'"Curfew-Poll-Token": "([^"]+)"', page)
        assert grant
        state.put(FleetVersion.current(), {cloud_row.pk: cloud_row.refreshed_at_ms})
        clock.shift(19)
        with django_assert_num_queries(0):
            assert quick(client, url, grant[1]) == "204 No Content"
        # Now the run has a quarter of an hour left, and stands in the next lane.
        clock.shift(1)
        assert quick(client, url, grant[1]) == "answered by Django"


def quick(client: Client, url: str, grant: str) -> str:
    """Return the status of the poll shortcut, or that Django answers."""
    statuses = ["answered by Django"]
    path, _, query = url.partition("?")
    environ = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "HTTP_CURFEW_POLL_TOKEN": grant,
        "HTTP_COOKIE": f"sessionid={client.cookies['sessionid'].value}",
    }

    def start_response(status: str, *_: Any) -> Any:
        statuses.append(status)

    PollShortcut(lambda *_: (), state.FleetStateCache())(environ, start_response)
    return statuses[-1]


@pytest.mark.parametrize("stops_in", [3_600, 15 * 60, -5 * 60])
def test_time_alone_moves_a_run_into_the_next_lane(
    watcher: Client, viewer: User, stops_in: int
) -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        watcher.force_login(viewer)
        instance = make_instance(stops_in=stops_in + 20)
        url = draw(watcher)
        clock.shift(timedelta(seconds=19))
        assert watcher.get(url).status_code == 204
        clock.shift(timedelta(seconds=1.1))
        response = watcher.get(url)
        assert response.status_code == 200
        assert swapped(response.text) >= {"lanes", "timeline"}
        assert cards(response.text) == [instance.pk]
        assert watcher.get(next_poll(response.text)).status_code == 204


def test_the_line_of_now_moves_on(watcher: Client, viewer: User) -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        watcher.force_login(viewer)
        make_instance(stops_in=9 * 3_600)
        url = draw(watcher)
        clock.shift(timedelta(minutes=5, seconds=1))
        response = watcher.get(url)
        assert swapped(response.text) == {"freshness", "troubles", "timeline"}


def test_a_changed_card_comes_alone(watcher: Client) -> None:
    first, second = make_instance(stops_in=600), make_instance(stops_in=700)
    url = draw(watcher)
    change(second, auto_stop_duration=3_600)
    response = watcher.get(url)
    assert cards(response.text) == [second.pk]
    assert f'id="instance-{first.pk}"' not in response.text
    assert f"instance-{second.pk}" in swapped(response.text)
    assert not swapped(response.text) & {"lanes", "timeline"}
    assert watcher.get(next_poll(response.text)).status_code == 204


def test_an_edit_s_chip_arrives(watcher: Client, operator: User) -> None:
    instance = make_instance(stops_in=600)
    url = draw(watcher)
    edit = add_edit(instance, operator, state=Edit.State.QUEUED)
    change(instance)
    response = watcher.get(url)
    assert f'data-edit="{edit.pk}" data-state="queued"' in response.text
    assert 'data-interval="1"' in response.text


def test_a_stopped_run_leaves(watcher: Client) -> None:
    first, second = make_instance(stops_in=600), make_instance(stops_in=700)
    url = draw(watcher)
    change(first, status="STOPPED", stops_at=None)
    response = watcher.get(url)
    assert cards(response.text) == [second.pk]
    assert swapped(response.text) >= {"lanes", "timeline"}


def test_the_filter_goes_along(watcher: Client) -> None:
    tom = make_instance(stops_in=600, owner_name="tom.becker", owner_id="t")
    anna = make_instance(stops_in=600)
    url = draw(watcher, owner="tom.becker", group="flavor")
    change(tom, anna)
    response = watcher.get(url)
    assert cards(response.text) == [tom.pk]
    assert "owner=tom.becker&group=flavor" in next_poll(response.text)


def test_trouble_with_a_cloud_reaches_the_page(watcher: Client) -> None:
    url = draw(watcher)
    Cloud.objects.update(problem=verbatim("The cloud does not answer."))
    FleetVersion.stamp()
    assert "The cloud does not answer." in watcher.get(url).text


def test_a_version_of_another_database_brings_everything(watcher: Client) -> None:
    make_instance(stops_in=600)
    url = re.sub(r"since=\d+", "since=999", draw(watcher))
    assert "lanes" in swapped(watcher.get(url).text)


def test_a_poll_without_a_layout_gets_everything(watcher: Client) -> None:
    change(make_instance(stops_in=600))
    targets = swapped(watcher.get(URL, {"since": 0}).text)
    assert targets >= {"lanes", "timeline", "freshness"}


@pytest.mark.parametrize(
    "query",
    [{}, {"since": "x"}, {"since": "-1"}, {"since": "0", "until": "soon"}],
)
def test_nonsense_is_400(watcher: Client, query: dict[str, str]) -> None:
    assert watcher.get(URL, query).status_code == 400


def test_the_first_run_page_turns_into_the_board(client: Client, viewer: User) -> None:
    client.force_login(viewer)
    url = draw(client)
    make_cloud()
    FleetVersion.stamp()
    assert client.get(url).headers["HX-Refresh"] == "true"


@pytest.mark.parametrize("number", [10, 300])
def test_queries_do_not_grow_with_the_fleet(
    watcher: Client, number: int, django_assert_num_queries: Any
) -> None:
    change(*[make_instance(stops_in=60 * count) for count in range(number)])
    # Session, person, version twice, runs, cards, edits, overrides, late stops, clouds.
    with django_assert_num_queries(10):
        watcher.get(URL, {"since": 0})


def test_anonymous_htmx_is_led_to_sign_in(client: Client, db: None) -> None:
    headers = {"HX-Request": "true", "HX-Current-URL": f"http://testserver{PAGE}"}
    response = client.get(URL, {"since": 0}, headers=headers)
    assert response.headers["HX-Redirect"].startswith(reverse("account_login"))
    assert f"next={PAGE}" in response.headers["HX-Redirect"]


def test_only_get(watcher: Client) -> None:
    assert watcher.post(URL, {"since": 0}).status_code == 405
