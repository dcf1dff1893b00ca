"""Late stops on the page, the wallboard, in the list, the API and the metrics."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from dashboard.accounts.models import User
from dashboard.edits.models import Edit
from dashboard.handover import report_data, wallboard_services
from dashboard.handover.facts import MAX_LINES
from dashboard.handover.models import WallLink
from dashboard.instances.models import Cloud, Instance
from dashboard.web import process_cache
from tests.api.conftest import Programs, program
from tests.factories import make_instance
from tests.instances.pages import add_edit
from tests.metrics.test_metrics import scrape

from .handovers import make_draft
from .wall_pages import of, poll_of

__all__ = ["program"]

NOON = datetime(2026, 11, 23, 12, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
URL = reverse("handover:due")

pytestmark = pytest.mark.usefixtures("cloud_row", "_empty_cache", "_no_news")


@pytest.fixture
def late(operator: User) -> list[Instance]:
    """By auto-stop, by a person, and one that hangs; another is only overdue."""
    make_instance(name="overdue", stops_in=-9 * 60)
    by_end = make_instance(name="by-end", stops_in=-30 * 60)
    asked_at = NOON - 20 * MINUTE
    by_person = make_instance(name="by-person", stop_requested_at=asked_at)
    add_edit(by_person, operator, kind=Edit.Kind.STOP, state="retrying")
    hanging = make_instance(
        name="hanging", status="STOPPING", stop_requested_at=NOON - 10 * MINUTE
    )
    make_instance(name="done", status="STOPPED")
    return [by_end, by_person, hanging]


def section(page: str) -> str:
    return page.partition('id="late-stops"')[2].partition('id="lane-numbers"')[0]


def names(page: str) -> list[str]:
    ids = re.findall(r'<li data-late="([^"]+)"', page)
    by_id = dict(Instance.objects.values_list("instance_id", "name"))
    return [by_id[instance_id] for instance_id in ids]


@pytest.fixture(autouse=True)
def clock(cloud_row: Cloud) -> Iterator[time_machine.Traveller]:
    with time_machine.travel(NOON, tick=False) as traveller:
        Cloud.objects.update(refreshed_at=NOON)
        yield traveller


def test_every_place_names_the_same_late_stops(
    client: Client, operator: User, late: list[Instance], program: Programs
) -> None:
    client.force_login(operator)
    expected = [instance.name for instance in late]
    page = section(client.get(URL).text)
    assert names(page) == expected
    assert "3 late stops" in page
    listed = client.get(reverse("instances:list"), {"autostop": "late"}).text
    assert len(re.findall(r'<tr id="instance-\d+"', listed)) == len(late)
    asks = program(operator)
    document = asks.get("/due")["late"]
    assert document["total"] == len(late)
    assert [item["instance"]["name"] for item in document["items"]] == expected
    assert [item["cause"] for item in document["items"]] == [
        "Auto-stop",
        "Stop by operator",
        "Stop outside Curfew",
    ]
    rows = asks.get("/instances?per_page=100")["items"]
    since = {row["name"]: row["late_stop_since"] for row in rows}
    assert {name for name, moment in since.items() if moment} == set(expected)
    assert scrape(client)['curfew_instances_late_stops{cloud="demo"}'] == len(late)


def test_what_can_be_done_about_them(
    client: Client, operator: User, viewer: User, late: list[Instance]
) -> None:
    Cloud.objects.update(console_url="https://console.example.com/{instance_id}")
    client.force_login(operator)
    page = section(client.get(URL).text)
    # What is stopping cannot be stopped again.
    assert page.count("Stop again") == 2
    assert page.count("Open in console") == 3
    client.force_login(viewer)
    page = section(client.get(URL).text)
    assert names(page) == [instance.name for instance in late]
    assert "Stop again" not in page
    assert "Open in console" not in page


def test_the_filters_of_the_page_hold_for_late_stops(
    client: Client, operator: User, late: list[Instance]
) -> None:
    Instance.objects.filter(pk=late[1].pk).update(owner_name="li.wei")
    client.force_login(operator)
    assert names(client.get(URL, {"owner": "li.wei"}).text) == ["by-person"]


def test_a_stop_becomes_late_by_time_alone(
    client: Client, viewer: User, link: WallLink, clock: time_machine.Traveller
) -> None:
    make_instance(name="slow", status="STOPPING", stop_requested_at=NOON)
    client.force_login(viewer)
    page, wall = client.get(URL).text, client.get(of(link)).text
    assert "late stop" not in page + wall
    polls = [poll_of(page), poll_of(wall)]
    clock.shift(10 * MINUTE + timedelta(seconds=1))
    process_cache.clear_all()  # goes by a clock that does not travel
    for poll in polls:
        answer = client.get(poll)
        assert answer.status_code == 200
        assert "1 late stop" in answer.text


def test_the_wallboard_names_the_first_and_counts_all(
    client: Client, link: WallLink, late: list[Instance]
) -> None:
    make_instance(
        name="fourth", status="STOPPING", stop_requested_at=NOON - 10 * MINUTE
    )
    text = client.get(of(link)).text
    assert 'data-late="4"' in text
    alarm = text.partition('data-late="4"')[2].partition("</p>")[0]
    assert re.findall(r"<bdi>(.*?)</bdi>", alarm) == ["by-end", "by-person", "hanging"]


def test_a_wallboard_without_names_shows_none(
    client: Client, operator: User, late: list[Instance]
) -> None:
    masked = wallboard_services.make(
        actor=operator, name="Hall", zone="Europe/Berlin", masked=True
    )
    text = client.get(of(masked)).text
    assert 'data-late="3"' in text
    assert "by-end" not in text


def test_pages_say_when_a_cloud_is_not_read_any_more(
    client: Client, viewer: User, link: WallLink
) -> None:
    client.force_login(viewer)
    for minutes, says_so in [(14, False), (15, True)]:
        Cloud.objects.update(refreshed_at=NOON - minutes * MINUTE)
        process_cache.clear_all()
        assert ("Not read since" in client.get(URL).text) is says_so
        assert ("has not been read since" in client.get(of(link)).text) is says_so


def test_a_handover_names_them_with_their_causes(
    operator: User, late: list[Instance]
) -> None:
    draft = make_draft(operator)
    document = report_data.build_document(draft, user=operator, now=NOON)
    (section,) = (part for part in document.sections if part.key == "late_stops")
    assert document.sections[0] is section
    assert [(item.name, item.text) for item in section.items] == [
        ("by-end", "Running · Auto-stop"),
        ("by-person", "Running · Stop by operator"),
        ("hanging", "Stopping · Stop outside Curfew"),
    ]
    minutes = [(NOON - item.at) // MINUTE for item in section.items if item.at]
    assert minutes == [30, 20, 10]
    assert (section.total, section.query) == (3, "autostop=late")


def test_a_handover_counts_those_that_it_does_not_name(operator: User) -> None:
    for _ in range(MAX_LINES + 2):
        make_instance(status="STOPPING", stop_requested_at=NOON - 20 * MINUTE)
    draft = make_draft(operator)
    document = report_data.build_document(draft, user=operator, now=NOON)
    section = document.sections[0]
    assert (section.total, section.hidden) == (MAX_LINES + 2, 2)
