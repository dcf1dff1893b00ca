"""Curfew tells the operators that it reads nothing, without workers or a broker."""

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest
import time_machine
from django.conf import settings as django_settings
from django.core import mail
from django.utils import timezone

from dashboard.accounts.models import User
from dashboard.instances.models import Cloud
from dashboard.reminders import delivery, planning, self_watch
from dashboard.reminders.models import OnCall, Reminder
from dashboard.web.stored_messages import verbatim

from .conftest import prefer

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
LONG_AGO = NOON - timedelta(days=1)


@pytest.fixture(autouse=True)
def clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(NOON, tick=False) as traveller:
        yield traveller


@pytest.fixture
def mailed(with_mail: None, operator: User) -> User:
    operator.email = "oskar@example.org"
    operator.save()
    prefer(operator, by_mail=True, scope="all")
    return operator


def read(ago: timedelta, **fields: Any) -> None:
    """The only cloud was read so long ago."""
    Cloud.objects.all().delete()
    Cloud.objects.create(name="demo", refreshed_at=NOON - ago, **fields)


def subjects() -> list[str]:
    return [message.subject for message in mail.outbox]


@pytest.mark.parametrize(("minutes", "is_silent"), [(14, False), (15, True)])
def test_a_silence_is_so_many_minutes_without_a_refresh(
    db: None, minutes: int, is_silent: bool
) -> None:
    read(minutes * MINUTE)
    assert self_watch.is_silent(NOON, LONG_AGO) is is_silent


def test_a_first_start_without_any_worker_is_a_silence(
    mailed: User, clock: time_machine.Traveller
) -> None:
    Cloud.objects.all().delete()
    self_watch.check(NOON - 14 * MINUTE)
    assert subjects() == []
    for minutes in (1, 2, 60):
        clock.move_to(NOON + minutes * MINUTE)
        self_watch.check(NOON - 14 * MINUTE)
    assert subjects() == ["Curfew has not read any cloud yet"]
    assert "Since: " in str(mail.outbox[0].body)
    assert "11:46" in str(mail.outbox[0].body)
    # A worker has found a cloud.
    Cloud.objects.create(name="demo", refreshed_at=timezone.now() + MINUTE)
    clock.shift(2 * MINUTE)
    planning.plan()
    for reminder_pk in planning.due():
        delivery.deliver(reminder_pk)
    assert subjects()[1:] == ["Curfew reads your clouds now"]


def test_one_cloud_that_is_read_is_enough(db: None) -> None:
    read(60 * MINUTE)
    Cloud.objects.create(name="lab", refreshed_at=NOON)
    assert not self_watch.is_silent(NOON, LONG_AGO)


def test_a_cloud_that_left_the_configuration_does_not_count(db: None) -> None:
    read(60 * MINUTE, unconfigured_since=NOON)
    assert not self_watch.is_silent(NOON, LONG_AGO)


def test_a_downtime_before_this_process_is_no_silence(db: None) -> None:
    read(60 * MINUTE)
    assert not self_watch.is_silent(NOON, NOON - 14 * MINUTE)


def test_it_can_be_off(db: None, settings: Any) -> None:
    settings.CURFEW = django_settings.CURFEW.model_copy(update={"silence_minutes": 0})
    read(600 * MINUTE)
    assert not self_watch.is_silent(NOON, LONG_AGO)


def test_where_clouds_are_read_seldom_three_refreshes_may_be_missed(
    db: None, settings: Any
) -> None:
    settings.CURFEW = django_settings.CURFEW.model_copy(update={"refresh_seconds": 600})
    read(29 * MINUTE)
    assert not self_watch.is_silent(NOON, LONG_AGO)
    read(30 * MINUTE)
    assert self_watch.is_silent(NOON, LONG_AGO)


