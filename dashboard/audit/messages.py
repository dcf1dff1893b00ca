"""Messages that the audit app stores in events."""

from django.utils.translation import gettext_lazy

from dashboard.web.stored_messages import define

ANONYMOUS = define("audit.anonymous", gettext_lazy("not signed in"))
UNKNOWN_NAME = define("audit.unknown_name", gettext_lazy("an unknown name"))
AUDIT_TRAIL = define("audit.audit_trail", gettext_lazy("the audit trail"))
REFUSED = define(
    "audit.refused",
    gettext_lazy(
        "The role or token scope does not allow this, or the form "
        "came from another site."
    ),
)
