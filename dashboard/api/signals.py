"""Whoever is shut out loses their tokens: coming back does not bring them back.

A write past the models sends no signal. Then the account's state, asked at each
request, is what keeps them closed.
"""

from typing import Any

from django.db.models.signals import post_save
from django.dispatch import receiver

from dashboard.accounts.models import User

from .services import revoke_all


@receiver(post_save, sender=User)
def _person_changed(instance: User, created: bool = False, **_: Any) -> None:
    if not created and not instance.is_active:
        revoke_all(owner=instance, reason="The account was deactivated.")