def test_a_cloud_that_workers_cannot_read_has_its_own_notification(
    mailed: User,
) -> None:
    problem = {"problem": verbatim("No answer."), "problem_since": NOON - 20 * MINUTE}
    read(20 * MINUTE, attempted_at=NOON, **problem)
    assert self_watch.is_silent(NOON, LONG_AGO)  # no worker has told anyone yet
    planning.plan()
    assert not self_watch.is_silent(NOON, LONG_AGO)
    Cloud.objects.update(attempted_at=NOON - 16 * MINUTE)
    assert self_watch.is_silent(NOON, LONG_AGO)


def test_operators_get_one_mail_and_one_when_it_works_again(
    mailed: User, scientist: User, clock: time_machine.Traveller
) -> None:
    read(15 * MINUTE)
    for minutes in (0, 1, 60):
        clock.move_to(NOON + minutes * MINUTE)
        self_watch.check(LONG_AGO)
    assert subjects() == ["Curfew no longer reads your clouds"]
    assert mail.outbox[0].to == ["oskar@example.org"]
    assert "manage.py doctor" in str(mail.outbox[0].body)
    # Workers are back: they read the cloud, and say so.
    Cloud.objects.update(refreshed_at=timezone.now() + MINUTE)
    clock.shift(2 * MINUTE)
    for _ in range(2):
        planning.plan()
        for reminder_pk in planning.due():
            delivery.deliver(reminder_pk)
    assert subjects()[1:] == ["Curfew reads your clouds again"]
    in_page = Reminder.objects.get(kind="silence", medium="page")
    assert in_page.state == "cancelled"
    # The next silence is another one.
    clock.shift(20 * MINUTE)
    self_watch.check(LONG_AGO)
    assert subjects()[2:] == ["Curfew no longer reads your clouds"]


def test_a_mail_that_was_refused_is_tried_again_in_a_later_round(
    mailed: User, clock: time_machine.Traveller, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dashboard.reminders import mailing, messages
    from dashboard.reminders.outcome import not_sent

    read(15 * MINUTE)
    with monkeypatch.context() as patched:
        refusal = not_sent(messages.NOTHING_SENT())
        patched.setattr(mailing, "send", lambda _mail: refusal)
        self_watch.check(LONG_AGO)
    assert subjects() == []
    clock.shift(2 * MINUTE)
    self_watch.check(LONG_AGO)
    assert len(subjects()) == 1


def test_quiet_hours_delay_the_mail_unless_one_is_on_call(
    mailed: User, clock: time_machine.Traveller
) -> None:
    quiet = {"quiet_from": time(11), "quiet_until": time(13)}
    prefer(mailed, by_mail=True, scope="all", **quiet)
    read(15 * MINUTE)
    self_watch.check(LONG_AGO)
    assert subjects() == []
    assert Reminder.objects.get(medium="mail").due_at == NOON + 60 * MINUTE
    Reminder.objects.all().delete()
    OnCall.objects.create(
        name="oskar", person=mailed, starts_at=LONG_AGO, ends_at=NOON + MINUTE
    )
    self_watch.check(LONG_AGO)
    assert subjects() == ["Curfew no longer reads your clouds"]


def test_links_are_imported_before_there_is_something_to_send() -> None:
    code = """
import sys, django
django.setup()
from django.urls import reverse
from dashboard import beat

class Begun(Exception): ...
def begin(seconds): raise Begun
beat.time.sleep = begin
try:
    beat._watch()
except Begun:
    known = set(sys.modules)
reverse("reminders:inbox")
print([name for name in set(sys.modules) - known if name.startswith("dashboard")])
"""
    env = os.environ | {"DJANGO_SETTINGS_MODULE": "tests.settings"}
    watch = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=True, env=env
    )
    assert watch.stdout == b"[]\n"


def test_it_sends_nothing_else(mailed: User) -> None:
    read(timedelta())
    waiting = Reminder.objects.create(
        key="x",
        person=mailed,
        medium="mail",
        kind="test",
        moment=NOON,
        created_at=NOON,
        due_at=NOON,
        expires_at=NOON + MINUTE,
    )
    self_watch.check(LONG_AGO)
    waiting.refresh_from_db()
    assert waiting.state == "waiting"
