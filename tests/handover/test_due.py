"""Stopping soon: the page."""

import re
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from dashboard.accounts.models import User
from dashboard.edits.models import Edit
from dashboard.instances.countdown import unix_ms
from dashboard.instances.models import Cloud, FleetVersion, Instance
from tests.factories import make_cloud, make_instance, make_notebook
from tests.instances.pages import add_edit

URL = reverse("handover:due")
NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)

LANES = ("now", "quarter", "hour", "eight_hours", "later", "never")


@pytest.fixture
def watcher(client: Client, viewer: User, cloud_row: Cloud) -> Client:
    """A viewer, signed in."""
    client.force_login(viewer)
    return client


def lane_of(page: str, instance: Instance) -> str:
    """The lane in whose section its card stands; empty when it has none."""
    sections = re.split(r'<section\s+class="lane"\s+id="lane-(\w+)"', page)[1:]
    for lane, section in zip(sections[::2], sections[1::2], strict=True):
        if f'id="instance-{instance.pk}"' in section:
            return lane
    return ""


def numbers(page: str) -> list[int]:
    return [
        int(number)
        for number in re.findall(r'href="#lane-[^>]*?data-number="(\d+)"', page)
    ]


def test_anonymous_is_sent_to_sign_in(client: Client, db: None) -> None:
    response = client.get(URL)
    assert response.status_code == 302
    assert response.headers["Location"] == f"{reverse('account_login')}?next={URL}"


@pytest.mark.parametrize("method", ["post", "put", "delete"])
def test_other_methods_are_refused(watcher: Client, method: str) -> None:
    assert getattr(watcher, method)(URL).status_code == 405


@pytest.mark.parametrize(
    ("stops_in", "lane"),
    [
        (-600, "now"),
        (-299, "now"),
        (0, "now"),
        (1, "quarter"),
        (15 * 60, "quarter"),
        (15 * 60 + 1, "hour"),
        (3_600, "hour"),
        (3_601, "eight_hours"),
        (8 * 3_600, "eight_hours"),
        (8 * 3_600 + 1, "later"),
        (40 * 3_600, "later"),
    ],
)
@time_machine.travel(NOON, tick=False)
def test_each_run_is_in_its_lane(
    watcher: Client, viewer: User, stops_in: int, lane: str
) -> None:
    watcher.force_login(viewer)
    instance = make_instance(stops_in=stops_in)
    assert lane_of(watcher.get(URL).text, instance) == lane


@time_machine.travel(NOON, tick=False)
def test_a_stop_may_take_some_minutes_before_it_is_overdue(
    watcher: Client, viewer: User
) -> None:
    watcher.force_login(viewer)
    for stops_in in (-299, -300, -600):
        make_instance(stops_in=stops_in)
    page = watcher.get(URL).text
    assert numbers(page)[0] == 3
    (link,) = re.findall(r'<a href="(/instances/[^"]+)">\s*2 overdue', page)
    assert "2 of 2" in watcher.get(link).text


@pytest.mark.parametrize(
    ("fields", "lane"),
    [
        ({"stops_in": None, "auto_stop_enable": False}, "never"),
        ({"stops_in": None, "auto_stop_enable": None}, "never"),
        # Switched off, but this run still has its end.
        ({"stops_in": 600, "auto_stop_enable": False}, "quarter"),
        ({"status": "STOPPED", "auto_stop_enable": False}, ""),
        ({"status": "STOPPING", "stops_in": 600}, ""),
        ({"missing_since": NOON, "stops_in": 600}, ""),
    ],
)
def test_only_running_instances_are_shown(
    watcher: Client, fields: dict[str, Any], lane: str
) -> None:
    instance = make_instance(**fields)
    assert lane_of(watcher.get(URL).text, instance) == lane


def test_numbers_of_all_lanes(watcher: Client) -> None:
    for stops_in in (-500, -900, -9, 60, 1_800, 40 * 3_600):
        make_instance(stops_in=stops_in)
    make_instance(stops_in=None, auto_stop_enable=False)
    totals = numbers(watcher.get(URL).text)
    assert totals == [3, 1, 1, 0, 1, 1]


def test_a_card_has_what_the_contract_says(watcher: Client) -> None:
    instance = make_instance(stops_in=600)
    page = watcher.get(URL).text
    card = f'<li id="instance-{instance.pk}" data-instance="{instance.instance_id}"'
    assert card in " ".join(page.split())
    assert f'data-stops-at="{unix_ms(instance.stops_at)}"' in page
    assert "9 min" in page or "10 min" in page
    assert "anna.schmidt" in page
    assert instance.get_absolute_url() in page


