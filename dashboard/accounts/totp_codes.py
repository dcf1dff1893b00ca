"""Forms that accept each TOTP code only once.

allauth remembers a used code for its own step of 30 s, but accepts it one step earlier
and later, too. These forms remember it for as long as allauth would accept it.
"""

import hashlib

from allauth.core.internal.cryptokit import normalize_user_code
from allauth.mfa import app_settings
from allauth.mfa.adapter import get_adapter
from allauth.mfa.base import forms
from allauth.mfa.totp.forms import ActivateTOTPForm
from django.core.cache import cache

from .models import User


class _RejectsUsedCodes:
    """Rejects a code that the user has sent with any of these forms."""

    user: User

    def clean_code(self) -> str:
        key = _key(self.user, self.cleaned_data["code"])  # type: ignore[attr-defined]  # the form's
        # Before allauth's check, since a correct code resets the count of wrong ones.
        if cache.get(key) is None:
            code: str = super().clean_code()  # type: ignore[misc]  # the form's
            if cache.add(key, True, timeout=lasts_seconds()):
                return code
        raise get_adapter().validation_error("incorrect_code")


class AuthenticateForm(_RejectsUsedCodes, forms.AuthenticateForm):  # type: ignore[misc]  # untyped
    """Sign-in."""


class ReauthenticateForm(_RejectsUsedCodes, forms.ReauthenticateForm):  # type: ignore[misc]  # untyped
    """Reauthentication."""


class ActivateForm(_RejectsUsedCodes, ActivateTOTPForm):  # type: ignore[misc]  # untyped
    """Setup of an authenticator app."""


def lasts_seconds() -> int:
    """Return how long allauth accepts a code."""
    steps: int = 2 * app_settings.TOTP_TOLERANCE + 1
    period: int = app_settings.TOTP_PERIOD
    return steps * period


def _key(user: User, code: str) -> str:
    # Hashed, since the typed code may be too long for a cache key.
    digest = hashlib.sha256(normalize_user_code(code).encode()).hexdigest()
    return f"accounts.used-code:{user.pk}:{digest}"
