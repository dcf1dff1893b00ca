from collections.abc import Iterable, Mapping
from typing import NamedTuple
from urllib.parse import urlencode

from django.utils.text import capfirst
from django.utils.translation import gettext, gettext_lazy as _

from dashboard.modelarts.statuses import InstanceStatus
from dashboard.web.templatetags.pages import moment_text

from . import countdown
from .display import Display
from .filter_fields import EXCLUDED, MomentField
from .filters import (
    ME,
    MISSING,
    InstanceFilter,
    ListForm,
    ListQuery,
)
from .listing import Counters, Facets

SORT_LABELS = {
    "stops_in": _("Stops soonest"),
    "-stops_in": _("Stops latest"),
    "name": _("Name, A to Z"),
    "-name": _("Name, Z to A"),
    "owner": _("Owner, A to Z"),
    "-owner": _("Owner, Z to A"),
    "status": _("Status, A to Z"),
    "-status": _("Status, Z to A"),
    "-updated": _("Recently updated"),
    "updated": _("Least recently updated"),
    "-price_per_hour": _("Price, highest first"),
    "price_per_hour": _("Price, lowest first"),
}
COLUMNS = {
    "status": (_("Status"), "status"),
    "owner": (_("Owner"), "owner"),
    "cloud": (_("Cloud"), ""),
    "workspace": (_("Workspace"), ""),
    "flavor": (_("Flavor"), ""),
    "price": (_("Price per hour"), "price_per_hour"),
    "stops": (_("Stops in"), "stops_in"),
    "auto-stop": (_("Auto-stop after"), ""),
    "generation": (_("API"), ""),
}
"""Label and sort key of each column after the name, in the order of the page."""

FILTER_LABELS = {
    "q": _("search"),
    "status": _("status"),
    "autostop": _("auto-stop"),
    "flavor_type": _("flavor"),
    "owner": _("owner"),
    "team": _("team"),
    "cloud": _("cloud"),
    "workspace": _("workspace"),
    "generation": _("API"),
    "tag": _("tag"),
    "flavor": _("flavor"),
    "stops_from": _("stops from"),
    "stops_before": _("stops before"),
    "per_page": _("rows"),
    "sort": _("sort"),
}


class Place(NamedTuple):
    """A page whose instances the form of the filters narrows.

    Attributes:
        url_name: Its address.
        target: What an answer replaces, as a selector.
        beside: What it replaces out of band, as ids.
        absent: Filters that mean nothing there.
        is_list: Whether it has an order and pages.
    """

    url_name: str
    target: str
    beside: str
    absent: tuple[str, ...] = ()
    is_list: bool = False


LIST = Place(
    "instances:list",
    "#fleet",
    "#number,#counters,#troubles,#views,#ways,#display-menu,#chips",
    is_list=True,
)

QUICK = ("status", "autostop")
"""The parameters that each quick filter replaces."""


class Counter(NamedTuple):
    """A number with a link to the instances that it counts.

    Attributes:
        query: Query string of its link.
    """

    label: str
    number: int
    query: str
    tone: str
    is_current: bool


def quick_filters(numbers: Counters, query: ListQuery) -> list[Counter]:
    """Return the counters; their queries keep all other filters, such as a search."""
    current = {name: query.lists[name] for name in QUICK if name in query.kept}
    others = query.without(*QUICK, "page").lists
    running = {"status": [str(InstanceStatus.RUNNING)]}
    counts: list[tuple[str, int, dict[str, list[str]], str]] = [
        (gettext("instances"), numbers.total, {}, "rest"),
        (gettext("running"), numbers.running, running, "good"),
        (gettext("stopping within 1 hour"), numbers.due, {"autostop": ["due"]}, "warn"),
        (gettext("no auto-stop"), numbers.without_end, {"autostop": ["never"]}, "rest"),
    ]
    return [
        Counter(label, number, _address(others | params), tone, params == current)
        for label, number, params, tone in counts
    ]


def _address(params: Mapping[str, str | list[str]]) -> str:
    return urlencode(params, doseq=True)


class Column(NamedTuple):
    """The head of a column.

    Attributes:
        key: Of ``COLUMNS``, or ``name``.
        query: Query string of its link; empty when the list cannot be sorted by it.
        order: ``ascending``, ``descending`` or empty, for ``aria-sort``.
    """

    key: str
    label: str
    query: str
    order: str


def columns(query: ListQuery, shown: Iterable[str]) -> list[Column]:
    """Return the heads; that of the current order links to the reverse order.

    Args:
        query: That of the list.
        shown: Keys of ``COLUMNS``; others have no head.
    """
    others = query.without("page").lists
    heads = []
    known = {"name": (_("Instance"), "name"), **COLUMNS}
    for key in ("name", *(key for key in shown if key in COLUMNS)):
        label, by = known[key]
        order = {by: "ascending", f"-{by}": "descending"}.get(query.sort, "")
        sort = f"-{by}" if order == "ascending" else by
        link = _address(others | {"sort": [sort]}) if by else ""
        heads.append(Column(key, str(label), link, order))
    return heads


