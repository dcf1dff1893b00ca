"""The list's query in canonical form, and in words. Pure functions."""

from datetime import datetime

from django.http import QueryDict
from django.utils.translation import gettext, gettext_lazy

from dashboard.instances.countdown import status_badge
from dashboard.instances.filters import MISSING, InstanceFilter, ListForm, ListQuery
from dashboard.web.templatetags.pages import moment_text

_DEFAULTS = {"sort": "stops_in", "per_page": str(ListForm.PER_PAGE[0])}
_LABELS = {
    "q": gettext_lazy("search"),
    "status": gettext_lazy("status"),
    "autostop": gettext_lazy("auto-stop"),
    "flavor_type": gettext_lazy("flavor"),
    "owner": gettext_lazy("owner"),
    "cloud": gettext_lazy("cloud"),
    "workspace": gettext_lazy("workspace"),
    "flavor": gettext_lazy("flavor"),
    "stops_from": gettext_lazy("stops from"),
    "stops_before": gettext_lazy("stops before"),
    "per_page": gettext_lazy("rows"),
}
_ORDERS = {
    "stops_in": gettext_lazy("stops soonest"),
    "-stops_in": gettext_lazy("stops latest"),
    "name": gettext_lazy("name, A to Z"),
    "-name": gettext_lazy("name, Z to A"),
    "owner": gettext_lazy("owner, A to Z"),
    "-owner": gettext_lazy("owner, Z to A"),
    "status": gettext_lazy("status, A to Z"),
    "-status": gettext_lazy("status, Z to A"),
    "-updated": gettext_lazy("recently updated"),
    "updated": gettext_lazy("least recently updated"),
}


def read(query: str) -> ListQuery:
    """Parse a query string without its question mark."""
    return ListQuery(QueryDict(query))


def canonical(query: ListQuery) -> str:
    """Return the query string without defaults, invalid values and the page number.

    Two queries that list the same instances have the same canonical form.
    """
    kept = query.kept.copy()
    kept.pop("page", None)
    for name, default in _DEFAULTS.items():
        if kept.get(name) == default:
            del kept[name]
    return kept.urlencode()


def describe(query: ListQuery) -> list[str]:
    """Return one phrase for each filter and one for the order."""
    plain = read(canonical(query))
    kept, parsed = plain.kept, plain.linked
    phrases = [
        f"{_LABELS[name]}: {_value(name, str(value), parsed.get(name))}"
        for name, value in kept.items()
        if name in _LABELS
    ]
    if "sort" in kept:
        phrases.append(str(_ORDERS[str(kept["sort"])]))
    return phrases or [gettext("all instances")]


def _value(name: str, value: str, parsed: object) -> str:
    if isinstance(parsed, datetime):
        return moment_text(parsed, "moment")
    if name == "status":
        return gettext("Missing") if value == MISSING else status_badge(value).label
    if name in {"autostop", "flavor_type"}:
        choices = InstanceFilter.base_filters[name].extra["choices"]
        return str(dict(choices).get(value, value))
    return value