@pytest.mark.parametrize(
    ("role", "may"),
    [
        ("viewer", False),
        ("stranger", False),
        ("scientist", True),
        ("operator", True),
        ("admin", True),
    ],
)
def test_edit_and_stop_are_offered_to_those_who_may(
    client: Client, request: pytest.FixtureRequest, role: str, may: bool
) -> None:
    client.force_login(request.getfixturevalue(role))
    instance = make_instance(stops_in=600)
    page = client.get(URL).text
    for name in ("edits:edit", "edits:stop"):
        url = reverse(name, args=[instance.cloud.name, instance.instance_id])
        assert (f'href="{url}"' in page) is may


def test_an_open_edit_has_its_chip(watcher: Client, operator: User) -> None:
    edit = add_edit(make_instance(stops_in=600), operator, state=Edit.State.QUEUED)
    page = watcher.get(URL).text
    assert f'data-edit="{edit.pk}" data-state="queued"' in page
    assert 'data-interval="1"' in page


@pytest.mark.parametrize("number", [10, 300])
def test_queries_do_not_grow_with_the_fleet(
    client: Client, scientist: User, number: int, django_assert_num_queries: Any
) -> None:
    for count in range(number):
        make_instance(stops_in=60 * count - 300)
    client.force_login(scientist)
    # Session, person, upstream users, version, runs, cards, edits, clouds, 5 facets,
    # the bell, the size of the fleet.
    with django_assert_num_queries(18):
        client.get(URL)


def test_a_long_lane_leads_to_the_list(watcher: Client) -> None:
    for _ in range(15):
        make_instance(stops_in=600)
        make_instance(stops_in=None)
    page = watcher.get(URL, {"owner": "anna.schmidt"}).text
    assert page.count('class="due-card"') == 24
    links = re.findall(r'<a href="([^"]+)">\s*View all 15', page)
    assert len(links) == 2
    for link in map(unescape, links):
        assert link.startswith("/instances/?owner=anna.schmidt&")
        assert "15 of 15" in watcher.get(link).text


@pytest.mark.parametrize(
    ("language", "label"), [("en", "no auto-stop"), ("de", "ohne Auto-Stopp")]
)
def test_the_label_of_a_bar_begins_with_its_visible_text(
    watcher: Client, language: str, label: str
) -> None:
    make_instance(name="speech-prep", stops_in=None)
    make_instance(name="class", stops_in=600)
    watcher.cookies["curfew_language"] = language
    page = watcher.get(URL).text
    bars = re.findall(
        r'<a class="day-bar".*?aria-label="(.*?)".*?<text[^>]*>(.*?)</text>', page, re.S
    )
    assert {text for _, text in bars} == {"class", f"speech-prep · {label}"}
    assert all(name.startswith(text) for name, text in bars)


def test_an_idle_lease_has_its_own_lane_no_bar_and_no_urgency(
    client: Client, operator: User, cloud_row: Cloud
) -> None:
    client.force_login(operator)
    assert 'id="lane-idle"' not in client.get(URL).text
    idle = make_notebook(name="lab", idle_seconds=3600)
    timing = make_notebook(stops_in=600)
    FleetVersion.stamp()
    page = client.get(URL).text
    assert lane_of(page, idle) == "idle"
    card = page.partition(f'id="instance-{idle.pk}"')[2].partition("</li>")[0]
    assert 'data-urgency="none"' in card
    assert "stops after 1 h idle" in card
    assert "not before" in card
    assert "Start " not in card
    assert "lab · stops when idle" in page
    for notebook in (idle, timing):
        assert f'href="{notebook.get_absolute_url()}extend/"' in page


@pytest.mark.parametrize("group", ["owner", "flavor"])
@time_machine.travel(NOON, tick=False)
def test_a_column_leads_to_what_it_counts(
    watcher: Client, viewer: User, group: str
) -> None:
    watcher.force_login(viewer)
    for minutes in range(-20, 100):
        make_instance(
            stops_in=60 * minutes,
            owner_name=("anna", "ünal & co")[minutes % 2],
            flavor=("vm.gpu", "vm.cpu + 2")[minutes % 2],
        )
    make_instance(stops_in=60, owner_name="", flavor="")
    page = watcher.get(URL, {"group": group, "cloud": "demo"}).text
    columns = re.findall(
        r'<a\s+href="([^"]+)"\s+class="day-column".*?<text[^>]*>(\d+)</text>',
        page,
        re.S,
    )
    # Those of all, then those of both groups.
    assert len(columns) == 12
    for link, number in columns:
        listed = watcher.get(unescape(link)).text
        assert re.search(rf"of {number}\s*</p>", listed)
        assert "cloud=demo" in link
    assert sum(int(number) for _, number in columns) == 241
    # The list cannot ask for those whose owner nobody knows.
    assert page.count('role="img"') == 1


