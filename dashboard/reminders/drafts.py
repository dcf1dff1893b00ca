"""Reminders that are not yet in the database."""

from datetime import datetime, timedelta
from typing import Any

from .models import Reminder
from .recipients import Recipient

Kind, Medium, State = Reminder.Kind, Reminder.Medium, Reminder.State

FRESH = timedelta(hours=1)
"""Anything older is not sent any more."""

OF_USE = timedelta(days=1)
"""How long a notification is retried, and counts as unread."""


def draft(recipient: Recipient, subject: str, now: datetime, **fields: Any) -> Reminder:
    """Return an unsaved reminder for one recipient.

    Args:
        recipient: A person or a channel, and the medium.
        subject: Makes the key, together with the recipient's name.
        now: Aware.
        **fields: Of ``Reminder``.
    """
    is_page = recipient.medium == Medium.PAGE
    return Reminder(
        key=key(recipient, subject),
        person=recipient.person,
        channel=recipient.channel,
        medium=recipient.medium,
        # The row is the page's entry: it is there as soon as it is committed.
        state=State.SENT if is_page else State.WAITING,
        sent_at=now if is_page else None,
        created_at=now,
        due_at=recipient.due_at(now),
        **fields,
    )


def key(recipient: Recipient, subject: str) -> str:
    """Return the key that prevents a second reminder about the same subject."""
    return f"{recipient.name}:{subject}"


def known_keys(kind: str, now: datetime) -> set[str]:
    """Return the keys of recent reminders of one kind."""
    # Longer than the planner looks back: an event is seen after it happens.
    recent = Reminder.objects.filter(kind=kind, created_at__gt=now - 2 * FRESH)
    return set(recent.order_by().values_list("key", flat=True))
