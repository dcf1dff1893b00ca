"""Claim, send, record: at most one message, and a log of what is known."""

import smtplib
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import patch
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.conf import settings as django_settings
from django.core import mail
from django.core.mail.backends.locmem import EmailBackend
from django.utils import translation

from dashboard.accounts.models import User
from dashboard.instances.models import Instance
from dashboard.reminders import delivery, links, tasks, webhooks
from dashboard.reminders.models import Attempt, Channel, Preferences, Reminder
from dashboard.reminders.notification import write_notification
from dashboard.reminders.outcome import Outcome, not_sent
from dashboard.reminders.planning import due, plan
from tests.factories import make_instance

from .conftest import SLACK, prefer

MINUTE = timedelta(minutes=1)
SENT = Outcome("sent")


@pytest.fixture
def waiting(by_mail: Preferences, instance: Instance) -> Reminder:
    """A mail to anna about an instance that stops in ten minutes."""
    at = datetime.now(UTC) + 10.5 * MINUTE
    Instance.objects.update(
        stops_at=at, stop_timestamp_ms=round(at.timestamp() * 1e3), name="churn"
    )
    plan()
    return Reminder.objects.get(medium="mail")


def after(reminder: Reminder) -> tuple[str, list[tuple[str, str]]]:
    reminder.refresh_from_db()
    attempts = reminder.attempts.values_list("outcome", "detail")
    return reminder.state, [(outcome, str(detail)) for outcome, detail in attempts]


def failing(**raised: Exception) -> Any:
    """The mail server raises at ``open`` or ``send_messages``."""
    return patch.multiple(
        EmailBackend,
        **{
            name: lambda *_, error=error, **__: (_ for _ in ()).throw(error)
            for name, error in raised.items()
        },
    )


