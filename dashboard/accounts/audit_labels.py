"""Audit trail labels of accounts."""

from allauth.mfa.models import Authenticator
from django.utils.translation import gettext_lazy

from dashboard.audit.labels import Field, choice, register

from .models import User

register(
    "user",
    actions={
        "signed_in": gettext_lazy("Signed in"),
        "signed_out": gettext_lazy("Signed out"),
        "sign_in_failed": gettext_lazy("Sign-in failed"),
        "added": gettext_lazy("User added"),
        "role_changed": gettext_lazy("Role changed"),
        "cloud_users_changed": gettext_lazy("ModelArts users changed"),
        "email_changed": gettext_lazy("Email address changed"),
        "deactivated": gettext_lazy("User deactivated"),
        "reactivated": gettext_lazy("User reactivated"),
        "sessions_ended": gettext_lazy("User signed out everywhere"),
        "one_time_password": gettext_lazy("One-time password created"),
        "password_changed": gettext_lazy("Password changed"),
        "second_factor_reset": gettext_lazy("2FA reset"),
    },
    fields={
        "role": Field(gettext_lazy("role"), choice(User.Role.choices)),
        "cloud_users": Field(gettext_lazy("ModelArts users")),
        "factors": Field(
            gettext_lazy("2FA methods"), choice(Authenticator.Type.choices)
        ),
        "sessions_ended": Field(gettext_lazy("sessions ended")),
        "tokens_ended": Field(gettext_lazy("tokens ended")),
    },
)
