"""Many notifications become one message, and each is sent at most once."""

from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import Mock

import pytest
import time_machine
from django.core import mail
from django.test import Client
from django.utils import timezone

from dashboard.accounts.models import User
from dashboard.instances.models import Instance
from dashboard.reminders import delivery, webhooks
from dashboard.reminders.models import Channel, Preferences, Reminder
from dashboard.reminders.outcome import SENT
from dashboard.reminders.planning import due, plan
from tests.factories import make_instance
from tests.instances.pages import add_edit

from .conftest import created

MINUTE = timedelta(minutes=1)


def fails(number: int = 1) -> None:
    for _ in range(number):
        make_instance(status="START_FAILED", status_since=timezone.now())
    plan()


def send_due() -> None:
    for pk in due():
        delivery.deliver(pk)


@pytest.fixture
def clock() -> Any:
    with time_machine.travel(datetime(2026, 11, 30, 12, tzinfo=UTC), tick=False) as at:
        yield at


def test_a_fourth_of_a_kind_turns_entries_into_a_list(
    client: Client, scientist: User, clock: Any
) -> None:
    fails(3)
    assert {row[3] for row in created()} == {"sent"}
    clock.shift(MINUTE)
    fails()
    clock.shift(MINUTE)
    fails(2)
    entries = Reminder.objects.filter(part_of=None)
    assert [(item.is_list, item.members.count()) for item in entries] == [(True, 6)]
    client.force_login(scientist)
    html = client.get("/reminders/").text
    assert "6 instances failed" in html
    assert "Show 3 more" in html
    Instance.objects.update(status="RUNNING")
    plan()
    assert set(Reminder.objects.values_list("state", flat=True)) == {"cancelled"}
    assert "The instance has recovered." in client.get("/reminders/").text


def test_mails_are_three_at_most_and_then_a_list(
    by_mail: Preferences, clock: Any
) -> None:
    for _ in range(3):
        fails()
        send_due()
    clock.shift(MINUTE)
    fails(5)
    send_due()
    clock.shift(MINUTE)
    fails()
    send_due()
    assert len(mail.outbox) == 3
    # An instance that has recovered meanwhile is not in the list.
    Instance.objects.filter(pk=Instance.objects.latest("pk").pk).update(
        status="RUNNING"
    )
    clock.shift(3 * MINUTE)
    send_due()
    send_due()
    plan()
    send_due()
    assert len(mail.outbox) == 4
    [*_, listed] = mail.outbox
    assert listed.subject == "5 instances failed"
    assert listed.body.count("\n- ") + listed.body.startswith("- ") == 5
    assert "Failed: Mon 30 Nov, 12:01" in listed.body


def test_a_list_that_was_sent_gets_no_new_members(
    by_mail: Preferences, clock: Any
) -> None:
    fails(4)
    send_due()
    clock.shift(MINUTE)
    fails()
    listed = Reminder.objects.filter(medium="mail", is_list=True)
    assert [item.members.count() for item in listed] == [4]
    send_due()
    assert [sent.subject for sent in mail.outbox][:1] == ["4 instances failed"]
    assert len(mail.outbox) == 2


def test_a_channel_gets_one_message_a_minute(
    channel: Channel, operator: User, instance: Instance, clock: Any, monkeypatch: Any
) -> None:
    sent = Mock(return_value=SENT)
    monkeypatch.setattr(webhooks, "send", sent)
    fails()
    send_due()
    assert sent.call_count == 1
    clock.shift(10 * timedelta(seconds=1))
    fails()
    add_edit(instance, operator, state="failed", finished_at=timezone.now())
    plan()
    send_due()
    assert sent.call_count == 1
    waiting = Reminder.objects.get(medium="webhook", state="waiting")
    assert "one message a minute" in str(waiting.note)
    clock.shift(50 * timedelta(seconds=1))
    send_due()
    send_due()
    assert sent.call_count == 2
    assert sent.call_args.args[2].subject == "2 notifications"
    assert sent.call_args.kwargs == {"alarm": True}


def test_what_one_person_did_to_many_instances_is_one_message(
    client: Client, scientist: User, operator: User, clock: Any
) -> None:
    for number in range(21):
        add_edit(
            make_instance(),
            operator,
            key=f"{number}",
            kind="update",
            state="applied",
            finished_at=timezone.now(),
        )
    add_edit(
        make_instance(),
        scientist,
        key="own",
        kind="start",
        state="applied",
        finished_at=timezone.now(),
    )
    plan()
    assert Reminder.objects.filter(part_of=None).count() == 1
    client.force_login(scientist)
    assert "operator changed 21 of your instances" in client.get("/reminders/").text
