"""Messages that the audit app stores in events."""

from django.utils.translation import gettext_lazy as _

from dashboard.web.stored_messages import define

ANONYMOUS = define("audit.anonymous", _("not signed in"))
UNKNOWN_NAME = define("audit.unknown_name", _("an unknown name"))
AUDIT_TRAIL = define("audit.audit_trail", _("the audit trail"))
REFUSED = define(
    "audit.refused",
    _(
        "The role or token scope does not allow this, or the form "
        "came from another site."
    ),
)