def shown_parts(display: Display, *, clouds: int, generations: int) -> tuple[str, ...]:
    """Return what the rows show: columns, and parts of that of the name.

    Args:
        display: The choice of the person; some only tell apart what occurs.
        clouds: Number of clouds.
        generations: Number of generations of the API.
    """
    absent = {
        *(() if clouds > 1 else ("cloud",)),
        *(() if generations > 1 else ("generation",)),
        *display.hidden,
    }
    return tuple(key for key in ("description", "tags", *COLUMNS) if key not in absent)


def group_label(group: str, value: str) -> str:
    """Return the head of a group of instances.

    Args:
        group: A key of ``display.GROUPS``.
        value: Its value of ``display.GROUP_VALUES``.
    """
    if group == "status":
        return value_text("status", value)
    return value or gettext("unknown")


class Chip(NamedTuple):
    """One value of an active filter.

    Attributes:
        is_excluded: Whether the list leaves out what matches.
        removed: Query string of the list without it.
        reversed: The same with the opposite; empty where there is none.
    """

    label: str
    value: str
    is_excluded: bool
    removed: str
    reversed: str


def chips(
    query: ListQuery, others: Mapping[str, list[str]] | None = None
) -> list[Chip]:
    """Return the values of all filters but the search, which has its own field.

    Args:
        query: That of the page.
        others: Parameters of the page that are no filters; their links keep them.
    """
    lists = query.without("page").lists | dict(others or {})
    shown = []
    for name, value in query.narrowed:
        if name == "q":
            continue
        rest = [text for text in lists[name] if text != value]
        plain = value.removeprefix(EXCLUDED)
        opposite = plain if value != plain else EXCLUDED + plain
        shown.append(
            Chip(
                capfirst(str(FILTER_LABELS[name])),
                value_text(name, plain),
                value != plain,
                _address(lists | {name: rest}),
                ""
                if name in query.linked
                else _address(lists | {name: [*rest, opposite]}),
            )
        )
    return shown


class Choices(NamedTuple):
    """Values of one filter, to be ticked.

    Attributes:
        options: Value, label, and whether it is ticked.
    """

    name: str
    label: str
    options: list[tuple[str, str, bool]]


class Select(NamedTuple):
    name: str
    label: str
    choices: list[tuple[str, str]]
    value: str


class Fields(NamedTuple):
    """The fields of the form of the filters.

    Attributes:
        hidden: Names and values of active filters that have no field.
    """

    choices: list[Choices]
    selects: list[Select]
    hidden: list[tuple[str, str]]


def fields(facets: Facets, query: ListQuery, place: Place = LIST) -> Fields:
    """Return the fields, without those that offer no choice."""

    def plain(values: Iterable[str]) -> list[tuple[str, str]]:
        return [(value, value) for value in values]

    def declared(name: str) -> list[tuple[str, str]]:
        choices = InstanceFilter.base_filters[name].extra["choices"]
        return [(value, capfirst(str(label))) for value, label in choices]

    options = {
        "status": [*facets.statuses, (MISSING, gettext("Missing"))],
        "autostop": declared("autostop"),
        "flavor_type": declared("flavor_type"),
        "owner": [(ME, capfirst(gettext("me"))), *plain(facets.owners)],
        "team": plain(facets.teams),
        "cloud": plain(facets.clouds),
        "workspace": plain(facets.workspaces),
        "generation": [
            choice
            for choice in declared("generation")
            if choice[0] in facets.generations
        ],
    }
    groups = []
    offered = set()
    for name, choices in options.items():
        ticked = [text for text in query.lists.get(name, []) if text[:1] != EXCLUDED]
        # Ticked, as in a bookmark, although no instance has it any more.
        gone = [text for text in ticked if text not in dict(choices)]
        choices = [*choices, *((text, value_text(name, text)) for text in gone)]
        if (len(choices) > 1 and name not in place.absent) or ticked:
            label = capfirst(str(FILTER_LABELS[name]))
            group = [(value, text, value in ticked) for value, text in choices]
            groups.append(Choices(name, label, group))
            offered |= {(name, value) for value in ticked}
    shown = [pair for pair in query.narrowed if pair[0] != "q"]
    hidden = [pair for pair in shown if pair not in offered]
    if not place.is_list:
        return Fields(groups, [], hidden)
    sorts = [(key, str(label)) for key, label in SORT_LABELS.items()]
    sizes = plain(map(str, ListForm.PER_PAGE))
    return Fields(
        groups,
        [
            Select("sort", gettext("Sort"), sorts, query.sort),
            Select("per_page", gettext("Rows per page"), sizes, str(query.per_page)),
        ],
        hidden,
    )


def value_text(name: str, value: str) -> str:
    """Return a value of the list's query in words."""
    if value.startswith(EXCLUDED) and name != "q":
        return gettext("not %(value)s") % {
            "value": value_text(name, value.removeprefix(EXCLUDED))
        }
    match name:
        case "stops_from" | "stops_before":
            return moment_text(MomentField().clean(value), "moment")
        case "status":
            if value == MISSING:
                return gettext("Missing")
            return countdown.status_badge(value).label
        case "sort":
            return str(SORT_LABELS[value])
        case "owner" if value == ME:
            return gettext("me")
        case "autostop" | "flavor_type" | "generation":
            choices = InstanceFilter.base_filters[name].extra["choices"]
            return str(dict(choices).get(value, value))
    return value