class TestMail:
    def test_the_content_of_a_mail(self, waiting: Reminder, scientist: User) -> None:
        prefer(scientist, by_mail=True, time_zone="Europe/Berlin")
        delivery.deliver(waiting.pk)
        assert after(waiting) == ("sent", [("sent", "")])
        [sent] = mail.outbox
        assert sent.to == ["anna@example.org"]
        local = waiting.moment.astimezone(ZoneInfo("Europe/Berlin"))
        assert sent.subject == f"churn stops at {local:%H:%M} (10 min)"
        for part in ("Instance: churn", "Owner: anna.schmidt", f"{local:%H:%M} CE"):
            assert part in sent.body
        assert waiting.instance
        page = waiting.instance.get_absolute_url()
        assert f"http://localhost{page}\n" in sent.body
        [link] = [line for line in sent.body.splitlines() if "/act/" in line]
        act = links.read(link.split("/act/")[1].strip("/"))
        assert act == (scientist.pk, waiting.pk, "stop")

    @pytest.mark.parametrize(
        ("language", "words"),
        [
            ("de", ("Besitzer: anna.schmidt", "Jetzt stoppen: http", " MEZ")),
            ("", ("Owner: anna.schmidt", "Stop now: http", " CET")),
        ],
    )
    def test_a_mail_is_in_the_language_of_its_recipient(
        self, waiting: Reminder, language: str, words: tuple[str, ...]
    ) -> None:
        scientist = waiting.person
        assert scientist
        scientist.language = language
        scientist.save(update_fields=["language"])
        prefer(scientist, by_mail=True, time_zone="Europe/Berlin")
        # A worker has a language of its own.
        before = translation.get_language()
        tasks.deliver.apply(args=(waiting.pk,)).get()
        assert translation.get_language() == before
        [sent] = mail.outbox
        local = waiting.moment.astimezone(ZoneInfo("Europe/Berlin"))
        german = f"churn stoppt um {local:%H:%M} (10 min)"
        english = f"churn stops at {local:%H:%M} (10 min)"
        assert sent.subject == (german if language else english)
        for part in words:
            assert part in sent.body

    def test_mails_about_one_instance_form_a_thread(self, waiting: Reminder) -> None:
        delivery.deliver(waiting.pk)
        another = make_instance(stops_in=600, name="other")
        plan()
        delivery.deliver(Reminder.objects.get(medium="mail", instance=another).pk)
        Reminder.objects.update(state="waiting")
        delivery.deliver(waiting.pk)
        first, other, second = (sent.extra_headers for sent in mail.outbox)
        assert first["In-Reply-To"] == first["References"] == second["References"]
        assert first["References"].startswith("<instance-")
        assert first["References"] != other["References"]
        assert first["References"] != first["Message-ID"]

    def test_a_name_adds_no_header(self, waiting: Reminder) -> None:
        Instance.objects.update(name="x\r\nBcc: all@example.org\u202e\b")
        delivery.deliver(waiting.pk)
        subject = mail.outbox[0].subject
        assert subject.startswith("x Bcc: all@\N{WORD JOINER}example.org stops at")
        assert mail.outbox[0].bcc == []

    def test_a_name_becomes_no_link(self, waiting: Reminder) -> None:
        Instance.objects.update(name="https://evil.example/login", owner_name="www.x.y")
        delivery.deliver(waiting.pk)
        [sent] = mail.outbox
        assert "//evil.example" not in sent.subject + sent.body
        assert "www.x.y" not in sent.body

    @pytest.mark.parametrize(
        ("seconds", "span"), [(300, "(5 min)"), (299, "(under 5 min)"), (0, "(now)")]
    )
    def test_a_mail_never_overstates_the_remaining_time(
        self, waiting: Reminder, seconds: int, span: str
    ) -> None:
        now = waiting.moment - timedelta(seconds=seconds)
        notification = write_notification(waiting, zone=ZoneInfo("UTC"), now=now)
        assert notification.subject.endswith(span)

    def test_delivering_twice_sends_one_mail(self, waiting: Reminder) -> None:
        delivery.deliver(waiting.pk)
        delivery.deliver(waiting.pk)
        plan()
        for again in due():
            delivery.deliver(again)
        assert len(mail.outbox) == 1

    @pytest.mark.parametrize(
        ("raised", "state", "outcome"),
        [
            ({"open": ConnectionRefusedError()}, "waiting", "not_sent"),
            (
                {"open": smtplib.SMTPAuthenticationError(535, b"no")},
                "waiting",
                "not_sent",
            ),
            (
                {"send_messages": smtplib.SMTPDataError(451, b"later")},
                "waiting",
                "not_sent",
            ),
            (
                {
                    "send_messages": smtplib.SMTPDataError(
                        554, b"spam: anna@example.org"
                    )
                },
                "failed",
                "refused",
            ),
            (
                {"send_messages": smtplib.SMTPRecipientsRefused({"a": (550, b"who?")})},
                "failed",
                "refused",
            ),
            ({"send_messages": smtplib.SMTPServerDisconnected()}, "unknown", "unknown"),
            ({"send_messages": TimeoutError()}, "unknown", "unknown"),
        ],
    )
    def test_outcomes_of_an_attempt(
        self, waiting: Reminder, raised: dict[str, Exception], state: str, outcome: str
    ) -> None:
        with failing(**raised):
            delivery.deliver(waiting.pk)
        new_state, [(kind, detail)] = after(waiting)
        assert (new_state, kind) == (state, outcome)
        assert detail
        assert "example.org" not in detail
        assert ("554: spam" in detail) == ("554" in detail)

    def test_pauses_between_attempts_grow(self, waiting: Reminder) -> None:
        with failing(open=ConnectionRefusedError()):
            delivery.deliver(waiting.pk)
            assert due() == []
            with time_machine.travel(datetime.now(UTC) + 31 * timedelta(seconds=1)):
                assert due() == [waiting.pk]
                delivery.deliver(waiting.pk)
        waiting.refresh_from_db()
        assert waiting.tries == 2
        with time_machine.travel(waiting.due_at):
            delivery.deliver(waiting.pk)
        assert after(waiting)[0] == "sent"
        assert [attempt.outcome for attempt in waiting.attempts.all()] == [
            "not_sent",
            "not_sent",
            "sent",
        ]

    def test_a_server_that_is_down_postpones_all_mail(
        self, waiting: Reminder, cloud_row: Any
    ) -> None:
        make_instance(stops_in=300)
        plan()
        assert len(due()) == 2
        with failing(open=ConnectionRefusedError()):
            delivery.deliver(due()[0])
        assert due() == []

    def test_no_attempt_after_expiry(self, waiting: Reminder) -> None:
        Reminder.objects.update(expires_at=datetime.now(UTC) + timedelta(seconds=20))
        with failing(open=ConnectionRefusedError()):
            delivery.deliver(waiting.pk)
        assert after(waiting)[0] == "failed"

    @pytest.mark.parametrize(
        ("change", "state", "note"),
        [
            (
                lambda: Instance.objects.update(status="STOPPED"),
                "cancelled",
                "No longer",
            ),
            (
                lambda: Preferences.objects.update(by_mail=False),
                "dropped",
                "turned off",
            ),
            (lambda: User.objects.update(is_active=False), "dropped", "deactivated"),
            (lambda: User.objects.update(email=""), "dropped", "no email address"),
        ],
    )
    def test_conditions_are_checked_again_before_sending(
        self, waiting: Reminder, change: Any, state: str, note: str
    ) -> None:
        change()
        delivery.deliver(waiting.pk)
        assert after(waiting) == (state, [])
        assert note in str(waiting.note)
        assert mail.outbox == []

    def test_quiet_hours_that_have_begun_delay_a_mail(self, waiting: Reminder) -> None:
        now = datetime.now(UTC)
        Preferences.objects.update(
            quiet_from=(now - MINUTE).time(), quiet_until=(now + 5 * MINUTE).time()
        )
        delivery.deliver(waiting.pk)
        assert after(waiting) == ("waiting", [])
        assert waiting.tries == 0
        assert waiting.due_at > now + 4 * MINUTE


