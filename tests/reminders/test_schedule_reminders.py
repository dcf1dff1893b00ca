"""Warnings before a schedule's stop, what it did, and moments that were missed."""

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from typing import Any
from unittest.mock import Mock
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.test import Client
from django.utils import timezone

from dashboard.accounts.models import User
from dashboard.edits import dispatch, schedule_runner
from dashboard.edits.models import Edit
from dashboard.instances.models import Cloud, Instance, InstanceEvent
from dashboard.reminders import planning
from dashboard.reminders.models import Preferences, Reminder
from dashboard.reminders.notification import write_notification
from dashboard.schedules.models import Override, Schedule, WorkingTime
from tests.factories import make_instance

from .conftest import created, prefer

STOP = datetime(2026, 11, 30, 19, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def _no_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "enqueue", Mock())


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(STOP - 90 * MINUTE, tick=False) as traveller:
        yield traveller


@pytest.fixture
def evening(db: None, clock: time_machine.Traveller) -> Schedule:
    """Stops everything at 19:00, and is on."""
    schedule = Schedule.objects.create(
        name="Office hours",
        position=1,
        reason="Nobody works at night.",
        time_zone="UTC",
        mode="on",
        switched_on_at=timezone.now(),
        checked_until=timezone.now(),
    )
    days = list(range(7))
    WorkingTime.objects.create(schedule=schedule, weekdays=days, stop=time(19))
    return schedule


@pytest.fixture
def running(evening: Schedule) -> Instance:
    """anna.schmidt's, which runs until the next day."""
    return make_running()


def make_running(**fields: Any) -> Instance:
    since = timezone.now() - timedelta(hours=2)
    fields = {"stops_in": 20 * 3600, "run_started_at": since} | fields
    return make_instance(status_since=since, first_seen_at=since, **fields)


def tick() -> None:
    """Run the tasks that beat schedules."""
    Cloud.objects.update(refreshed_at=timezone.now())
    schedule_runner.run_schedules()
    planning.plan()


def test_owners_are_warned_by_their_own_lead_times(
    running: Instance, scientist: User, clock: time_machine.Traveller
) -> None:
    tick()
    assert created(person=scientist) == []
    for left in (60, 59, 15, 14):
        clock.move_to(STOP - left * MINUTE)
        tick()
    assert created(person=scientist) == [
        ("page", "schedule", 60, "sent"),
        ("page", "schedule", 15, "sent"),
    ]


def test_the_message_says_which_schedule_and_what_is_kept(
    running: Instance, by_mail: Preferences, clock: time_machine.Traveller
) -> None:
    clock.move_to(STOP - 60 * MINUTE)
    tick()
    reminder = Reminder.objects.get(medium="mail")
    notification = write_notification(
        reminder, zone=ZoneInfo("UTC"), now=timezone.now()
    )
    assert notification.subject == (
        f"Schedule “Office hours” will stop {running.name}, 19:00"
    )
    assert "Why: Nobody works at night." in notification.text
    assert "Kept: only the work directory" in notification.text


def test_a_run_that_ends_before_needs_no_warning(
    evening: Schedule, scientist: User, clock: time_machine.Traveller
) -> None:
    clock.move_to(STOP - 60 * MINUTE)
    make_running(stops_in=59 * 60)
    tick()
    assert "schedule" not in {kind for _, kind, *_ in created()}


@pytest.mark.parametrize("kind", ["skip", "keep", "ignore"])
def test_an_override_needs_no_warning_and_withdraws_one(
    running: Instance, scientist: User, clock: time_machine.Traveller, kind: str
) -> None:
    clock.move_to(STOP - 60 * MINUTE)
    tick()
    override = Override.objects.create(
        instance=running,
        kind=kind,
        until=STOP + MINUTE,
        skips=STOP if kind == "skip" else None,
        created_by=scientist,
    )
    clock.move_to(STOP - 15 * MINUTE)
    tick()
    assert created() == [("page", "schedule", 60, "cancelled")]
    override.delete()
    tick()
    assert created() == [
        ("page", "schedule", 60, "sent"),
        ("page", "schedule", 15, "sent"),
    ]


