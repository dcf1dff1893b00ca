"""Audit trail labels of refusals and exports."""

from django.utils.translation import gettext_lazy as _

from .labels import Field, choice, register
from .models import AuditEvent

register("request", actions={"refused": _("Request refused")})
register(
    "audit",
    actions={"exported": _("Audit trail exported")},
    fields={
        "person": Field(_("person")),
        "action": Field(_("action")),
        "target": Field(_("target")),
        "outcome": Field(_("outcome"), choice(AuditEvent.Outcome.choices)),
        "since": Field(_("since")),
        "until": Field(_("until")),
        "separator": Field(_("separator")),
    },
)