def test_filters_as_the_list_does_and_keeps_the_group(watcher: Client) -> None:
    anna = make_instance(stops_in=600)
    tom = make_instance(stops_in=600, owner_name="tom.becker", owner_id="t")
    lab = make_instance(stops_in=600, cloud=make_cloud("lab"))
    query = "owner=tom.becker&owner=gone&cloud=!lab&group=flavor"
    page = watcher.get(f"{URL}?{query}").text
    assert lane_of(page, tom) == "quarter"
    assert not lane_of(page, anna)
    assert not lane_of(page, lab)
    assert 'data-found="1 instance"' in " ".join(page.split())
    for owner in ("tom.becker", "gone"):
        ticked = rf'name="owner" value="{owner}"\s+checked'
        assert re.search(ticked, page)
    assert '<input type="hidden" name="group" value="flavor">' in page
    assert '<input type="hidden" name="cloud" value="!lab">' in page
    assert "/due/?owner=tom.becker&amp;cloud=%21lab&amp;group=flavor" in page
    assert 'name="status"' not in page
    for name in ("owner=gone&owner=tom.becker", "cloud=%21lab", "group=flavor"):
        assert name in unescape(page.split('id="poller"')[1])
    assert lane_of(watcher.get(URL, {"owner": "!tom.becker"}).text, lab) == "quarter"
    assert "No matching running instances" in watcher.get(URL, {"q": "zzz"}).text


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"group": "colour"}, "group=colour"),
        ({"owner": "x" * 300}, "owner=xxx"),
        ({"cloud": "a\0b"}, "cloud=a"),
    ],
)
def test_invalid_parameters_are_reported(
    watcher: Client, query: dict[str, str], message: str
) -> None:
    instance = make_instance(stops_in=600)
    response = watcher.get(URL, query)
    assert response.status_code == 200
    assert "Ignored unsupported filters" in response.text
    assert message in response.text
    assert lane_of(response.text, instance) == "quarter"


def test_names_are_text_and_never_markup(watcher: Client) -> None:
    hostile = '"><script>alert(1)</script>{{ 7 }}<b hx-get=/x>'
    make_instance(name=hostile, owner_name=hostile, flavor=hostile, stops_in=600)
    for group in ("owner", "flavor"):
        page = watcher.get(URL, {"group": group}).text
        assert "<script>alert" not in page
        assert "<b hx-get" not in page
        assert hostile in unescape(page)
    for frame in ("lanes", "day-chart"):
        assert re.search(f'class="{frame}" hx-disable', page)


def test_the_page_has_no_inline_style(watcher: Client) -> None:
    """The content policy would drop it."""
    make_instance(stops_in=600)
    assert " style=" not in watcher.get(URL).text


def test_first_run_says_what_to_do(client: Client, viewer: User) -> None:
    client.force_login(viewer)
    page = client.get(URL).text
    assert "No cloud connected" in page
    assert "layout=nothing" in page


def test_an_empty_fleet_is_calm(watcher: Client) -> None:
    page = watcher.get(URL).text
    assert numbers(page) == [0] * len(LANES)
    assert "Nothing is stopping." in page
    assert "No running instances" in page


def test_a_run_without_end_shows_its_start(watcher: Client) -> None:
    started = datetime.now(UTC) - timedelta(days=3)
    make_instance(stops_in=None, auto_stop_enable=False, run_started_at=started)
    page = watcher.get(URL).text
    assert "No auto-stop" in page
    assert f'<time datetime="{started.isoformat()}"' in page


def test_the_navigation_links_to_the_page(watcher: Client) -> None:
    assert f'<a href="{URL}" aria-current="true">' in watcher.get(URL).text


@pytest.mark.skipif(connection.vendor != "sqlite", reason="plans of SQLite")
def test_an_index_has_all_that_is_read_of_each_run(watcher: Client) -> None:
    make_instance()
    with CaptureQueriesContext(connection) as queries:
        watcher.get(URL)
    (sql,) = (
        query["sql"]
        for query in queries
        if query["sql"].endswith('"run_started_at" ASC, 1 ASC')
    )
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {sql}")
        plan = [row[-1] for row in cursor.fetchall()]
        cursor.execute("PRAGMA index_info(instance_of_run)")
        columns = {row[-1] for row in cursor.fetchall()}
    assert len(plan) == 1, "sorted once more"
    assert "USING INDEX instance_of_run" in plan[0]
    assert set(re.findall(r'"instances_instance"\."(\w+)"', sql)) <= columns
