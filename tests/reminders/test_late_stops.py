"""A late stop is an alarm, once, until it is over."""

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta

import pytest
import time_machine
from django.core import mail
from django.test import Client

from dashboard.accounts.models import User
from dashboard.instances.models import Cloud, Instance
from dashboard.reminders.delivery import deliver
from dashboard.reminders.models import Channel, OnCall, Reminder
from dashboard.reminders.notification import write_notification
from dashboard.reminders.planning import due, plan
from tests.factories import make_instance

from .conftest import prefer

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
MINUTE, SECOND = timedelta(minutes=1), timedelta(seconds=1)

pytestmark = pytest.mark.usefixtures("cloud_row")


@pytest.fixture(autouse=True)
def clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(NOON, tick=False) as traveller:
        yield traveller


@pytest.fixture
def hanging(operator: User) -> Instance:
    """A stop that was requested ten minutes ago."""
    return make_instance(
        name="churn",
        status="STOPPING",
        stop_requested_at=NOON - 10 * MINUTE,
        run_started_at=NOON - 60 * MINUTE,
    )


def alarms() -> list[tuple[str, str]]:
    reminders = Reminder.objects.filter(kind="overdue", medium="page")
    return list(reminders.values_list("person__username", "state"))


def messages(channel: Channel) -> list[str]:
    """Send what waits for a channel, and return all that it got."""
    sent = Reminder.objects.filter(channel=channel).order_by("pk")
    sent.filter(state="waiting").update(state="sent")
    return [
        write_notification(reminder, zone=channel.zone, now=NOON).subject
        for reminder in sent.select_related("instance__cloud", "resolves")
    ]


def test_it_is_announced_once_and_ends_when_it_stops(
    hanging: Instance, clock: time_machine.Traveller
) -> None:
    clock.move_to(NOON - MINUTE)
    plan()
    assert alarms() == []
    for minutes in (0, 1, 30):
        clock.move_to(NOON + minutes * MINUTE)
        plan()
    assert alarms() == [("operator", "sent")]
    Instance.objects.update(status="STOPPED", stop_requested_at=None)
    plan()
    assert alarms() == [("operator", "cancelled")]


def test_an_end_that_shifts_by_some_seconds_is_the_same_stop(operator: User) -> None:
    make_instance(stops_in=-700)
    plan()
    for shift in (-2 * SECOND, 3 * SECOND):
        Instance.objects.update(stops_at=NOON - 700 * SECOND + shift)
        plan()
    assert alarms() == [("operator", "sent")]


def test_the_next_late_stop_is_announced_again(
    hanging: Instance, clock: time_machine.Traveller
) -> None:
    plan()
    Instance.objects.update(status="STOPPED", stop_requested_at=None)
    plan()
    clock.move_to(NOON + 120 * MINUTE)
    Instance.objects.update(status="STOPPING", stop_requested_at=NOON + 100 * MINUTE)
    plan()
    assert sorted(alarms()) == [("operator", "cancelled"), ("operator", "sent")]


def test_a_channel_reads_of_the_alarm_and_of_its_end_once(
    hanging: Instance, channel: Channel, clock: time_machine.Traveller
) -> None:
    alarm = "churn should have stopped, but is still running"
    plan()
    assert messages(channel) == [alarm]
    clock.move_to(NOON + 20 * MINUTE)
    Instance.objects.update(
        status="STOPPED", stop_requested_at=None, status_since=NOON + 19 * MINUTE
    )
    for _ in range(3):
        plan()
        assert messages(channel) == [alarm, "churn has stopped"]


def test_an_alarm_that_was_not_sent_has_no_end(
    hanging: Instance, channel: Channel
) -> None:
    plan()
    Reminder.objects.filter(channel=channel).update(state="failed")
    Instance.objects.update(status="STOPPED", stop_requested_at=None)
    plan()
    assert not Reminder.objects.filter(kind="resolved").exists()


def test_a_stop_that_is_no_longer_due_has_not_stopped_anything(
    channel: Channel,
) -> None:
    make_instance(stops_in=-700, name="churn")
    plan()
    assert len(messages(channel)) == 1
    # Somebody moved the end.
    Instance.objects.update(stops_at=NOON + 600 * MINUTE)
    plan()
    assert len(messages(channel)) == 1
    assert alarms() == [("admin", "cancelled")]


def test_the_alarm_says_what_should_have_stopped_it(
    channel: Channel, cloud_row: Cloud
) -> None:
    make_instance(stops_in=-700, name="churn")
    plan()
    reminder = Reminder.objects.get(channel=channel)
    text = write_notification(reminder, zone=channel.zone, now=NOON).text
    assert "What should stop it: Auto-stop" in text
    assert "Next step: Stop it again." in text


def test_a_list_of_alarms_names_no_single_cause(operator: User, client: Client) -> None:
    for _ in range(2):
        make_instance(stops_in=-700)
    plan()
    client.force_login(operator)
    page = client.get("/reminders/").text
    assert "2 late stops" in page
    assert "What should stop it" not in page


def test_quiet_hours_delay_it_except_for_the_person_on_call(
    hanging: Instance, operator: User, admin: User, with_mail: None
) -> None:
    for person in (operator, admin):
        person.email = f"{person.username}@example.org"
        person.save()
        quiet = {"quiet_from": time(11), "quiet_until": time(13)}
        prefer(person, by_mail=True, scope="all", only_on_call=False, **quiet)
    day = 24 * 60 * MINUTE
    OnCall.objects.create(
        name="oskar", person=operator, starts_at=NOON - day, ends_at=NOON + day
    )
    make_instance(status="START_FAILED", status_since=NOON)
    plan()
    for reminder_pk in due():
        deliver(reminder_pk)
    assert [message.to for message in mail.outbox] == [["operator@example.org"]]
    assert "churn" in mail.outbox[0].subject
    mails = Reminder.objects.filter(medium="mail", state="waiting")
    assert {reminder.due_at for reminder in mails} == {NOON + 60 * MINUTE}
    assert mails.count() == 3  # the late stop for one, the failure for both
