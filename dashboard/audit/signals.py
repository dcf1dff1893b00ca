"""Sign-ins, failed ones and sign-outs, by whatever way they come."""

from typing import TYPE_CHECKING, Any

from django.contrib.auth import get_user_model
from django.contrib.auth.signals import (
    user_logged_in,
    user_logged_out,
    user_login_failed,
)
from django.dispatch import receiver

from .messages import ANONYMOUS, UNKNOWN_NAME
from .services import Outcome, record_event

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractUser


@receiver(user_logged_in)
def note_sign_in(sender: object, user: "AbstractUser", **_: Any) -> None:
    """Record who came in."""
    _record(user, "user.signed_in", actor=user)


@receiver(user_logged_out)
def note_sign_out(sender: object, user: "AbstractUser | None", **_: Any) -> None:
    """Record who left; nobody does whose session had ended before."""
    if user is not None:
        _record(user, "user.signed_out", actor=user)


@receiver(user_login_failed)
def note_failure(sender: object, credentials: dict[str, Any], **_: Any) -> None:
    """Record which account somebody tried to get into.

    Only names of accounts are kept. What else people type into that field is now and
    then their password.
    """
    typed = str(credentials.get("username") or credentials.get("email") or "")
    field = "username" if credentials.get("username") else "email"
    user = get_user_model().objects.filter(**{field: typed}).first()
    _record(user, "user.sign_in_failed", outcome=Outcome.REFUSED)


def _record(user: Any, action: str, **fields: Any) -> None:
    record_event(
        actor=fields.pop("actor", None),
        by=ANONYMOUS(),
        action=action,
        target_kind="user",
        target_id=str(user.pk) if user else "",
        target_label=user.get_username() if user else UNKNOWN_NAME(),
        **fields,
    )
