"""Audit trail labels of refusals and exports."""

from django.utils.translation import gettext_lazy

from .labels import Field, choice, register
from .models import AuditEvent

register("request", actions={"refused": gettext_lazy("Request refused")})
register(
    "audit",
    actions={"exported": gettext_lazy("Audit trail exported")},
    fields={
        "person": Field(gettext_lazy("person")),
        "action": Field(gettext_lazy("action")),
        "target": Field(gettext_lazy("target")),
        "outcome": Field(gettext_lazy("outcome"), choice(AuditEvent.Outcome.choices)),
        "since": Field(gettext_lazy("since")),
        "until": Field(gettext_lazy("until")),
        "separator": Field(gettext_lazy("separator")),
    },
)
