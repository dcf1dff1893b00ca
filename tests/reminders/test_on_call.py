"""Who is on call, what they receive, and what happens when they do not answer."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from dashboard.accounts.models import User
from dashboard.accounts.shifts import (
    PublishedHandover,
    handover_published,
    handover_taken_over,
)
from dashboard.audit.models import AuditEvent
from dashboard.instances.models import Cloud, Instance
from dashboard.policies.models import Rule, RuleException
from dashboard.reminders.ics import read_roster
from dashboard.reminders.models import Acknowledgement, OnCall, Reminder
from dashboard.reminders.planning import plan
from dashboard.web.calendar_files import CalendarError
from dashboard.web.stored_messages import verbatim
from tests.factories import make_instance

from .conftest import prefer

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
ROSTER = """BEGIN:VCALENDAR\r
X-WR-TIMEZONE:Europe/Berlin\r
BEGIN:VEVENT\r
UID:1\r
SUMMARY:Day shift: oper\r
 ator\r
DTSTART:20261130T080000\r
DTEND:20261130T200000\r
RRULE:FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,TU;COUNT=4\r
EXDATE:20261201T080000\r
BEGIN:VALARM\r
DTSTART:19700101T000000\r
END:VALARM\r
END:VEVENT\r
BEGIN:VEVENT\r
SUMMARY:Night\r
ATTENDEE;CN="Ada: L.":mailto:ADA@example.org\r
DTSTART;TZID=Europe/Berlin:20261130T200000\r
DURATION:PT12H\r
END:VEVENT\r
BEGIN:VEVENT\r
SUMMARY:Nobody we know\r
DTSTART;VALUE=DATE:20270101\r
END:VEVENT\r
END:VCALENDAR\r
"""


@pytest.fixture(autouse=True)
def clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(NOON, tick=False) as traveller:
        yield traveller


@pytest.fixture
def roster(client: Client, admin: User, operator: User) -> Client:
    """The operator is on call, then the admin."""
    User.objects.filter(pk=admin.pk).update(email="ada@example.org")
    client.force_login(admin)
    file = SimpleUploadedFile("roster.ics", ROSTER.encode())
    response = client.post("/reminders/on-call/", {"file": file}, follow=True)
    assert "5 shifts read." in response.text
    return client


def told() -> list[str]:
    people = Reminder.objects.filter(part_of=None, for_team=True)
    return sorted(people.values_list("person__username", flat=True))


def fail() -> Instance:
    failed = make_instance(status="START_FAILED", status_since=timezone.now())
    plan()
    return failed


def test_the_roster(roster: Client, operator: User) -> None:
    html = roster.get("/reminders/on-call/").text
    assert "<bdi>operator</bdi></strong> is on call" in html
    assert "Next is <strong><bdi>admin</bdi></strong>" in html
    unknown = html.split("These names have no account")[1].split("</p>")[0]
    assert "Nobody we know" in unknown
    berlin = ZoneInfo("Europe/Berlin")
    starts = OnCall.objects.filter(person=operator).values_list("starts_at", flat=True)
    assert [f"{at.astimezone(berlin):%d.%m. %H}" for at in starts] == [
        *("30.11. 08", "14.12. 08", "15.12. 08")
    ]
    assert AuditEvent.objects.get(action="on_call.replaced").after["shifts"] == 5
    roster.force_login(operator)
    assert roster.get("/reminders/on-call/").status_code == 200
    assert roster.post("/reminders/on-call/", {}).status_code == 403


@pytest.mark.parametrize(
    ("former", "new", "reason"),
    [
        ("FREQ=WEEKLY", "FREQ=HOURLY", "repeats within a day"),
        ("FREQ=WEEKLY;INTERVAL=2", "FREQ=OFTEN;INTERVAL=2", "has no valid RRULE"),
        ("BEGIN:VEVENT", "BEGIN:VTODO", "not a calendar"),
        ("TZID=Europe/Berlin", "TZID=Mars", "does not know the time zone"),
        ("DURATION:PT12H", "DURATION:12", "has no valid DURATION"),
        ("DURATION:PT12H\r\n", "", "has no length"),
        ("20261130T200000", "20261330T200000", "has no valid DTEND"),
        ("DTSTART;VALUE=DATE:20270101", "CLASS:PUBLIC", "has no valid DTSTART"),
        (ROSTER, "junk", "not a calendar"),
    ],
)
def test_a_roster_that_cannot_be_read_is_refused(
    former: str, new: str, reason: str
) -> None:
    with pytest.raises(CalendarError, match=reason):
        read_roster(ROSTER.replace(former, new), now=NOON, zone=UTC)


def test_a_shift_repeats_by_month_and_may_be_moved() -> None:
    monthly = ROSTER.replace(
        "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,TU;COUNT=4", "FREQ=MONTHLY;COUNT=3"
    ).replace(
        "END:VEVENT\r\n",
        "END:VEVENT\r\nBEGIN:VEVENT\r\nUID:1\r\nSUMMARY:Day shift: operator\r\n"
        "RECURRENCE-ID:20261230T080000\r\nDTSTART:20261231T080000\r\n"
        "DTEND:20261231T200000\r\nEND:VEVENT\r\n",
        1,
    )
    shifts = read_roster(monthly, now=NOON, zone=UTC)
    days = [f"{at.starts_at:%d.%m. %H}" for at in shifts if "operator" in at.name]
    assert days == ["30.11. 07", "31.12. 07", "30.01. 07"]


def test_the_person_on_call_receives_the_events_of_the_team(
    roster: Client, operator: User, scientist: User
) -> None:
    failed = fail()
    assert told() == ["operator"]
    own = Reminder.objects.get(person=scientist)
    assert (own.for_team, own.instance) == (False, failed)


def test_someone_who_wants_to_hear_of_everything_does(
    roster: Client, admin: User
) -> None:
    prefer(admin, scope="all", only_on_call=False)
    fail()
    assert told() == ["admin", "operator"]


def test_an_event_escalates_until_someone_acknowledges_it(
    roster: Client, operator: User, admin: User, clock: time_machine.Traveller
) -> None:
    third = User.objects.create_user("olga", role="operator")
    fail()
    clock.shift(14 * MINUTE)
    plan()
    assert told() == ["operator"]
    clock.shift(MINUTE)
    plan()
    assert told() == ["admin", "operator"]
    assert "Escalated" in roster.get("/reminders/").text
    clock.shift(15 * MINUTE)
    plan()
    plan()
    assert told() == ["admin", "olga", "operator"]
    reminder = Reminder.objects.get(person=admin, for_team=True)
    roster.post(f"/reminders/acknowledge/{reminder.pk}/")
    roster.force_login(third)
    html = roster.get("/reminders/").text
    assert "Acknowledged by <bdi>admin</bdi>," in html
    assert "Acknowledge<" not in html
    assert "inbox-entry" not in roster.get("/reminders/?show=open").text
    unread = Reminder.objects.filter(for_team=True, read_at=None)
    assert not unread.exists()
    event = AuditEvent.objects.get(action="reminder.acknowledged")
    assert event.actor_label == "admin"


def test_an_acknowledged_event_escalates_no_further(
    roster: Client, operator: User, clock: time_machine.Traveller
) -> None:
    for _ in range(4):
        make_instance(status="START_FAILED", status_since=timezone.now())
    plan()
    listed = Reminder.objects.get(is_list=True, person=operator)
    roster.force_login(operator)
    roster.post(f"/reminders/acknowledge/{listed.pk}/")
    assert Acknowledgement.objects.count() == 4
    clock.shift(40 * MINUTE)
    plan()
    assert told() == ["operator"]
    # Nor does the next one on call hear of it.
    OnCall.objects.filter(person=operator).delete()
    clock.move_to(NOON + 50 * MINUTE)
    plan()
    assert told() == ["operator"]


@pytest.mark.parametrize("who", ["scientist", "admin"])
def test_only_the_team_acknowledges_its_own_entries(
    client: Client, operator: User, request: Any, who: str
) -> None:
    user = request.getfixturevalue(who)
    fail()
    client.force_login(user)
    theirs = Reminder.objects.get(person=operator)
    assert client.post(f"/reminders/acknowledge/{theirs.pk}/").status_code == 404
    if who == "scientist":
        own = Reminder.objects.get(person=user)
        assert client.post(f"/reminders/acknowledge/{own.pk}/").status_code == 403
    assert not Acknowledgement.objects.exists()


def test_what_the_team_hears_of(operator: User, cloud_row: Cloud) -> None:
    """Late stops, GPUs without an end, and clouds that cannot be read."""
    ended = NOON - 11 * MINUTE
    late = make_instance(
        name="late",
        stops_in=None,
        stops_at=ended,
        stop_timestamp_ms=round(ended.timestamp() * 1e3),
    )
    since = NOON - 2 * 60 * MINUTE
    without_end = {"stops_in": None, "run_started_at": since, "flavor_type": "GPU"}
    make_instance(name="forgotten", **without_end)
    make_instance(name="cheap", **without_end | {"flavor_type": "CPU"})
    make_instance(name="young", **without_end | {"run_started_at": NOON - MINUTE})
    Cloud.objects.update(problem=verbatim("No answer."), problem_since=ended)
    plan()
    plan()
    sent = Reminder.objects.filter(person=operator, state="sent")
    named = sent.values_list("kind", "instance__name")
    assert sorted(named, key=str) == [
        ("cloud", None),
        ("no_end", "forgotten"),
        ("overdue", "late"),
    ]
    Instance.objects.filter(pk=late.pk).update(status="STOPPED")
    Instance.objects.filter(name="forgotten").update(stops_at=NOON + 60 * MINUTE)
    Cloud.objects.update(problem={}, problem_since=None)
    plan()
    assert not sent.all().exists()


def test_who_asks_is_not_asked(roster: Client, operator: User, admin: User) -> None:
    """The operator is on call and requests an exception: the next one decides."""
    RuleException.objects.create(
        rule=Rule.objects.create(name="At most 8 h", kind="max_hours", max_seconds=1),
        instance=make_instance(),
        reason="A fair.",
        until=NOON + timedelta(days=2),
        asked_by=operator,
    )
    plan()
    assert told() == ["admin"]


def test_a_handover_waits_for_the_next_shift(
    client: Client, admin: User, operator: User
) -> None:
    handover = PublishedHandover(
        number=7,
        title=verbatim("Night shift"),
        path="/handover/7/",
        published_by=operator,
        published_at=NOON,
        open_actions=2,
    )
    handover_published.send(sender=None, handover=handover)
    assert told() == ["admin"]
    client.force_login(admin)
    assert "Handover to take over: Night shift" in client.get("/reminders/").text
    handover_taken_over.send(sender=None, number=7, actor=admin)
    plan()
    assert Reminder.objects.get().state == "cancelled"
