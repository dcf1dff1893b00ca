"""Parts of the list as HTML, rendered once for everyone who sees the same.

Rendering a hundred rows took most of a page's time. The key of a part names everything
that the part shows, so nothing has to be invalidated. The time left changes every
minute, so it is not part of a key: it is filled in after a row was looked up.
"""

from collections.abc import Hashable, Iterable, Mapping
from html import escape
from types import MappingProxyType
from typing import NamedTuple

from django.template.loader import render_to_string
from django.utils import timezone, translation
from django.utils.safestring import SafeString, mark_safe

from dashboard.livepoll.pages import layout_hash
from dashboard.web.process_cache import ProcessCache
from dashboard.web.shared_html import SharedHtml

from . import filter_widgets, prices
from .filter_widgets import LIST, Place
from .filters import ListQuery
from .listing import Counters, Facets, FleetPage
from .selectors import Row

# Some 10 MB.
_rows = ProcessCache(max_size=4_096, seconds=600)
_filters = ProcessCache(max_size=128, seconds=600)
_around = ProcessCache(max_size=512, seconds=600)

_head = SharedHtml("instances/list.html#head")
_bulk_bar = SharedHtml("edits/_bulk_bar.html")

_AROUND = ("number", "counters", "chips", "found", "foot", "matching")

# Stands for the time left in a cached row. Stored text never contains NUL.
_TIME_LEFT = "\0"
_TIME_LEFT_BYTES = _TIME_LEFT.encode()


class GroupHead(NamedTuple):
    """The line above the instances of a group.

    Attributes:
        number: How many instances it has on all pages.
        columns: How many columns the line covers.
    """

    label: str
    number: int
    columns: int

    @property
    def key(self) -> str:
        """Identifies what the line shows; the ID of its element ends with it."""
        return layout_hash(self)


EMPTY: Mapping[int, GroupHead] = MappingProxyType({})


def rows_html(
    rows: Iterable[Row],
    *,
    shown: tuple[str, ...],
    heads: Mapping[int, GroupHead] = EMPTY,
    out_of_band: bool = False,
    template: str = "instances/_row.html",
) -> bytes:
    """Render rows, each as a ``<tr>`` or by another template.

    They are cached in UTF-8: encoding a hundred took a twentieth of a page's CPU.

    Args:
        rows: Read at the moment whose time left they show.
        shown: What they show (``filter_widgets.shown_parts``).
        heads: By key of an instance, the head of the group that begins with it.
        out_of_band: For the answer to a poll: each replaces the row on the page.
        template: Draws a ``row`` from nothing but the instance and these arguments.
    """
    frame: dict[str, Hashable] = {"shown": shown, "oob": out_of_band}
    priced = prices.current.get()() if "price" in shown else None
    reader = (
        timezone.get_current_timezone_name(),
        timezone.localdate(),  # the moment of a stop has its date on other days only
        translation.get_language(),
    )
    return b"".join(
        _head_html(heads.get(row.instance.pk)).encode()
        + _row_html(row, template, frame, reader, priced)
        for row in rows
    )


def text_of(html: bytes) -> SafeString:
    """Return rows for a template."""
    return mark_safe(html.decode())  # noqa: S308  (output of a template)


def filters_html(
    facets: Facets,
    query: ListQuery,
    *,
    place: Place = LIST,
    others: Mapping[str, list[str]] | None = None,
) -> SafeString:
    """Render the form of the filters.

    Args:
        facets: What can be chosen.
        query: The active filters.
        place: The page of the form.
        others: Parameters of the page that are no filters; the form keeps them.
    """
    return _filters.get_or_compute(
        (
            facets,
            query.address,
            place,
            str(others),
            translation.get_language(),
        ),
        lambda: render_to_string(
            "instances/_filters.html",
            {
                "query": query,
                "place": place,
                "others": others or {},
                "fields": filter_widgets.fields(facets, query, place),
                "has_tags": facets.has_tags,
            },
        ),
    )


def around_html(
    numbers: Counters,
    query: ListQuery,
    fleet: FleetPage,
    *,
    may_bulk: bool,
    out_of_band: bool = False,
) -> dict[str, SafeString]:
    """Render the parts of the page around the rows, by the name of their partial."""
    page = fleet.page
    frame = {"may_bulk": may_bulk, "oob": out_of_band}
    key = (
        *(numbers, query.address, page.paginator.count, page.number),
        *frame.values(),
        translation.get_language(),
        timezone.get_current_timezone_name(),
    )

    def render() -> dict[str, SafeString]:
        counters = filter_widgets.quick_filters(numbers, query)
        context = {
            "query": query,
            "counters": counters,
            "chips": filter_widgets.chips(query),
            "fleet": fleet,
            **frame,
        }
        return {
            part: render_to_string(f"instances/list.html#{part}", context)
            for part in _AROUND
        }

    return _around.get_or_compute(key, render)


def head_html(columns: list[filter_widgets.Column], *, may_bulk: bool) -> SafeString:
    """Render the head of the table."""
    key = (may_bulk, *columns)
    return _head.render(key, {"columns": columns, "may_bulk": may_bulk})


def bulk_bar_html(query: ListQuery, number: int, *, csrf_token: str) -> SafeString:
    """Render the bar below the table, for people who may create bulk changes.

    Args:
        query: That of the list.
        number: How many instances match.
        csrf_token: For its form.
    """
    context = {"query": query, "number": number}
    return _bulk_bar.render((query.address, number), context, csrf_token=csrf_token)


def new_heads_html(heads: Iterable[GroupHead]) -> SafeString:
    """Render lines above groups for the answer to a poll."""
    html = "".join(_head_html(head, out_of_band=True) for head in heads)
    return mark_safe(html)  # noqa: S308  (output of a template)


def _head_html(head: GroupHead | None, *, out_of_band: bool = False) -> str:
    if head is None:
        return ""
    return _around.get_or_compute(
        (*head, out_of_band, translation.get_language()),
        lambda: render_to_string(
            "instances/_group.html", {"head": head, "oob": out_of_band}
        ),
    )


def _row_html(
    row: Row,
    template: str,
    frame: dict[str, Hashable],
    reader: tuple[Hashable, ...],
    priced: prices.Prices | None,
) -> bytes:
    instance, run, edit = row.instance, row.this_run, row.edit
    price = priced and priced.of(instance.cloud.name, instance.flavor)
    key = (
        *(instance.pk, instance.version, instance.cloud.name),
        *(run.state, run.urgency, run.not_before, row.may_edit, row.may_extend),
        *(row.may_start, row.may_stop),
        edit and (edit.pk, edit.state, edit.waits_for_next_start, edit.may_be_undone),
        edit and instance.cloud.held_since,
        row.override and row.override.pk,
        price and (price.running, price.currency),
        template,
        *frame.values(),
        *reader,
    )
    row_html = _rows.get_or_compute(
        key,
        lambda: render_to_string(
            template,
            {
                "row": row,
                "run": run._replace(text=_TIME_LEFT),
                "price": price,
                **frame,
            },
        ).encode(),
    )
    return row_html.replace(_TIME_LEFT_BYTES, escape(run.text).encode())
