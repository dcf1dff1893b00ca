"""Labels of what the audit trail records of changes, also of many at once."""

from django.urls import reverse
from django.utils.translation import gettext_lazy

from dashboard.audit.labels import Field, choice, register
from dashboard.instances.audit_labels import duration

from .models import Edit

_SETTINGS = {
    "description": Field(gettext_lazy("description")),
    "auto_stop_enable": Field(gettext_lazy("auto-stop")),
    "auto_stop_duration": Field(gettext_lazy("auto-stop after"), duration),
    "auto_stop_prompt": Field(gettext_lazy("reminder in the console")),
}
_KIND = choice(Edit.Kind.choices)

register(
    "edit",
    actions={
        "submitted": gettext_lazy("Change requested"),
        "queued": gettext_lazy("Change queued"),
        "sending": gettext_lazy("Change sent"),
        "retrying": gettext_lazy("Change waiting to be retried"),
        "applied": gettext_lazy("Change applied"),
        "failed": gettext_lazy("Change failed"),
        "conflict": gettext_lazy("Change in conflict"),
        "superseded": gettext_lazy("Change superseded"),
        "cancelled": gettext_lazy("Change cancelled"),
        "repaired": gettext_lazy("Late change overwritten"),
        "corrected": gettext_lazy("Result of a change corrected"),
    },
    fields=_SETTINGS
    | {
        "asked for": Field(gettext_lazy("action"), _KIND),
        "power": Field(gettext_lazy("action"), _KIND),
        "state": Field(gettext_lazy("state"), choice(Edit.State.choices), in_row=False),
        "outcome": Field(gettext_lazy("result"), choice(Edit.Outcome.choices)),
        "policy": Field(gettext_lazy("policy")),
        "result": Field(gettext_lazy("in ModelArts")),
    },
    page=lambda event: reverse("edits:detail", args=[event.target_id]),
)
register(
    "batch",
    actions={"submitted": gettext_lazy("Bulk change requested")},
    fields=_SETTINGS
    | {
        "kind": Field(gettext_lazy("action"), _KIND),
        "patch": Field(gettext_lazy("new values")),
        "edits": Field(gettext_lazy("changes")),
    },
    page=lambda event: reverse("edits:batch", args=[event.target_id]),
)
register(
    "database",
    actions={"restored": gettext_lazy("Database restored from a backup")},
    fields={"failed_edits": Field(gettext_lazy("failed changes"))},
)
