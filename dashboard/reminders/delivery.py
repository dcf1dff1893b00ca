"""Sends reminders in a worker: claim, send, record.

The claim is committed before anything is sent. If a worker dies while sending, no other
worker sends the reminder again: at most one message (``docs/decisions/0009``).
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

import structlog
from cryptography.exceptions import InvalidTag
from django.conf import settings
from django.core.mail import EmailMessage
from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone, translation

from dashboard.accounts.models import User
from dashboard.web.encryption import decrypt
from dashboard.web.stored_messages import Message

from . import mailing, messages, webhooks
from .expiry import still_valid
from .models import TEXT_RELATIONS, Attempt, Channel, Reminder
from .notification import write_notification
from .on_call import duty_at
from .outcome import Kind, Outcome, not_sent, refused, unknown
from .recipients import may_mail, preferences_of
from .selectors import acknowledgements

log = structlog.get_logger(__name__)

LEASE = timedelta(seconds=60)
"""Longer than a task's hard time limit: after it the worker is dead."""

CHANNEL_PAUSE = timedelta(minutes=1)
"""The least time between two messages to a channel."""

MAX_TRIES = 12
FIRST_PAUSE, MAX_PAUSE = timedelta(seconds=30), timedelta(minutes=15)

State, Medium = Reminder.State, Reminder.Medium
_ALARMS = frozenset(
    {
        *(Reminder.Kind.FAILURE, Reminder.Kind.EDIT),
        *(Reminder.Kind.OVERDUE, Reminder.Kind.CLOUD, Reminder.Kind.SILENCE),
    }
)
_FINAL_STATES: dict[str, str] = {
    Kind.SENT: State.SENT,
    Kind.REFUSED: State.FAILED,
    Kind.UNKNOWN: State.UNKNOWN,
}


def deliver(reminder_pk: int) -> None:
    """Send one reminder, unless it is not due, no longer valid or unwanted."""
    attempt = claim(reminder_pk)
    if attempt is None:
        return
    try:
        send = _prepare(attempt.reminder)
    except Exception:
        record(attempt, not_sent(messages.INTERNAL_ERROR()))
        raise
    try:
        outcome = send()
    except BaseException:
        # This includes time limits.
        record(attempt, unknown(messages.INTERRUPTED()))
        raise
    record(attempt, outcome)


@transaction.atomic
def claim(reminder_pk: int) -> Attempt | None:
    """Return a new attempt, or None if there is nothing to send."""
    now = timezone.now()
    is_claimed = Reminder.objects.filter(
        pk=reminder_pk, state=State.WAITING, due_at__lte=now
    ).update(state=State.SENDING, lease_until=now + LEASE, tries=F("tries") + 1)
    if not is_claimed:
        return None
    reminder = Reminder.objects.select_related(
        *("person", "channel", "instance__cloud", *TEXT_RELATIONS),
    ).get(pk=reminder_pk)
    if refusal := _why_not_now(reminder, now) or _why_not_yet(reminder, now):
        reminder.state, reminder.note, reminder.due_at = refusal
        reminder.lease_until = None
        reminder.tries -= 1
        reminder.save(update_fields=["state", "note", "due_at", "lease_until", "tries"])
        return None
    return Attempt.objects.create(
        reminder=reminder, number=reminder.tries, started_at=now
    )


@transaction.atomic
def record(attempt: Attempt, outcome: Outcome) -> None:
    """Store the outcome, unless the attempt counts as lost by now."""
    now, reminder = timezone.now(), attempt.reminder
    state, due_at = _FINAL_STATES.get(outcome.kind, State.WAITING), reminder.due_at
    if state == State.WAITING:
        due_at = now + pause(reminder.tries)
        if reminder.tries >= MAX_TRIES or due_at >= reminder.expires_at:
            state = State.FAILED
    is_current = Reminder.objects.filter(
        pk=reminder.pk, state=State.SENDING, tries=attempt.number
    ).update(
        state=state,
        note=outcome.detail,
        due_at=due_at,
        lease_until=None,
        sent_at=now if state == State.SENT else None,
    )
    if not is_current:
        log.warning("reminder recorded too late", reminder=reminder.pk)
        return
    Attempt.objects.filter(pk=attempt.pk).update(
        outcome=outcome.kind, detail=outcome.detail, finished_at=now
    )
    if state == State.WAITING:
        _postpone_others(reminder, due_at)
    if state == State.WAITING and reminder.channel_id:
        # Nothing was posted, so it was not the channel's message of this minute.
        Channel.objects.filter(
            pk=reminder.channel_id, posted_at=attempt.started_at
        ).update(posted_at=None)
    log.info(
        "reminder tried",
        reminder=reminder.pk,
        medium=reminder.medium,
        outcome=str(outcome.kind),
        detail=str(outcome.detail),
    )


def pause(tries: int) -> timedelta:
    """Return how long to wait after this many tries."""
    pause: timedelta = FIRST_PAUSE * 2 ** min(tries - 1, 10)
    return min(pause, MAX_PAUSE)


