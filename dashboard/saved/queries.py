"""The list's query, spelled in one way, and in words. Pure functions."""

from django.http import QueryDict

from dashboard.instances.clock import status_look
from dashboard.instances.controls import SORT_LABELS
from dashboard.instances.filters import MISSING, InstanceFilter, ListForm, ListQuery

_USUAL = {"sort": "stops_in", "per_page": str(ListForm.PER_PAGE[0])}
_LABELS = {
    "q": "search",
    "status": "status",
    "autostop": "auto stop",
    "flavor_type": "flavour",
    "owner": "owner",
    "cloud": "cloud",
    "workspace": "workspace",
    "per_page": "rows",
}


def read(query: str) -> ListQuery:
    """The list's query that a text says.

    Args:
        query: As in an address, without its question mark.
    """
    return ListQuery(QueryDict(query))


def canonical(query: ListQuery) -> str:
    """The query as an address spells it: two that list the same are spelled the same.

    What makes no sense, says the usual or names one page of many is left out.
    """
    kept = query.kept.copy()
    kept.pop("page", None)
    for name, usual in _USUAL.items():
        if kept.get(name) == usual:
            del kept[name]
    return kept.urlencode()


def in_words(query: ListQuery) -> list[str]:
    """What is narrowed and how it is ordered, a phrase each."""
    kept = read(canonical(query)).kept
    said = [
        f"{_LABELS[name]}: {_value(name, str(value))}"
        for name, value in kept.items()
        if name in _LABELS
    ]
    if "sort" in kept:
        said.append(SORT_LABELS[str(kept["sort"])].lower())
    return said or ["every instance"]


def _value(name: str, value: str) -> str:
    if name == "status":
        return "Missing" if value == MISSING else status_look(value).label
    if name in {"autostop", "flavor_type"}:
        choices = InstanceFilter.base_filters[name].extra["choices"]
        return str(dict(choices).get(value, value))
    return value