@pytest.mark.parametrize(
    "change",
    [
        {"mode": "dry_run"},
        {"switched_on_at": STOP - 20 * MINUTE},
    ],
    ids=["off", "changed"],
)
def test_a_schedule_that_was_changed_withdraws_its_warnings(
    running: Instance,
    scientist: User,
    clock: time_machine.Traveller,
    change: dict[str, Any],
) -> None:
    clock.move_to(STOP - 60 * MINUTE)
    tick()
    Schedule.objects.update(**change)
    clock.move_to(STOP - 20 * MINUTE)
    tick()
    assert created()[0] == ("page", "schedule", 60, "cancelled")


def test_many_stops_of_one_schedule_are_a_list(
    evening: Schedule, scientist: User, clock: time_machine.Traveller
) -> None:
    for _ in range(5):
        make_running()
    clock.move_to(STOP - 60 * MINUTE)
    tick()
    (entry,) = Reminder.objects.filter(is_list=True)
    assert entry.members.count() == 5
    notification = write_notification(entry, zone=ZoneInfo("UTC"), now=timezone.now())
    assert notification.subject == "A schedule will stop 5 instances"


def stop_all() -> None:
    """Let the cloud do what the edits ask for."""
    now = timezone.now()
    for edit in Edit.objects.filter(state="queued"):
        Edit.objects.filter(pk=edit.pk).update(state="applied", finished_at=now)
        InstanceEvent.objects.create(
            instance=edit.instance,
            at=now,
            from_status="RUNNING",
            to_status="STOPPING",
            reason="requested",
            edit_id=edit.pk,
        )
    Instance.objects.update(status="STOPPING", is_running=False)


def test_what_it_stopped_is_one_message_for_each_owner(
    evening: Schedule, scientist: User, clock: time_machine.Traveller
) -> None:
    for _ in range(3):
        make_running()
    clock.move_to(STOP + timedelta(seconds=5))
    tick()
    stop_all()
    planning.plan()
    (reminder,) = Reminder.objects.filter(kind="stopped")
    notification = write_notification(
        reminder, zone=ZoneInfo("UTC"), now=timezone.now()
    )
    assert notification.subject == "Schedule “Office hours” stopped 3 of your instances"


def test_who_wants_no_news_of_others_gets_none_of_schedules(
    running: Instance, scientist: User, clock: time_machine.Traveller
) -> None:
    prefer(scientist, on_others=False)
    clock.move_to(STOP + timedelta(seconds=5))
    tick()
    stop_all()
    planning.plan()
    assert not Reminder.objects.filter(kind="stopped").exists()


def test_a_missed_moment_is_reported_to_the_team_once(
    running: Instance,
    scientist: User,
    operator: User,
    clock: time_machine.Traveller,
    client: Client,
) -> None:
    clock.move_to(STOP + 45 * MINUTE)
    tick()
    tick()
    (reminder,) = Reminder.objects.filter(kind="missed")
    assert (reminder.person, reminder.moment) == (operator, STOP)
    notification = write_notification(
        reminder, zone=ZoneInfo("UTC"), now=timezone.now()
    )
    assert notification.subject == "Schedule “Office hours” missed a stop"
    assert "Planned for: Mon 30 Nov, 19:00 UTC" in notification.text
    client.force_login(operator)
    html = client.get("/reminders/").content.decode()
    assert "Schedule “Office hours” missed a stop" in html


def test_a_dry_run_reports_no_missed_moment(
    running: Instance, operator: User, clock: time_machine.Traveller
) -> None:
    Schedule.objects.update(mode="dry_run")
    clock.move_to(STOP + 45 * MINUTE)
    tick()
    assert not Reminder.objects.exists()
