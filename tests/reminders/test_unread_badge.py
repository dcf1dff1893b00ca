"""The unread count is updated by the polls that a page sends anyway."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from dashboard.accounts.models import User
from dashboard.instances.models import FleetVersion, Instance
from dashboard.reminders.models import Reminder
from dashboard.reminders.planning import plan
from dashboard.reminders.unread_badge import EVENT

CHANGES = reverse("instances:changes")
POLL = {"HX-Request": "true", "Curfew-Poll-Token": "too-old"}


@pytest.fixture
def page(client: Client, scientist: User, instance: Instance) -> Client:
    client.force_login(scientist)
    FleetVersion.stamp(Instance.objects.all())
    return client


def unread(response: Any) -> int | None:
    triggers = json.loads(response.headers.get("HX-Trigger", "{}"))
    number: int | None = triggers.get(EVENT, {}).get("unread")
    return number


def remind() -> None:
    at = datetime.now(UTC) + timedelta(minutes=10.5)
    Instance.objects.update(stops_at=at, stop_timestamp_ms=round(at.timestamp() * 1e3))
    plan()


def since_now(page: Client) -> str:
    html = page.get(CHANGES, {"since": 0}, headers=POLL).text
    return html.partition("since=")[2].partition("&")[0].partition('"')[0]


def test_a_poll_reports_the_number_of_unread_reminders(page: Client) -> None:
    assert unread(page.get(CHANGES, {"since": 0}, headers=POLL)) == 0
    remind()
    changed = page.get(CHANGES, {"since": 0}, headers=POLL)
    assert (changed.status_code, unread(changed)) == (200, 1)
    nothing = page.get(CHANGES, {"since": since_now(page)}, headers=POLL)
    assert (nothing.status_code, unread(nothing)) == (204, 1)
    # The event of every such response is still there.
    assert "curfew:unchanged" in nothing.headers["HX-Trigger"]
    Reminder.objects.update(read_at=datetime.now(UTC))
    assert unread(page.get(CHANGES, {"since": 0}, headers=POLL)) == 0


def test_the_unread_count_costs_a_poll_one_query(
    page: Client, django_assert_num_queries: Any
) -> None:
    since = since_now(page)
    without = {"HX-Request": "true"}
    page.get(CHANGES, {"since": since}, headers=without)
    with CaptureQueriesContext(connection) as captured:
        page.get(CHANGES, {"since": since}, headers=without)
    with django_assert_num_queries(len(captured) + 1):
        page.get(CHANGES, {"since": since}, headers=POLL)


def test_other_responses_do_not_report_it(page: Client, client: Client) -> None:
    remind()
    assert EVENT not in page.get(reverse("instances:list")).headers.get(
        "HX-Trigger", ""
    )
    signed_out = Client().get(CHANGES, {"since": 0}, headers=POLL)
    assert unread(signed_out) is None
    wrong = page.get(CHANGES, {"since": "x"}, headers=POLL)
    assert (wrong.status_code, unread(wrong)) == (400, None)


def test_the_page_shows_the_unread_count(page: Client) -> None:
    drawn = " ".join(page.get(reverse("instances:list")).text.split())
    assert (
        '<span class="unread-count" hidden> <span id="unread-number">0</span>' in drawn
    )
    remind()
    drawn = " ".join(page.get(reverse("instances:list")).text.split())
    assert '<span class="unread-count"> <span id="unread-number">1</span>' in drawn
