"""Reasons in the audit trail, for what happens to accounts and their tokens."""

from django.utils.translation import gettext_lazy as _

from dashboard.web.stored_messages import define

BY_CLAIMS = define("accounts.by_claims", _("Set by the identity provider."))
SESSIONS_ENDED = define(
    "accounts.sessions_ended", _("All sessions of the account were ended.")
)
PASSWORD_CHANGED = define("accounts.password_changed", _("The password was changed."))
