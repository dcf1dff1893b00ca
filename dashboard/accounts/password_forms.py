"""allauth's forms for a new password, with a checkbox that revokes the user's tokens.

A token that a thief has created would otherwise stay valid after the change.
"""

from typing import Any

from allauth.account import forms as account
from django import forms

from . import tokens
from .messages import PASSWORD_CHANGED


class _EndsTokens(forms.Form):
    end_tokens = forms.BooleanField(required=False, initial=True)
    user: Any

    def save(self) -> None:
        """Take the password, then end the tokens."""
        super().save()  # type: ignore[misc]  # allauth's, whose types are unknown
        if self.cleaned_data["end_tokens"]:
            tokens.revoke_all(
                user=self.user,
                actor=self.user,
                reason=PASSWORD_CHANGED(),
            )


class ChangePasswordForm(_EndsTokens, account.ChangePasswordForm):  # type: ignore[misc]
    """For who knows the present one."""


class ResetPasswordKeyForm(_EndsTokens, account.ResetPasswordKeyForm):  # type: ignore[misc]
    """For who came by a mailed link."""
