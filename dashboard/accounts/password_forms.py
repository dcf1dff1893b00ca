"""allauth's forms for a new password, with a checkbox that revokes the user's tokens.

A token that a thief has created would otherwise stay valid after the change.
"""

from typing import Any

from allauth.account import forms as account
from django import forms

from . import tokens
from .messages import PASSWORD_CHANGED


class _RevokesTokens(forms.Form):
    end_tokens = forms.BooleanField(required=False, initial=True)
    user: Any

    def save(self) -> None:
        super().save()  # type: ignore[misc]  # the untyped form of allauth
        if self.cleaned_data["end_tokens"]:
            reason = PASSWORD_CHANGED()
            tokens.revoke_all(user=self.user, actor=self.user, reason=reason)


class ChangePasswordForm(_RevokesTokens, account.ChangePasswordForm):  # type: ignore[misc]  # untyped
    """For people who are signed in."""


class ResetPasswordKeyForm(_RevokesTokens, account.ResetPasswordKeyForm):  # type: ignore[misc]  # untyped
    """For people who followed a mailed link."""
