from django.utils.translation import gettext_lazy as _

from dashboard.audit.labels import Field, register

from .queries import describe, read


def _query(value: str) -> str:
    return ", ".join(describe(read(value)))


_QUERY = Field(_("filter"), _query)

register(
    "view",
    actions={
        "saved": _("View saved"),
        "changed": _("View changed"),
        "deleted": _("View deleted"),
        "first": _("Default view set"),
        "not_first": _("Default view cleared"),
    },
    fields={
        "name": Field(_("name")),
        "query": _QUERY,
        "shared": Field(_("shared")),
    },
)
register(
    "list",
    actions={
        "exported": _("Instance list exported"),
        "display_changed": _("Display of the list changed"),
    },
    fields={
        "format": Field(_("format"), str.upper),
        "query": _QUERY,
        "instances": Field(_("instances")),
        "hidden": Field(_("hidden columns"), ", ".join),
        "compact": Field(_("compact rows")),
        "group": Field(_("groups")),
        "time_zone": Field(_("time zone")),
    },
)
