"""Reasons in the audit trail, for what happens to accounts and their tokens."""

from django.utils.translation import gettext_lazy

from dashboard.web.stored_messages import define

BY_CLAIMS = define("accounts.by_claims", gettext_lazy("Set by the identity provider."))
SESSIONS_ENDED = define(
    "accounts.sessions_ended", gettext_lazy("All sessions of the account were ended.")
)
PASSWORD_CHANGED = define(
    "accounts.password_changed", gettext_lazy("The password was changed.")
)
