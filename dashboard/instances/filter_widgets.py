"""Quick filters, selects and column heads of the list."""

from collections.abc import Iterable
from typing import NamedTuple

from django.utils.translation import gettext, gettext_lazy

from dashboard.modelarts.statuses import InstanceStatus

from .filters import MISSING, InstanceFilter, ListForm, ListQuery
from .listing import Counters, Facets

SORT_LABELS = {
    "stops_in": gettext_lazy("Stops soonest"),
    "-stops_in": gettext_lazy("Stops latest"),
    "name": gettext_lazy("Name, A to Z"),
    "-name": gettext_lazy("Name, Z to A"),
    "owner": gettext_lazy("Owner, A to Z"),
    "-owner": gettext_lazy("Owner, Z to A"),
    "status": gettext_lazy("Status, A to Z"),
    "-status": gettext_lazy("Status, Z to A"),
    "-updated": gettext_lazy("Recently updated"),
    "updated": gettext_lazy("Least recently updated"),
}
_COLUMNS = (
    (gettext_lazy("Instance"), "name"),
    (gettext_lazy("Status"), "status"),
    (gettext_lazy("Owner"), "owner"),
    (gettext_lazy("Flavor"), ""),
    (gettext_lazy("Stops in"), "stops_in"),
    (gettext_lazy("Auto-stop after"), ""),
)

QUICK = ("status", "autostop")
"""Parameters that a quick filter sets; each quick filter replaces both."""


class Counter(NamedTuple):
    """A number that links to what it counts."""

    label: str
    number: int
    query: dict[str, str]
    tone: str
    is_current: bool


def quick_filters(numbers: Counters, query: ListQuery) -> list[Counter]:
    """Return the fleet's numbers, each with the query that lists what it counts.

    All other filters stay, such as a search.
    """
    current = {name: query.kept[name] for name in QUICK if name in query.kept}
    kept = query.without(*QUICK, "page").kept
    others = {name: str(value) for name, value in kept.items()}
    counts: list[tuple[str, int, dict[str, str], str]] = [
        (gettext("instances"), numbers.total, {}, "rest"),
        (
            gettext("running"),
            numbers.running,
            {"status": InstanceStatus.RUNNING},
            "good",
        ),
        (gettext("stopping within 1 hour"), numbers.due, {"autostop": "due"}, "warn"),
        (gettext("no auto-stop"), numbers.without_end, {"autostop": "never"}, "rest"),
    ]
    return [
        Counter(label, number, others | params, tone, is_current=params == current)
        for label, number, params, tone in counts
    ]


class Column(NamedTuple):
    """The head of a column.

    Attributes:
        sort: The sort key of its link; empty when the list cannot be sorted by it.
        order: ``ascending``, ``descending`` or empty, for ``aria-sort``.
    """

    label: str
    sort: str
    order: str


def columns(query: ListQuery) -> list[Column]:
    """Return the heads; the one that the list is sorted by links to the reverse."""
    heads = []
    for name, key in _COLUMNS:
        label = str(name)
        if key and query.sort == key:
            heads.append(Column(label, f"-{key}", "ascending"))
        elif key and query.sort == f"-{key}":
            heads.append(Column(label, key, "descending"))
        else:
            heads.append(Column(label, key, ""))
    return heads


class Select(NamedTuple):
    name: str
    label: str
    choices: list[tuple[str, str]]
    value: str


def selects(facets: Facets, query: ListQuery) -> list[Select]:
    """Return the selects of the form, without those that have nothing to choose."""

    def plain(values: Iterable[str]) -> list[tuple[str, str]]:
        return [(value, value) for value in values]

    def declared(name: str) -> list[tuple[str, str]]:
        return list(InstanceFilter.base_filters[name].extra["choices"])

    options = {
        "status": (
            gettext("Status"),
            [*facets.statuses, (MISSING, gettext("Missing"))],
        ),
        "autostop": (gettext("Auto-stop"), declared("autostop")),
        "flavor_type": (gettext("Flavor"), declared("flavor_type")),
        "owner": (gettext("Owner"), plain(facets.owners)),
        "cloud": (gettext("Cloud"), plain(facets.clouds)),
        "workspace": (gettext("Workspace"), plain(facets.workspaces)),
    }
    filters = []
    for name, (label, choices) in options.items():
        value = query.kept.get(name, "")
        if value and value not in dict(choices):
            # As in a bookmark: chosen, though nothing in the fleet has it any more.
            choices = [*choices, (value, value)]
        if len(choices) > 1 or value:
            filters.append(Select(name, label, [("", gettext("All")), *choices], value))
    sorts = [(key, str(label)) for key, label in SORT_LABELS.items()]
    sizes = plain(map(str, ListForm.PER_PAGE))
    return [
        *filters,
        Select("sort", gettext("Sort"), sorts, query.sort),
        Select("per_page", gettext("Rows per page"), sizes, str(query.per_page)),
    ]
