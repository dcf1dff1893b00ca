"""Names of handovers in the audit trail."""

from django.utils.translation import gettext_lazy

from dashboard.web.stored_messages import define

HANDOVER = define("handover.handover", gettext_lazy("Handover %(number)s"))
DRAFT = define("handover.draft", gettext_lazy("Draft %(number)s"))
