"""Audit trail labels of prices and budgets."""

from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from dashboard.audit.labels import Field, choice, register

from .models import Budget, Price

register(
    "budget",
    actions={
        "added": _("Budget added"),
        "changed": _("Budget changed"),
        "removed": _("Budget removed"),
    },
    fields={
        "name": Field(_("name")),
        "kind": Field(_("applies to"), choice(Budget.Kind.choices)),
        "value": Field(_("value")),
        "team": Field(_("team")),
        "amount": Field(_("amount a month")),
        "currency": Field(_("currency")),
    },
)
register(
    "price",
    actions={
        "added": _("Price added"),
        "replaced": _("Price replaced"),
        "removed": _("Price removed"),
    },
    fields={
        "cloud": Field(_("cloud")),
        "flavor": Field(_("flavor")),
        "running": Field(_("an hour while running")),
        "stopped": Field(_("an hour while stopped")),
        "currency": Field(_("currency")),
        "valid_from": Field(_("first day")),
        "source": Field(_("source"), choice(Price.Source.choices)),
    },
    page=lambda event: reverse("costs:prices"),
)
register(
    "costs",
    actions={"exported": _("Costs exported")},
    fields={
        "content": Field(
            _("content"), choice([("report", _("Costs")), ("runs", _("Runs"))])
        ),
        "format": Field(_("format"), str.upper),
        "since": Field(_("since")),
        "until": Field(_("until")),
        "query": Field(_("filter")),
        "rows": Field(_("rows")),
    },
)
