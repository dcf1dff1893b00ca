"""Audit trail labels of accounts."""

from allauth.mfa.models import Authenticator
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from dashboard.audit.labels import Field, choice, register

from .models import User

register(
    "user",
    actions={
        "signed_in": _("Signed in"),
        "signed_out": _("Signed out"),
        "sign_in_failed": _("Sign-in failed"),
        "added": _("User added"),
        "role_changed": _("Role changed"),
        "cloud_users_changed": _("ModelArts users changed"),
        "email_changed": _("Email address changed"),
        "name_changed": _("Name changed"),
        "teams_changed": _("Teams changed"),
        "invited": _("Invitation sent"),
        "sso_tested": _("Single sign-on tested"),
        "deactivated": _("User deactivated"),
        "reactivated": _("User reactivated"),
        "sessions_ended": _("User signed out everywhere"),
        "one_time_password": _("One-time password created"),
        "password_changed": _("Password changed"),
        "second_factor_reset": _("2FA reset"),
    },
    fields={
        "role": Field(_("role"), choice(User.Role.choices)),
        "cloud_users": Field(_("ModelArts users")),
        "teams": Field(_("teams")),
        "factors": Field(_("2FA methods"), choice(Authenticator.Type.choices)),
        "sessions_ended": Field(_("sessions ended")),
        "tokens_ended": Field(_("tokens ended")),
    },
)

register(
    "team",
    actions={
        "added": _("Team added"),
        "changed": _("Team changed"),
        "deleted": _("Team deleted"),
    },
    fields={
        "name": Field(_("name")),
        "cost_center": Field(_("cost center")),
        "deputy": Field(_("deputy")),
        "members": Field(_("members")),
        "owners": Field(_("owners")),
        "workspaces": Field(_("workspaces")),
    },
    page=lambda event: reverse("people:team", args=[event.target_id]),
)
