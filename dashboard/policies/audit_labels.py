"""Audit trail labels of policies and exceptions."""

from django.utils.translation import gettext_lazy

from dashboard.audit.labels import Field, choice, moment, register
from dashboard.instances.audit_labels import duration, status

from .models import Rule, RuleException

register(
    "rule",
    actions={
        "added": gettext_lazy("Policy added"),
        "changed": gettext_lazy("Policy changed"),
        "removed": gettext_lazy("Policy removed"),
        "acts": gettext_lazy("Automatic enforcement turned on"),
        "dry_run": gettext_lazy("Automatic enforcement paused"),
    },
    fields={
        "name": Field(gettext_lazy("name")),
        "reason": Field(gettext_lazy("reason")),
        "kind": Field(gettext_lazy("kind"), choice(Rule.Kind.choices)),
        "mode": Field(gettext_lazy("mode"), choice(Rule.Mode.choices)),
        "max_seconds": Field(gettext_lazy("maximum run time"), duration),
        "quiet_from": Field(gettext_lazy("quiet from")),
        "quiet_until": Field(gettext_lazy("quiet until")),
        "time_zone": Field(gettext_lazy("time zone")),
        "cloud": Field(gettext_lazy("cloud")),
        "workspace_id": Field(gettext_lazy("workspace")),
        "flavor_type": Field(gettext_lazy("flavor type")),
        "owner": Field(gettext_lazy("owner")),
        "status": Field(gettext_lazy("status"), status),
        "acts": Field(gettext_lazy("automatic enforcement")),
        "cancelled": Field(gettext_lazy("cancelled changes")),
    },
)
register(
    "exception",
    actions={
        "asked": gettext_lazy("Exception requested"),
        "approved": gettext_lazy("Exception approved"),
        "denied": gettext_lazy("Exception denied"),
        "ended": gettext_lazy("Exception revoked"),
        "expired": gettext_lazy("Exception expired"),
    },
    fields={
        "state": Field(gettext_lazy("state"), choice(RuleException.State.choices)),
        "until": Field(gettext_lazy("until"), moment),
    },
)
