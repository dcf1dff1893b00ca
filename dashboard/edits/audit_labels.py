"""Labels of the audit events of edits and batches."""

from datetime import UTC, datetime

from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from dashboard.audit.labels import Field, choice, moment, register
from dashboard.audit.models import AuditEvent
from dashboard.instances.audit_labels import duration
from dashboard.modelarts.instance_state import IDLE, TIMING

from .models import Edit


def _cloud_moment(milliseconds: str) -> str:
    """Show a moment of the cloud's clock."""
    if not milliseconds.isdecimal():
        return milliseconds
    at = datetime.fromtimestamp(int(milliseconds) / 1000, UTC)
    return moment(at.isoformat())


_SETTINGS = {
    "name": Field(_("name")),
    "description": Field(_("description")),
    "tags": Field(_("tags")),
    "auto_stop_enable": Field(_("auto-stop")),
    "auto_stop_duration": Field(_("auto-stop after"), duration),
    "auto_stop_prompt": Field(_("reminder in the console")),
    "stop_timestamp_ms": Field(_("end of the run"), _cloud_moment),
    "lease_type": Field(
        _("stops"), choice([(TIMING, _("at a fixed time")), (IDLE, _("when idle"))])
    ),
    "idle_seconds": Field(_("when idle for"), duration),
    "lease_updated_ms": Field(_("lease changed"), _cloud_moment, in_row=False),
}
_KIND = choice(Edit.Kind.choices)


def _batch_page(event: AuditEvent) -> str:
    """Return the page of a confirmed batch; a declined one has none."""
    is_confirmed = event.action in {"batch.submitted", "batch.approved"}
    return reverse("edits:batch", args=[event.target_id]) if is_confirmed else ""


register(
    "edit",
    actions={
        "submitted": _("Change requested"),
        "queued": _("Change queued"),
        "sending": _("Change sent"),
        "retrying": _("Change waiting to be retried"),
        "applied": _("Change applied"),
        "failed": _("Change failed"),
        "conflict": _("Change in conflict"),
        "superseded": _("Change superseded"),
        "cancelled": _("Change cancelled"),
        "repaired": _("Late change undone"),
        "corrected": _("Result of a change corrected"),
    },
    fields=_SETTINGS
    | {
        "asked for": Field(_("action"), _KIND),
        "power": Field(_("action"), _KIND),
        "state": Field(_("state"), choice(Edit.State.choices), in_row=False),
        "outcome": Field(_("result"), choice(Edit.Outcome.choices)),
        "policy": Field(_("policy")),
        "schedule": Field(_("schedule")),
        "result": Field(_("in ModelArts")),
    },
    page=lambda event: reverse("edits:detail", args=[event.target_id]),
)
register(
    "batch",
    actions={
        "submitted": _("Bulk change requested"),
        "approval_asked": _("Approval of a bulk change requested"),
        "approved": _("Bulk change approved"),
        "declined": _("Bulk change declined or withdrawn"),
    },
    fields=_SETTINGS
    | {
        "kind": Field(_("action"), _KIND),
        "patch": Field(_("new values")),
        "edits": Field(_("changes")),
        "why": Field(_("reason")),
    },
    page=_batch_page,
)
register(
    "database",
    actions={"restored": _("Database restored from a backup")},
    fields={"failed_edits": Field(_("failed changes"))},
)
