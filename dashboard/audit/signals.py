"""Records sign-ins, failed sign-ins and sign-outs in the audit trail."""

from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.signals import (
    user_logged_in,
    user_logged_out,
    user_login_failed,
)
from django.dispatch import receiver

from .messages import ANONYMOUS, UNKNOWN_NAME
from .services import Outcome, record_event


@receiver(user_logged_in)
def record_sign_in(sender: object, user: AbstractBaseUser, **_: Any) -> None:
    _record(user, "user.signed_in", actor=user)


@receiver(user_logged_out)
def record_sign_out(sender: object, user: AbstractBaseUser | None, **_: Any) -> None:
    # No user when the session had expired before.
    if user is not None:
        _record(user, "user.signed_out", actor=user)


@receiver(user_login_failed)
def record_failure(sender: object, credentials: dict[str, Any], **_: Any) -> None:
    """Record the account of a failed sign-in.

    Only names of existing accounts are stored: people sometimes type their password
    into the field for the username.
    """
    typed = str(credentials.get("username") or credentials.get("email") or "")
    field = "username" if credentials.get("username") else "email"
    user = get_user_model().objects.filter(**{field: typed}).first()
    _record(user, "user.sign_in_failed", outcome=Outcome.REFUSED)


def _record(user: Any, action: str, *, actor: Any = None, **fields: Any) -> None:
    record_event(
        actor=actor,
        actor_label=ANONYMOUS(),
        action=action,
        target_kind="user",
        target=user,
        target_label=user.get_username() if user else UNKNOWN_NAME(),
        **fields,
    )
