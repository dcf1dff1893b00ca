"""Audit trail labels of saved views and exports."""

from django.utils.translation import gettext_lazy

from dashboard.audit.labels import Field, register

from .queries import describe, read


def _query(value: str) -> str:
    return ", ".join(describe(read(value)))


_QUERY = Field(gettext_lazy("filter"), _query)

register(
    "view",
    actions={
        "saved": gettext_lazy("View saved"),
        "changed": gettext_lazy("View changed"),
        "deleted": gettext_lazy("View deleted"),
        "first": gettext_lazy("Default view set"),
        "not_first": gettext_lazy("Default view cleared"),
    },
    fields={
        "name": Field(gettext_lazy("name")),
        "query": _QUERY,
        "shared": Field(gettext_lazy("shared")),
    },
)
register(
    "list",
    actions={"exported": gettext_lazy("Instance list exported")},
    fields={
        "format": Field(gettext_lazy("format"), str.upper),
        "query": _QUERY,
        "instances": Field(gettext_lazy("instances")),
    },
)
