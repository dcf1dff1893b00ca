"""Revoke the tokens of deactivated accounts.

Reactivating an account does not bring them back. Writes that bypass the models send no
signal; then the check of the account at each request rejects the tokens.
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
def _all_shall_end(user: User, actor: User | None, reason: Message, **_: Any) -> int:
    return revoke_all(owner=user, actor=actor, reason=reason)


@receiver(post_save, sender=User)
def _person_changed(instance: User, created: bool = False, **_: Any) -> None:
    if not created and not instance.is_active:
        revoke_all(owner=instance, reason=ACCOUNT_DEACTIVATED())
