"""Worker side of a reminder: claim, send, record.

The claim is committed before anything leaves, and whoever does not come back from
sending is not followed by another: at most one message (``docs/decisions/0009``).
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

import structlog
from cryptography.exceptions import InvalidTag
from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.utils import timezone, translation

from dashboard.web.encryption import decrypt
from dashboard.web.stored_messages import Message

from . import mailing, messages, texts, webhooks
from .expiry import still_valid
from .models import ABOUT, Attempt, Reminder
from .outcome import Kind, Outcome, not_sent, refused, unknown
from .recipients import may_mail, preferences_of

log = structlog.get_logger(__name__)

LEASE = timedelta(seconds=60)
"""Longer than a task's hard time limit: whoever held it then is dead."""

MOST_TRIES = 12
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=30), timedelta(minutes=15)

State, Medium = Reminder.State, Reminder.Medium
ENDS: dict[str, str] = {
    Kind.SENT: State.SENT,
    Kind.REFUSED: State.FAILED,
    Kind.UNKNOWN: State.UNKNOWN,
}


def deliver(reminder_pk: int) -> None:
    """Send one reminder, if it is due, still true and still wanted."""
    attempt = claim(reminder_pk)
    if attempt is None:
        return
    try:
        send = _prepared(attempt.reminder)
    except Exception:
        record(attempt, not_sent(messages.INTERNAL_ERROR()))
        raise
    try:
        outcome = send()
    except BaseException:
        # Also a time limit: nobody knows how far it came.
        record(attempt, unknown(messages.INTERRUPTED()))
        raise
    record(attempt, outcome)


@transaction.atomic
def claim(reminder_pk: int) -> Attempt | None:
    """Take it, committed before anything leaves; None when there is nothing to do."""
    now = timezone.now()
    taken = Reminder.objects.filter(
        pk=reminder_pk, state=State.WAITING, due_at__lte=now
    ).update(state=State.SENDING, lease_until=now + LEASE, tries=F("tries") + 1)
    if not taken:
        return None
    reminder = Reminder.objects.select_related(
        *("person", "channel", "instance__cloud", *ABOUT),
    ).get(pk=reminder_pk)
    if ending := _verdict(reminder, now):
        state, note, due_at = ending
        Reminder.objects.filter(pk=reminder_pk).update(
            state=state,
            note=note,
            due_at=due_at or reminder.due_at,
            lease_until=None,
            tries=F("tries") - 1,
        )
        return None
    return Attempt.objects.create(
        reminder=reminder, number=reminder.tries, started_at=now
    )


@transaction.atomic
def record(attempt: Attempt, outcome: Outcome) -> None:
    """Write down how it ended, unless it was given up for lost meanwhile."""
    now, reminder = timezone.now(), attempt.reminder
    state, due_at = ENDS.get(outcome.kind, State.WAITING), reminder.due_at
    note = outcome.detail
    if state == State.WAITING:
        due_at = now + pause(reminder.tries)
        if reminder.tries >= MOST_TRIES or due_at >= reminder.expires_at:
            state = State.FAILED
    mine = Reminder.objects.filter(
        pk=reminder.pk, state=State.SENDING, tries=attempt.number
    ).update(
        state=state,
        note=note,
        due_at=due_at,
        lease_until=None,
        sent_at=now if state == State.SENT else None,
    )
    if not mine:
        log.warning("reminder recorded too late", reminder=reminder.pk)
        return
    Attempt.objects.filter(pk=attempt.pk).update(
        outcome=outcome.kind, detail=outcome.detail, finished_at=now
    )
    if state == State.WAITING:
        _let_the_rest_wait(reminder, due_at)
    log.info(
        "reminder tried",
        reminder=reminder.pk,
        medium=reminder.medium,
        outcome=str(outcome.kind),
        detail=str(outcome.detail),
    )


def pause(tries: int) -> timedelta:
    """How long to wait after so many tries."""
    pause: timedelta = FIRST_PAUSE * 2 ** min(tries - 1, 10)
    return min(pause, LONGEST_PAUSE)


def _verdict(
    reminder: Reminder, now: datetime
) -> tuple[str, Message, datetime | None] | None:
    """Why nothing is sent now: state, note and when again; None to go ahead."""
    if reminder.expires_at <= now:
        return State.DROPPED, messages.TOO_LATE(), None
    if not still_valid(reminder):
        return State.CANCELLED, messages.OUT_OF_DATE(), None
    if why_not := _why_not(reminder):
        return State.DROPPED, why_not, None
    wants = reminder.channel or (reminder.person and preferences_of(reminder.person))
    ends = wants.quiet_ends(now) if wants else None
    if ends and reminder.kind != Reminder.Kind.TEST:
        return State.WAITING, messages.QUIET_HOURS(), ends
    return None


def _why_not(reminder: Reminder) -> Message:
    """Why the recipient is told nothing any more; empty where nothing is in the way."""
    if reminder.channel is not None:
        return Message() if reminder.channel.active else messages.CHANNEL_OFF()
    person = reminder.person
    if person is None or not person.is_active:
        return messages.ACCOUNT_DEACTIVATED()
    if not may_mail(person):
        return messages.NO_MAIL()
    return Message() if preferences_of(person).by_mail else messages.MAIL_OFF()


def _let_the_rest_wait(reminder: Reminder, until: datetime) -> None:
    """One try at a time finds out whether a dead way is open again."""
    same_way = Reminder.objects.filter(state=State.WAITING, due_at__lt=until)
    if reminder.channel_id:
        same_way = same_way.filter(channel=reminder.channel_id)
    else:
        same_way = same_way.filter(medium=Medium.MAIL)
    same_way.exclude(pk=reminder.pk).update(due_at=until + timedelta(seconds=5))


def _prepared(reminder: Reminder) -> Callable[[], Outcome]:
    """The message, written, and all but sent."""
    now = timezone.now()
    if reminder.channel is not None:
        channel = reminder.channel
        notification = texts.notification(reminder, zone=channel.zone, now=now)
        alarm = reminder.kind in {Reminder.Kind.FAILURE, Reminder.Kind.EDIT}
        try:
            address = decrypt(channel.sealed, webhooks.PURPOSE)
        except InvalidTag:
            return lambda: refused(messages.ADDRESS_UNREADABLE())
        return partial(
            webhooks.send, address, channel.service, notification, alarm=alarm
        )
    assert reminder.person is not None  # noqa: S101 (a constraint of the table)
    zone = preferences_of(reminder.person).zone
    # A mail speaks the language of whom it is for; a channel, as we do.
    with translation.override(reminder.person.language or settings.LANGUAGE_CODE):
        notification = texts.notification(reminder, zone=zone, now=now)
    host = settings.DEFAULT_FROM_EMAIL.rpartition("@")[2].rstrip(">")
    unique = f"{reminder.pk}.{reminder.created_at.timestamp():.0f}"
    instance, thread_id = reminder.instance, None
    if instance is not None:
        since = f"{instance.first_seen_at.timestamp():.0f}"
        thread_id = f"<instance-{instance.pk}.{since}@{host}>"
    return partial(
        mailing.send,
        notification,
        to=reminder.person.email,
        message_id=f"<reminder-{unique}@{host}>",
        thread_id=thread_id,
    )
