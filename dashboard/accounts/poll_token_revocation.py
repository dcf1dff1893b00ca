"""Revokes poll tokens when a person loses a permission or a session.

``QuerySet.update`` and raw SQL send no signal; then the tokens expire within a minute.
They give no access to data (``livepoll.token``).
"""

from functools import partial
from typing import Any

from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models.signals import post_delete, post_save
from django.dispatch import receiver

from dashboard.livepoll import state

from .models import CloudUser, User

_SIGN_IN = frozenset({"last_login"})
"""Fields that a sign-in writes."""


@receiver([post_save, post_delete], sender=User)
def _person_changed(
    instance: User,
    created: bool = False,
    update_fields: frozenset[str] | None = None,
    **_: Any,
) -> None:
    if not created and update_fields != _SIGN_IN:
        _revoke(instance.pk)


@receiver([post_save, post_delete], sender=CloudUser)
def _cloud_users_changed(instance: CloudUser, **_: Any) -> None:
    _revoke(instance.account_id)


@receiver(post_delete, sender=Session)
def _session_ended(instance: Session, **_: Any) -> None:
    user_pk = instance.get_decoded().get("_auth_user_id")
    if user_pk is not None:
        _revoke(int(user_pk))


def _revoke(user_pk: int) -> None:
    transaction.on_commit(partial(state.revoke, user_pk), robust=True)
