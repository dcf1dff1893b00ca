"""Claim, send, record: one mail a week, by a real mail server."""

import email
from collections.abc import Callable, Iterator
from datetime import timedelta
from email.message import Message
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.utils import timezone

from dashboard import mail
from dashboard.accounts.models import User
from dashboard.digests import delivery, mails, tasks
from dashboard.digests.models import Digest
from dashboard.ops.ports import free_port
from tests.reminders.conftest import prefer
from tests.reminders.sinks import MailSink

from .conftest import DAY, HOUR, MONDAY, WEEK, ran

MINUTE = timedelta(minutes=1)


@pytest.fixture
def server(tmp_path: Path, settings: Any) -> Iterator[MailSink]:
    with MailSink(tmp_path, in_clear=True) as sink:
        url = f"smtp://127.0.0.1:{sink.port}"
        settings.MAILERS = {"default": mail.mailer(url, starttls=False)}
        yield sink


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tasks run where they are enqueued."""

    def apply_async(args: tuple[int], **_: Any) -> None:
        tasks.deliver(*args)

    monkeypatch.setattr(tasks.deliver, "apply_async", apply_async)


@pytest.fixture
def no_server(settings: Any) -> None:
    url = f"smtp://127.0.0.1:{free_port()}"
    settings.MAILERS = {"default": mail.mailer(url, starttls=False)}


@pytest.fixture
def oskar(operator: User) -> User:
    operator.email = "oskar@example.org"
    operator.time_zone = "Europe/Berlin"
    operator.save()
    return operator


def states() -> list[tuple[str, str, int]]:
    rows = Digest.objects.order_by("person__username")
    return [*rows.values_list("person__username", "state", "tries")]


def parsed(sink: MailSink) -> list[Message]:
    return [email.message_from_bytes(text.encode()) for text in sink.arrived]


def test_a_digest_is_text_and_html_with_a_link_that_turns_it_off(
    server: MailSink, anna: User, settings: Any
) -> None:
    settings.CURFEW = settings.CURFEW.model_copy(
        update={"url": "https://curfew.example.org"}
    )
    ran(0, name="churn")
    tasks.send_due()
    [arrived] = parsed(server)
    assert arrived["To"] == "anna@example.org"
    assert arrived["Subject"].startswith("Your week in Curfew: ")
    off = arrived["List-Unsubscribe"]
    assert off.startswith("<https://curfew.example.org/costs/digest/off/")
    assert arrived["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert arrived["Auto-Submitted"] == "auto-generated"
    host = settings.DEFAULT_FROM_EMAIL.rpartition("@")[2]
    assert arrived["Message-ID"] == f"<digest-{anna.pk}.20261123@{host}>"
    text, html = (
        part.get_payload(decode=True).decode()  # type: ignore[union-attr]
        for part in arrived.walk()
        if not part.is_multipart()
    )
    assert "- churn: 2.0 h in 1 run" in text
    assert off.strip("<>") in text
    assert "<bdi>churn</bdi></a>: 2.0 h in 1 run" in " ".join(html.split())
    assert "style" not in html, "the preview shows the same without it"
    assert states() == [("scientist", "sent", 1)]


def test_without_https_no_program_is_asked_to_post(
    server: MailSink, anna: User
) -> None:
    ran(0)
    tasks.send_due()
    [arrived] = parsed(server)
    assert "http://localhost/costs/digest/off/" in arrived["List-Unsubscribe"]
    assert arrived["List-Unsubscribe-Post"] is None


def test_it_is_sent_once_however_often_it_is_asked_for(
    server: MailSink, anna: User, clock: time_machine.Traveller
) -> None:
    ran(0)
    tasks.send_due()
    tasks.send_due()
    tasks.deliver(anna.pk)
    # Now it is 8:00 in another time zone of this person.
    prefer(anna, time_zone="America/New_York")
    clock.move_to(MONDAY + 6 * HOUR)
    tasks.send_due()
    assert len(server.arrived) == 1
    clock.move_to(MONDAY + 7 * DAY)
    ran(9)
    prefer(anna, time_zone="Europe/Berlin")
    tasks.send_due()
    assert len(server.arrived) == 2


def test_while_one_worker_sends_another_does_not(server: MailSink, anna: User) -> None:
    ran(0)
    assert delivery.claim(anna.pk)
    tasks.deliver(anna.pk)
    tasks.send_due()
    assert server.arrived == []
    assert states() == [("scientist", "sending", 1)]


def test_a_worker_that_dies_while_sending_sends_nothing_twice(
    server: MailSink, anna: User, clock: time_machine.Traveller
) -> None:
    ran(0)
    assert delivery.claim(anna.pk)
    clock.shift(15 * MINUTE)
    tasks.send_due()
    assert states() == [("scientist", "unknown", 1)]
    assert server.arrived == []
    assert str(Digest.objects.get().note) == "The worker stopped while sending."


def test_before_8_and_after_monday_nothing_is_sent(
    server: MailSink, anna: User, clock: time_machine.Traveller
) -> None:
    ran(0)
    for moment in (MONDAY - MINUTE, MONDAY + 16 * HOUR, MONDAY - 3 * DAY):
        clock.move_to(moment)
        tasks.send_due()
        tasks.deliver(anna.pk)
    assert server.arrived == []
    assert states() == []


def test_each_gets_it_in_their_own_time_zone(
    server: MailSink, anna: User, oskar: User, clock: time_machine.Traveller
) -> None:
    oskar.time_zone = "America/New_York"
    oskar.save()
    ran(0)
    tasks.send_due()
    assert states() == [("scientist", "sent", 1)]
    clock.move_to(MONDAY + 6 * HOUR)
    tasks.send_due()
    assert states() == [("operator", "sent", 1), ("scientist", "sent", 1)]


def test_an_empty_week_sends_nothing_and_is_looked_at_once(
    server: MailSink, anna: User, clock: time_machine.Traveller
) -> None:
    tasks.send_due()
    assert states() == [("scientist", "empty", 1)]
    clock.shift(15 * MINUTE)
    ran(0)
    tasks.send_due()
    assert server.arrived == []


def test_quiet_hours_delay_it(
    server: MailSink, anna: User, clock: time_machine.Traveller
) -> None:
    ran(0)
    prefer(anna, time_zone="Europe/Berlin", quiet_from="20:00", quiet_until="09:00")
    tasks.send_due()
    tasks.deliver(anna.pk)
    assert states() == []
    clock.shift(HOUR)
    tasks.send_due()
    assert states() == [("scientist", "sent", 1)]


def test_a_server_that_is_down_is_asked_again_within_the_day(
    no_server: None, anna: User, clock: time_machine.Traveller
) -> None:
    ran(0)
    tries = []
    while timezone.now() < MONDAY + 17 * HOUR:
        before = states()
        tasks.send_due()
        if states() != before:
            tries.append((timezone.now() - MONDAY) / HOUR)
        clock.shift(15 * MINUTE)
    assert tries == [0, 0.25, 0.75, 1.75, 3.75, 5.75, 7.75, 9.75, 11.75, 13.75, 15.75]
    assert states() == [("scientist", "failed", 11)]


def test_it_arrives_once_the_server_is_back(
    server: MailSink, anna: User, clock: time_machine.Traveller
) -> None:
    ran(0)
    server.answer = "451 try later"
    tasks.send_due()
    assert states() == [("scientist", "waiting", 1)]
    server.answer = "250 OK"
    tasks.send_due()
    assert server.arrived == []
    clock.shift(15 * MINUTE)
    tasks.send_due()
    assert len(server.arrived) == 1
    assert states() == [("scientist", "sent", 2)]


def test_a_refusal_is_not_repeated(
    server: MailSink, anna: User, clock: time_machine.Traveller
) -> None:
    ran(0)
    server.answer = "550 no such mailbox"
    tasks.send_due()
    clock.shift(HOUR)
    server.answer = "250 OK"
    tasks.send_due()
    assert server.arrived == []
    assert states() == [("scientist", "failed", 1)]
    assert "no such mailbox" in str(Digest.objects.get().note)


def test_one_at_a_time_finds_out_whether_the_server_works(
    no_server: None, anna: User, oskar: User, clock: time_machine.Traveller
) -> None:
    ran(0)
    tasks.send_due()
    assert [state for _, state, _ in states()] == ["waiting"]
    clock.shift(15 * MINUTE)
    tasks.send_due()
    # The other one is first now, and the only one.
    assert sorted(tries for _, _, tries in states()) == [1, 1]


def test_a_mail_that_cannot_be_written_is_tried_again(
    server: MailSink, anna: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran(0)

    def broken(*_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(mails, "write", broken)
    with pytest.raises(RuntimeError):
        tasks.deliver(anna.pk)
    assert states() == [("scientist", "waiting", 1)]


@pytest.mark.parametrize(
    "change",
    [
        lambda anna: prefer(anna, weekly_digest=False),
        lambda anna: User.objects.update(email=""),
        lambda anna: User.objects.update(is_active=False),
    ],
)
def test_who_turned_it_off_or_is_gone_gets_none(
    server: MailSink, anna: User, change: Callable[[User], object]
) -> None:
    ran(0)
    change(anna)
    tasks.send_due()
    tasks.deliver(anna.pk)
    assert states() == []
    assert server.arrived == []


def test_old_rows_are_deleted(anna: User, clock: time_machine.Traveller) -> None:
    Digest.objects.create(
        person=anna, week=WEEK, state="sent", tried_at=MONDAY - 401 * DAY
    )
    tasks.send_due()
    assert states() == [("scientist", "empty", 1)]
