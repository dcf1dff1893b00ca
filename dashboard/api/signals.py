"""Revokes the tokens of deactivated accounts.

``QuerySet.update`` and raw SQL send no signal. Each request therefore also checks
whether the account is active.
"""

from typing import Any

from django.db.models.signals import post_save
from django.dispatch import receiver

from dashboard.accounts import tokens
from dashboard.accounts.models import User
from dashboard.web.stored_messages import Message

from .messages import ACCOUNT_DEACTIVATED
from .services import revoke_all


@receiver(tokens.revoke)
def _revoke_requested(user: User, actor: User | None, reason: Message, **_: Any) -> int:
    return revoke_all(owner=user, actor=actor, reason=reason)


@receiver(post_save, sender=User)
def _account_saved(instance: User, created: bool = False, **_: Any) -> None:
    if not created and not instance.is_active:
        revoke_all(owner=instance, reason=ACCOUNT_DEACTIVATED())
