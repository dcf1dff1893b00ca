"""Shifts and handovers, for apps that must not import ``handover``."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from django.dispatch import Signal

from dashboard.web.provided import Provided
from dashboard.web.stored_messages import Message

from .models import User

person_on_shift: Provided[Callable[[datetime], User | None]] = Provided()
"""``handover.selectors.person_on_shift``, which ``dashboard.handover`` provides."""


@dataclass(frozen=True)
class PublishedHandover:
    """What other apps learn about a published handover.

    Attributes:
        title: Such as "Night shift, Mon 30 Nov".
        path: Of its page.
        open_actions: Number of actions that are not done.
    """

    number: int
    title: Message
    path: str
    published_by: User
    published_at: datetime
    open_actions: int


handover_published = Signal()
"""Sent with ``handover`` (``PublishedHandover``), in the transaction that publishes."""

handover_taken_over = Signal()
"""Sent with ``number`` and ``actor`` in the transaction of a take-over."""
