"""Revokes the tokens of a user, which upper apps store."""

from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser
from django.dispatch import Signal

from dashboard.web.stored_messages import Message

revoke = Signal()
"""Sent with ``user``, ``actor`` and ``reason``; receivers revoke all tokens of the user
and return how many."""


def revoke_all(
    *, user: AbstractBaseUser, actor: AbstractBaseUser | None, reason: Message
) -> int:
    """Revoke all tokens of a user; return how many."""
    responses: list[tuple[Any, Any]] = revoke.send(
        sender=type(user), user=user, actor=actor, reason=reason
    )
    return sum(number for _, number in responses)
