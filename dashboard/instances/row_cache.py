"""Parts of the list as HTML, rendered once for everyone who sees the same.

Rendering a hundred rows took most of a page's time. The key of a part is everything
that the part shows, so nothing has to be invalidated.
"""

from collections.abc import Hashable, Iterable
from typing import Any

from django.template.loader import get_template
from django.utils import timezone, translation
from django.utils.safestring import SafeString, mark_safe

from dashboard.web.process_cache import ProcessCache

from . import filter_widgets
from .filters import ListQuery
from .listing import Counters, Facets, FleetPage
from .selectors import Row

# Some 10 MB: most countdowns change their text once a minute.
_rows = ProcessCache(max_size=4_096, seconds=600)
_filters = ProcessCache(max_size=128, seconds=600)
_around = ProcessCache(max_size=512, seconds=600)


def rows_html(
    rows: Iterable[Row], *, shows_cloud: bool, out_of_band: bool = False
) -> SafeString:
    """Render rows, each as a ``<tr>``.

    Args:
        rows: Read at the moment whose time left they show.
        shows_cloud: Whether to name their cloud, because there are several.
        out_of_band: For the answer to a poll: each replaces the row on the page.
    """
    frame = {"shows_cloud": shows_cloud, "oob": out_of_band}
    reader = (
        timezone.get_current_timezone_name(),
        timezone.localdate(),  # the moment of a stop has its date on other days only
        translation.get_language(),
    )
    return mark_safe(  # noqa: S308  (a template's output, escaped there)
        "".join(_row_html(row, frame, reader) for row in rows)
    )


def filters_html(facets: Facets, query: ListQuery) -> SafeString:
    """Render the form of the filters."""
    return _filters.get_or_compute(
        (facets, query.kept.urlencode(), translation.get_language()),
        lambda: _render(
            "filters",
            {"query": query, "selects": filter_widgets.selects(facets, query)},
        ),
    )


def around_html(
    numbers: Counters, query: ListQuery, fleet: FleetPage, *, may_bulk: bool
) -> SafeString:
    """Render what a poll with news sends beside rows: counters, pager, matches."""
    page = fleet.page
    total, language = page.paginator.count, translation.get_language()
    return _around.get_or_compute(
        (numbers, query.kept.urlencode(), total, page.number, may_bulk, language),
        lambda: _render(
            "around",
            {
                "query": query,
                "counters": filter_widgets.quick_filters(numbers, query),
                "fleet": fleet,
                "may_bulk": may_bulk,
                "oob": True,
            },
        ),
    )


def _row_html(
    row: Row, frame: dict[str, bool], reader: tuple[Hashable, ...]
) -> SafeString:
    return _rows.get_or_compute(
        (*_shown_values(row), *frame.values(), *reader),
        lambda: _render("row", {"row": row, "run": row.this_run, **frame}),
    )


def _shown_values(row: Row) -> tuple[Hashable, ...]:
    instance, edit = row.instance, row.edit
    return (
        *(instance.pk, instance.instance_id, instance.cloud.name, instance.name),
        *(instance.description, instance.owner_name, instance.flavor_type),
        *(instance.flavor, instance.missing_since is None, bool(instance.problems)),
        *(row.look, row.this_run, row.next_run, row.may_edit),
        edit and (edit.pk, edit.kind, edit.state, edit.waits_for_next_start),
    )


def _render(partial: str, context: dict[str, Any]) -> SafeString:
    html = get_template(f"instances/list.html#{partial}").render(context)
    return mark_safe(html)  # noqa: S308  (a template's output, escaped there)