def _why_not_now(
    reminder: Reminder, now: datetime
) -> tuple[str, Message, datetime] | None:
    """Return the new state, its reason and the next time; None to send it."""
    if reminder.expires_at <= now:
        return State.DROPPED, messages.TOO_LATE(), reminder.due_at
    if not still_valid(reminder):
        return State.CANCELLED, messages.OUT_OF_DATE(), reminder.due_at
    if unwanted := _why_unwanted(reminder):
        return State.DROPPED, unwanted, reminder.due_at
    if reminder.for_team and reminder.person_id:
        known = acknowledgements([reminder.event]).get(reminder.event)
        if known:
            note = messages.ACKNOWLEDGED(person=str(known.person))
            return State.CANCELLED, note, reminder.due_at
    if quiet_until := _quiet_until(reminder, now):
        return State.WAITING, messages.QUIET_HOURS(), quiet_until
    return None


def _quiet_until(reminder: Reminder, now: datetime) -> datetime | None:
    """Return the end of the quiet hours that delay a reminder, or None."""
    if reminder.kind == Reminder.Kind.TEST:
        return None
    if (
        reminder.kind in Reminder.URGENT
        and reminder.person_id
        and reminder.person_id == duty_at(now).person_pk
    ):
        return None
    recipient = reminder.channel or preferences_of(_person(reminder))
    return recipient.quiet_hours_end(now)


def _why_not_yet(
    reminder: Reminder, now: datetime
) -> tuple[str, Message, datetime] | None:
    """Take the channel's turn; return the next time if it is not its turn."""
    if reminder.channel is None:
        return None
    free = Q(posted_at=None) | Q(posted_at__lte=now - CHANNEL_PAUSE)
    mine = Channel.objects.filter(free, pk=reminder.channel.pk)
    if mine.update(posted_at=now):
        return None
    posted_at = reminder.channel.posted_at or now
    turn = max(posted_at, now - CHANNEL_PAUSE) + CHANNEL_PAUSE
    return State.WAITING, messages.ONE_A_MINUTE(), turn


def _why_unwanted(reminder: Reminder) -> Message:
    """Return why the recipient gets no messages; empty if they do."""
    if reminder.channel is not None:
        return Message() if reminder.channel.active else messages.CHANNEL_OFF()
    person = _person(reminder)
    if not person.is_active:
        return messages.ACCOUNT_DEACTIVATED()
    if not may_mail(person):
        return messages.NO_MAIL()
    return Message() if preferences_of(person).by_mail else messages.MAIL_OFF()


def _postpone_others(reminder: Reminder, until: datetime) -> None:
    """Let one reminder at a time find out whether a server or channel works again."""
    waiting = Reminder.objects.filter(state=State.WAITING, due_at__lt=until)
    if reminder.channel_id:
        waiting = waiting.filter(channel=reminder.channel_id)
    else:
        waiting = waiting.filter(medium=Medium.MAIL)
    waiting.exclude(pk=reminder.pk).update(due_at=until + timedelta(seconds=5))


def _prepare(reminder: Reminder) -> Callable[[], Outcome]:
    """Return a function that sends the message, which is complete by then."""
    now, channel = timezone.now(), reminder.channel
    if channel is None:
        return partial(mailing.send, _mail(reminder, now))
    notification = write_notification(reminder, zone=channel.zone, now=now)
    kinds = {reminder.kind, *(member.kind for member in reminder.current_members(now))}
    alarm = bool(kinds & _ALARMS)
    try:
        address = decrypt(channel.encrypted_address, webhooks.PURPOSE)
    except InvalidTag:
        return lambda: refused(messages.ADDRESS_UNREADABLE())
    return partial(webhooks.send, address, channel.service, notification, alarm=alarm)


def _mail(reminder: Reminder, now: datetime) -> EmailMessage:
    person = _person(reminder)
    # A mail is in the recipient's language; a channel has none.
    with translation.override(person.language or settings.LANGUAGE_CODE):
        zone = preferences_of(person).zone
        notification = write_notification(reminder, zone=zone, now=now)
    host = settings.DEFAULT_FROM_EMAIL.rpartition("@")[2].rstrip(">")
    # Each attempt has the same id, so that a mailbox recognizes a duplicate.
    created = f"{reminder.created_at.timestamp():.0f}"
    headers = {"Message-ID": f"<reminder-{reminder.pk}.{created}@{host}>"}
    if instance := reminder.instance:
        # No mail has this id. Mail programs show those that refer to it together.
        since = f"{instance.first_seen_at.timestamp():.0f}"
        thread_id = f"<instance-{instance.pk}.{since}@{host}>"
        headers |= {"In-Reply-To": thread_id, "References": thread_id}
    subject, text = notification
    return EmailMessage(subject, text, to=[person.email], headers=headers)


def _person(reminder: Reminder) -> User:
    assert reminder.person is not None  # noqa: S101 (a constraint of the table)
    return reminder.person