class TestLostWorkers:
    def lose(self, waiting: Reminder) -> Attempt:
        attempt = delivery.claim(waiting.pk)
        assert attempt
        Reminder.objects.update(lease_until=datetime.now(UTC) - MINUTE)
        return attempt

    def test_a_lost_reminder_is_not_sent_again(self, waiting: Reminder) -> None:
        self.lose(waiting)
        plan()
        state, [(outcome, detail)] = after(waiting)
        assert (state, outcome) == ("unknown", "unknown")
        assert "stopped while sending" in detail
        for again in due():
            delivery.deliver(again)
        plan()
        assert mail.outbox == []
        assert Reminder.objects.filter(medium="mail").count() == 1

    def test_a_worker_that_wakes_up_late_records_nothing(
        self, waiting: Reminder
    ) -> None:
        attempt = self.lose(waiting)
        plan()
        delivery.record(attempt, not_sent("too late"))
        assert after(waiting)[0] == "unknown"
        assert attempt.reminder.attempts.get().outcome == "unknown"

    def test_a_reminder_with_a_valid_lease_stays_claimed(
        self, waiting: Reminder
    ) -> None:
        delivery.claim(waiting.pk)
        plan()
        assert after(waiting)[0] == "sending"

    def test_an_error_while_sending_prevents_a_retry(self, waiting: Reminder) -> None:
        with (
            failing(send_messages=ZeroDivisionError()),
            pytest.raises(ZeroDivisionError),
        ):
            delivery.deliver(waiting.pk)
        assert after(waiting)[0] == "unknown"


class TestChannels:
    @pytest.fixture
    def waiting(self, channel: Channel) -> Reminder:
        make_instance(stops_in=300, name="<!channel> @everyone [x](https://evil)")
        plan()
        return Reminder.objects.get(channel=channel)

    def test_the_message(self, waiting: Reminder) -> None:
        with patch.object(webhooks, "send", return_value=SENT) as send:
            delivery.deliver(waiting.pk)
        assert after(waiting)[0] == "sent"
        address, service, message = send.call_args.args
        assert (address, service) == (SLACK, "slack")
        for sign in "<>[]":
            assert sign not in message.text + message.subject
        assert "//evil" not in message.text + message.subject
        assert "@everyone" not in message.text
        assert "/act/" not in message.text

    def test_quiet_hours_of_a_team(self, waiting: Reminder) -> None:
        now = datetime.now(UTC)
        Channel.objects.update(
            quiet_from=(now - MINUTE).time(), quiet_until=(now + MINUTE).time()
        )
        delivery.deliver(waiting.pk)
        assert after(waiting) == ("waiting", [])

    def test_an_address_encrypted_with_another_key_is_refused(
        self, waiting: Reminder, settings: Any
    ) -> None:
        settings.SECRET_KEY = "another-" * 8
        delivery.deliver(waiting.pk)
        state, [(_, detail)] = after(waiting)
        assert state == "failed"
        assert "another key" in detail

    def test_a_fallback_key_decrypts_the_address(
        self, waiting: Reminder, settings: Any
    ) -> None:
        settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
        settings.SECRET_KEY = "another-" * 8
        with patch.object(webhooks, "send", return_value=SENT):
            delivery.deliver(waiting.pk)
        assert after(waiting)[0] == "sent"

    def test_the_database_has_only_the_encrypted_address(
        self, channel: Channel
    ) -> None:
        channel.refresh_from_db()
        stored = f"{channel.encrypted_address} {channel.masked_address}"
        assert "T1234567" not in stored
        assert "abcdefghij" not in stored
        assert channel.masked_address == "https://hooks.slack.com/…uvwx"


def test_pauses() -> None:
    seconds = [delivery.pause(tries).total_seconds() for tries in (1, 2, 3, 6, 12)]
    assert seconds == [30, 60, 120, 900, 900]


def test_links_use_the_configured_url(settings: Any) -> None:
    settings.CURFEW = django_settings.CURFEW.model_copy(
        update={"url": "https://curfew.example.org"}
    )
    assert links.absolute("/x/") == "https://curfew.example.org/x/"
