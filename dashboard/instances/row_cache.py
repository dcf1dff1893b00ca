"""Parts of the list as HTML, each drawn once for all who are shown the same.

Drawing a hundred rows took most of a page's time. What a part shows is the key it is
kept by, so nothing has to be invalidated: a row that looks different is another one.
Only the time left differs each minute; it is put in afterwards.
"""

from collections.abc import Hashable, Iterable
from functools import lru_cache
from typing import Any, NamedTuple

from django.core.paginator import Paginator
from django.http import QueryDict
from django.template.loader import get_template
from django.utils import timezone, translation
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

from . import filter_widgets
from .filters import ListQuery
from .listing import Counters, Facets, FleetPage
from .selectors import Row

KEPT = 4_096
"""Rows a process keeps: some 10 MB."""

# NUL cannot stand in a text that was stored (``wire.clean_text``).
_URGENCY, _TEXT = "\0urgency\0", "\0text\0"


class _Frame(NamedTuple):
    """What all rows of a page have in common."""

    shows_cloud: bool
    out_of_band: bool
    time_zone: str
    language: str


class _Drawing:
    """A row to draw, equal to every row that looks the same."""

    __slots__ = ("frame", "key", "row")

    def __init__(self, row: Row, frame: _Frame) -> None:
        run = row.this_run
        self.row: Row | None = row
        self.frame = frame
        self.key: Hashable = (
            *_instance_key(row),
            row.look,
            *(run.state, run.stops_at, run.stopped_at),
            row.next_run,
            _edit_key(row),
            row.may_edit,
            frame,
        )

    def __hash__(self) -> int:
        return hash(self.key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Drawing) and self.key == other.key


def rows_html(
    rows: Iterable[Row], *, shows_cloud: bool, out_of_band: bool = False
) -> SafeString:
    """Rows, each a ``<tr>``.

    Args:
        rows: What to draw.
        shows_cloud: Whether to name its cloud, because there are several.
        out_of_band: For a poll's answer: each replaces the row that stands there.
    """
    frame = _Frame(
        shows_cloud,
        out_of_band,
        timezone.get_current_timezone_name(),
        translation.get_language(),
    )
    drawn: list[str] = []
    for row in rows:
        head, middle, tail = _parts(_Drawing(row, frame))
        run = row.this_run
        drawn += (head, run.urgency, middle, escape(run.text), tail)
    return mark_safe("".join(drawn))  # noqa: S308  (parts of a template's output, escaped there)


def filters_html(facets: Facets, query: ListQuery) -> SafeString:
    """The form of the filters."""
    return _filters(facets, query.kept.urlencode(), translation.get_language())


def around_html(
    numbers: Counters, query: ListQuery, fleet: FleetPage, *, may_bulk: bool
) -> SafeString:
    """What a poll with news sends beside rows: counters, the foot, how many match."""
    kept, page, language = (
        query.kept.urlencode(),
        fleet.page,
        translation.get_language(),
    )
    count = page.paginator.count
    return _around(numbers, kept, count, page.number, may_bulk, language)


@lru_cache(maxsize=128)
def _filters(facets: Facets, kept: str, _language: str) -> SafeString:
    query = ListQuery.of(QueryDict(kept))
    context = {"query": query, "selects": filter_widgets.selects(facets, query)}
    return _draw("filters", context)


@lru_cache(maxsize=512)
def _around(
    numbers: Counters,
    kept: str,
    total: int,
    number: int,
    may_bulk: bool,
    _language: str,
) -> SafeString:
    query = ListQuery.of(QueryDict(kept))
    page = Paginator(range(total), query.per_page).get_page(number)
    return _draw(
        "around",
        {
            "query": query,
            "counters": filter_widgets.quick_filters(numbers, query),
            "fleet": FleetPage([], page, 0),
            "may_bulk": may_bulk,
            "oob": True,
        },
    )


def _draw(partial: str, context: dict[str, Any]) -> SafeString:
    html = get_template(f"instances/list.html#{partial}").render(context)
    return mark_safe(html)  # noqa: S308  (a template's output, escaped there)


@lru_cache(maxsize=KEPT)
def _parts(drawing: _Drawing) -> tuple[str, str, str]:
    row, frame = drawing.row, drawing.frame
    assert row is not None  # noqa: S101  (emptied only here, and then kept as a key)
    run = row.this_run
    html = _draw(
        "row",
        {
            "row": row,
            "run": run._asdict()
            | {"text": _TEXT, "urgency": _URGENCY}
            | {"stops_at_ms": run.stops_at_ms, "verb": run.verb}
            | {"stopped_at_ms": run.stopped_at_ms},
            "shows_cloud": frame.shows_cloud,
            "oob": frame.out_of_band,
        },
    )
    # Kept as a key from now on: the instance itself need not live as long.
    drawing.row = None
    head, rest = html.split(_URGENCY)
    middle, tail = rest.split(_TEXT)
    return head, middle, tail


def _instance_key(row: Row) -> tuple[Hashable, ...]:
    one = row.instance
    return (
        *(one.pk, one.instance_id, one.cloud.name, one.name, one.description),
        *(one.owner_name, one.flavor_type, one.flavor, one.missing_since is None),
        bool(one.problems),
    )


def _edit_key(row: Row) -> Hashable:
    edit = row.edit
    return edit and (edit.pk, edit.kind, edit.state, edit.waits_for_next_start)
