"""The poll of "stopping soon"."""

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from dashboard.accounts.models import User
from dashboard.edits.models import Edit
from dashboard.handover import selectors
from dashboard.instances.models import Cloud, FleetVersion, Instance
from dashboard.livepoll import changes, state
from dashboard.livepoll.shortcut import PollShortcut
from dashboard.web import process_cache
from dashboard.web.stored_messages import verbatim
from tests.factories import make_cloud, make_instance
from tests.instances import polls
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


@pytest.mark.usefixtures("_fresh_news")
class TestElsewhere:
    """A change that is not on the page."""

    @pytest.fixture
    def runs(self) -> list[Instance]:
        """More than a lane has cards for; the timeline has a bar for each."""
        return [
            make_instance(stops_in=60 * (count + 1))
            for count in range(selectors.MAX_CARDS + 2)
        ]

    @pytest.fixture
    def stopped(self) -> Instance:
        return make_instance(status="STOPPED", stops_at=None)

    @pytest.fixture
    def drawn(self, watcher: Client, runs: list[Instance], stopped: Instance) -> str:
        changes.read()  # the log begins
        return polls.draw(watcher, "handover:due")

    @pytest.mark.parametrize(("only_shown", "statements"), [(True, 1), (False, 4)])
    def test_django_does_not_see_it(
        self,
        watcher: Client,
        drawn: str,
        stopped: Instance,
        only_shown: bool,
        statements: int,
        django_assert_max_num_queries: Any,
    ) -> None:
        touch(stopped, only_shown=only_shown)
        with django_assert_max_num_queries(statements):
            answer = polls.ask(watcher, drawn)
        assert (answer.status, answer.was_quick) == ("204 No Content", True)

    def test_django_finds_nothing_new_either(
        self, watcher: Client, drawn: str, stopped: Instance
    ) -> None:
        touch(stopped, only_shown=False)
        process_cache.clear_all()
        answer = polls.ask(watcher, drawn)
        assert (answer.status, answer.was_quick) == ("204 No Content", False)
        assert answer.news["poll_token"]

    def test_a_card_is_not_elsewhere(
        self, watcher: Client, drawn: str, runs: list[Instance]
    ) -> None:
        touch(runs[0], only_shown=True, description="other words")
        answer = polls.ask(watcher, drawn)
        assert answer.status == "200 OK"
        assert cards(answer.body.decode()) == [runs[0].pk]

    def test_a_bar_is_not_elsewhere(
        self, watcher: Client, drawn: str, runs: list[Instance]
    ) -> None:
        """It leads to the form for another end, unless an edit is under way."""
        with CaptureQueriesContext(connection) as found:
            touch(runs[-1], only_shown=True)
            polls.ask(watcher, drawn)
        assert any("run_ends_at" in query["sql"] for query in found)

    def test_a_new_run_is_news(
        self, watcher: Client, drawn: str, stopped: Instance
    ) -> None:
        end = timezone.now() + timedelta(hours=1)
        touch(stopped, only_shown=False, status="RUNNING", stops_at=end)
        assert polls.ask(watcher, drawn).status == "200 OK"

    def test_the_number_of_late_stops_is_news(self, watcher: Client) -> None:
        """More than the page names, and none of them runs or is in a lane."""
        since = timezone.now() - timedelta(hours=2)
        late = [
            make_instance(status="STOPPING", stop_requested_at=since)
            for _ in range(selectors.MAX_CARDS + 1)
        ]
        changes.read()
        drawn = polls.draw(watcher, "handover:due")
        assert f"{len(late)} late stops" in drawn
        touch(late[-1], only_shown=False, status="STOPPED")
        answer = polls.ask(watcher, drawn)
        assert answer.status == "200 OK"
        assert f"{len(late) - 1} late stops" in answer.body.decode()

    def test_a_person_who_may_edit_has_another_page(
        self, client: Client, drawn: str, operator: User
    ) -> None:
        """The bars of a person who may edit lead to forms."""
        keys = {polls.poller(drawn)[1].split(".")[4]}
        client.force_login(operator)
        keys.add(polls.poller(client.get(PAGE).text)[1].split(".")[4])
        assert len(keys) == 2


def touch(instance: Instance, *, only_shown: bool, **fields: Any) -> None:
    changed = Instance.objects.filter(pk=instance.pk)
    if fields:
        changed.update(**fields)
    state.put_version(FleetVersion.stamp(changed, only_shown=only_shown))


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
