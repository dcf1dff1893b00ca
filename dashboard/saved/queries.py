from functools import lru_cache

from django.http import QueryDict
from django.utils.translation import gettext

from dashboard.instances.filter_widgets import FILTER_LABELS, value_text
from dashboard.instances.filters import ListForm, ListQuery

_DEFAULTS = {"sort": "stops_in", "per_page": str(ListForm.PER_PAGE[0])}


def read(query: str) -> ListQuery:
    """Parse a query string without its question mark."""
    return ListQuery(QueryDict(query))


@lru_cache(maxsize=512)
def normalized(query: ListQuery) -> str:
    """Return the query string without defaults, invalid values and the page number.

    Two queries that list the same instances have the same normalized form. Requests
    with the same URL share their query (``ListQuery.of``), so each is encoded once.
    """
    kept = query.kept.copy()
    kept.pop("page", None)
    for name, default in _DEFAULTS.items():
        if kept.get(name) == default:
            del kept[name]
    return kept.urlencode()


def describe(query: ListQuery) -> list[str]:
    """Return one phrase for each filter and one for the order."""
    plain = read(normalized(query))
    phrases = []
    for name, values in plain.lists.items():
        texts = [value_text(name, value) for value in values]
        phrases.append(
            f"{FILTER_LABELS[name]}{gettext(': ')}{gettext(', ').join(texts)}"
        )
    return phrases or [gettext("all instances")]


def filter_text(query: str) -> str:
    """Return the phrases of a stored query in one line, for the audit trail."""
    return gettext(", ").join(describe(read(query)))
