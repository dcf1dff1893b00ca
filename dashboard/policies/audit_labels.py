"""Audit trail labels of policies and exceptions."""

from django.utils.translation import gettext_lazy as _

from dashboard.audit.labels import Field, choice, moment, register
from dashboard.instances.audit_labels import duration, status

from .models import Question, Rule, RuleException

register(
    "rule",
    actions={
        "added": _("Policy added"),
        "changed": _("Policy changed"),
        "removed": _("Policy removed"),
        "moved": _("Policy moved"),
        "acts": _("Automatic enforcement turned on"),
        "dry_run": _("Automatic enforcement paused"),
    },
    fields={
        "name": Field(_("name")),
        "reason": Field(_("reason")),
        "kind": Field(_("kind"), choice(Rule.Kind.choices)),
        "mode": Field(_("mode"), choice(Rule.Mode.choices)),
        "max_seconds": Field(_("maximum run time"), duration),
        "answer_seconds": Field(_("time to answer"), duration),
        "again_seconds": Field(_("ask again after"), duration),
        "quiet_from": Field(_("quiet from")),
        "quiet_until": Field(_("quiet until")),
        "time_zone": Field(_("time zone")),
        "cloud": Field(_("cloud")),
        "workspace_id": Field(_("workspace")),
        "flavor_type": Field(_("flavor type")),
        "owner": Field(_("owner")),
        "tag": Field(_("tag")),
        "position": Field(_("place in the order")),
        "team": Field(_("team")),
        "status": Field(_("status"), status),
        "acts": Field(_("automatic enforcement")),
        "cancelled": Field(_("cancelled changes")),
    },
)
register(
    "exception",
    actions={
        "asked": _("Exception requested"),
        "approved": _("Exception approved"),
        "denied": _("Exception denied"),
        "ended": _("Exception revoked"),
        "expired": _("Exception expired"),
    },
    fields={
        "state": Field(_("state"), choice(RuleException.State.choices)),
        "until": Field(_("until"), moment),
    },
)
register(
    "question",
    actions={
        "asked": _("Asked if a run is still needed"),
        "kept": _("Run still needed"),
        "stopped": _("Run no longer needed"),
        "unanswered": _("No answer whether a run is still needed"),
        "withdrawn": _("Question withdrawn"),
    },
    fields={
        "state": Field(_("state"), choice(Question.State.choices)),
        "deadline": Field(_("answer by"), moment),
    },
)
