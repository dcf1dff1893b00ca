from django.utils.translation import gettext_lazy as _

from dashboard.audit.labels import Field, choice, register
from dashboard.instances.display import GROUPS, OPTIONAL

from .queries import filter_text

_QUERY = Field(_("filter"), filter_text)

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
        "hidden": Field(_("hidden columns"), choice(OPTIONAL.items())),
        "compact": Field(_("compact rows")),
        "group": Field(_("groups"), choice(GROUPS.items())),
        "time_zone": Field(_("time zone")),
    },
)
