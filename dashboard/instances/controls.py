"""What stands around the table: quick filters, selects and column heads."""

from collections.abc import Iterable
from typing import NamedTuple

from dashboard.modelarts.statuses import InstanceStatus

from .filters import MISSING, InstanceFilter, ListForm, ListQuery
from .listing import Counters, Facets

SORT_LABELS = {
    "stops_in": "Soonest stop first",
    "-stops_in": "Latest stop first",
    "name": "Name, A to Z",
    "-name": "Name, Z to A",
    "owner": "Owner, A to Z",
    "-owner": "Owner, Z to A",
    "status": "Status, A to Z",
    "-status": "Status, Z to A",
    "-updated": "Latest change first",
    "updated": "Oldest change first",
}
_COLUMNS = {
    "Instance": "name",
    "Status": "status",
    "Owner": "owner",
    "Flavour": "",
    "This run": "stops_in",
    "Next run": "",
}


class Counter(NamedTuple):
    """A number that is also a link to what it counts."""

    label: str
    number: int
    query: dict[str, str]
    tone: str
    is_current: bool


def quick_filters(numbers: Counters, query: ListQuery) -> list[Counter]:
    """The fleet's numbers, each with the filter that lists what it counted."""
    now = {name: query.kept[name] for name in query.active_filters}
    kinds: list[tuple[str, int, dict[str, str], str]] = [
        ("instances", numbers.total, {}, "rest"),
        ("running", numbers.running, {"status": InstanceStatus.RUNNING}, "good"),
        ("stop within the hour", numbers.due, {"autostop": "due"}, "warn"),
        ("without auto stop", numbers.auto_stop_off, {"autostop": "off"}, "rest"),
    ]
    return [
        Counter(label, count, wanted, tone, is_current=wanted == now)
        for label, count, wanted, tone in kinds
    ]


class Column(NamedTuple):
    """A column's head.

    Attributes:
        sort: What its link sorts by; empty when the column cannot be sorted by.
        order: ``ascending``, ``descending`` or empty, for ``aria-sort``.
    """

    label: str
    sort: str
    order: str


def columns(query: ListQuery) -> list[Column]:
    """The heads; the one the list is sorted by links to its reverse."""
    heads = []
    for label, key in _COLUMNS.items():
        if key and query.sort == key:
            heads.append(Column(label, f"-{key}", "ascending"))
        elif key and query.sort == f"-{key}":
            heads.append(Column(label, key, "descending"))
        else:
            heads.append(Column(label, key, ""))
    return heads


class Select(NamedTuple):
    """A filter to choose from."""

    name: str
    label: str
    choices: list[tuple[str, str]]
    value: str


def selects(facets: Facets, query: ListQuery) -> list[Select]:
    """The form's selects; those with nothing to choose from are left out."""

    def plain(values: Iterable[str]) -> list[tuple[str, str]]:
        return [(value, value) for value in values]

    def declared(name: str) -> list[tuple[str, str]]:
        return list(InstanceFilter.base_filters[name].extra["choices"])

    anything = {
        "status": ("Status", [*facets.statuses, (MISSING, "Missing")]),
        "autostop": ("Auto stop", declared("autostop")),
        "flavor_type": ("Flavour", declared("flavor_type")),
        "owner": ("Owner", plain(facets.owners)),
        "cloud": ("Cloud", plain(facets.clouds)),
        "workspace": ("Workspace", plain(facets.workspaces)),
    }
    found = []
    for name, (label, choices) in anything.items():
        value = query.kept.get(name, "")
        if value and value not in dict(choices):
            # As in a bookmark: chosen, though nothing in the fleet has it any more.
            choices = [*choices, (value, value)]
        if len(choices) > 1 or value:
            found.append(Select(name, label, [("", "any"), *choices], value))
    found.append(Select("sort", "Order", list(SORT_LABELS.items()), query.sort))
    sizes = [(str(size), f"{size} rows") for size in ListForm.PER_PAGE]
    found.append(Select("per_page", "Page", sizes, str(query.per_page)))
    return found
