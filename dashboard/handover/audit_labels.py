from django.utils.translation import gettext_lazy as _

from dashboard.audit.labels import Field, moment, register
from dashboard.saved.queries import filter_text

register(
    "handover",
    actions={
        "drafted": _("Handover started"),
        "discarded": _("Handover draft discarded"),
        "published": _("Handover published"),
        "taken_over": _("Shift taken over"),
        "action_done": _("Action done"),
        "action_reopened": _("Action reopened"),
    },
    fields={
        "since": Field(_("since"), moment),
        "ahead_hours": Field(_("hours ahead")),
        "scope": Field(_("view")),
        "notes": Field(_("notes")),
        "note": Field(_("action")),
        "digest": Field(_("digest"), in_row=False),
        "from": Field(_("from")),
    },
)
register(
    "wall",
    actions={
        "made": _("Wallboard created"),
        "renamed": _("Wallboard renamed"),
        "revoked": _("Wallboard link revoked"),
    },
    fields={
        "name": Field(_("name")),
        "query": Field(_("filter"), filter_text),
        "masked": Field(_("names hidden")),
    },
)
