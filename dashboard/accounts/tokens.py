"""What acts for people besides their sessions; it lives in apps above this one."""

from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser
from django.dispatch import Signal

from dashboard.web.stored_messages import Message

revoke = Signal()
"""Asks to end all tokens of ``user``; ``actor`` and ``reason`` are for the audit trail.

Receivers return how many they ended.
"""


def revoke_all(
    *, user: AbstractBaseUser, actor: AbstractBaseUser | None, reason: Message
) -> int:
    """End whatever acts for somebody without a session; returns how many that were."""
    answers: list[tuple[Any, Any]] = revoke.send(
        sender=type(user), user=user, actor=actor, reason=reason
    )
    return sum(number for _, number in answers)
