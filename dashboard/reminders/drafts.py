"""Reminders that are not written yet."""

from datetime import datetime, timedelta
from typing import Any

from .models import Reminder
from .recipients import Recipient

Kind, Medium, State = Reminder.Kind, Reminder.Medium, Reminder.State

FRESH = timedelta(hours=1)
"""What is older than this is told to nobody any more."""

OF_USE = timedelta(days=1)
"""For so long it is tried to tell something, and it counts as unread."""


def draft(one: Recipient, subject: str, now: datetime, **fields: Any) -> Reminder:
    """A reminder for one recipient.

    Args:
        one: To whom, and by which medium.
        subject: With the recipient's name its key: it is told once.
        now: Aware.
        **fields: Of ``Reminder``.
    """
    is_page = one.medium == Medium.PAGE
    return Reminder(
        key=key(one, subject),
        person=one.person,
        channel=one.channel,
        medium=one.medium,
        # The row is the page's entry: it is there as soon as it is committed.
        state=State.SENT if is_page else State.WAITING,
        sent_at=now if is_page else None,
        created_at=now,
        due_at=one.due_at(now),
        **fields,
    )


def key(one: Recipient, subject: str) -> str:
    """What makes a reminder the same as one that was written before."""
    return f"{one.name}:{subject}"


def known_keys(kind: str, now: datetime) -> set[str]:
    """Keys of what was told lately, of one kind."""
    # A little more than is looked at: what happened is seen later than it happens.
    told = Reminder.objects.filter(kind=kind, created_at__gt=now - 2 * FRESH)
    return set(told.order_by().values_list("key", flat=True))
