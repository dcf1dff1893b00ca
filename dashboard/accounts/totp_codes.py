"""Codes of second factors, each of which is good once.

allauth remembers a code for the 30 s of its own step, but takes it a step earlier and a
step later, too. So here it is remembered for as long as it could be taken.
"""

import hashlib

from allauth.core.internal.cryptokit import normalize_user_code
from allauth.mfa import app_settings
from allauth.mfa.adapter import get_adapter
from allauth.mfa.base import forms
from allauth.mfa.totp.forms import ActivateTOTPForm
from django.core.cache import cache

from .models import User


class _Once:
    """Refuses a code that this person has used, in whatever form."""

    user: User

    def clean_code(self) -> str:
        """Check it, and take it out of use.

        Raises:
            ValidationError: It is wrong, or was used before.
        """
        key = _key(self.user, self.cleaned_data["code"])  # type: ignore[attr-defined]  # the form's
        # Looked up first: a right code ends the count of wrong ones.
        if cache.get(key) is None:
            code: str = super().clean_code()  # type: ignore[misc]  # the form's
            if cache.add(key, True, timeout=lasts_seconds()):
                return code
        raise get_adapter().validation_error("incorrect_code")


class AuthenticateForm(_Once, forms.AuthenticateForm):  # type: ignore[misc]  # untyped
    """To sign in."""


class ReauthenticateForm(_Once, forms.ReauthenticateForm):  # type: ignore[misc]  # untyped
    """To show who it is once more."""


class ActivateForm(_Once, ActivateTOTPForm):  # type: ignore[misc]  # untyped
    """To set an authenticator app up."""


def lasts_seconds() -> int:
    """For how long a code is taken."""
    steps: int = 2 * app_settings.TOTP_TOLERANCE + 1
    period: int = app_settings.TOTP_PERIOD
    return steps * period


def _key(user: User, code: str) -> str:
    # What was typed may be anything: hashed, it is as short as a key must be.
    digest = hashlib.sha256(normalize_user_code(code).encode()).hexdigest()
    return f"accounts.used-code:{user.pk}:{digest}"
