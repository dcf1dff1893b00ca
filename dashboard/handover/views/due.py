from collections.abc import Hashable, Iterable
from datetime import timedelta
from typing import Any

from django.http import HttpResponse, HttpResponseBadRequest
from django.shortcuts import render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language
from django.views.decorators.http import require_safe
from django_htmx.http import HttpResponseClientRefresh

from dashboard.accounts.http import SignedInRequest
from dashboard.handover import selectors
from dashboard.handover.filters import DueForm, DuePollForm, DueQuery
from dashboard.handover.timeline import Group, Timeline
from dashboard.instances import filter_widgets, row_cache
from dashboard.instances.listing import facets
from dashboard.instances.models import FleetVersion
from dashboard.instances.run_state import late_after
from dashboard.instances.selectors import (
    Freshness,
    Row,
    freshness,
    publish_fleet_state,
)
from dashboard.livepoll.pages import NEVER_READ, not_modified, poller
from dashboard.web.process_cache import ProcessCache
from dashboard.web.shared_html import SharedHtml

PLACE = filter_widgets.Place(
    "handover:due", "#board", "#troubles,#chips", absent=("status",)
)

_late = SharedHtml("handover/due.html#late")
_numbers = SharedHtml("handover/due.html#numbers")
_lane_heads = SharedHtml("handover/due.html#lane_head")
_timelines = ProcessCache(max_size=64, seconds=600)
# Columns and rows of timelines.
_parts = ProcessCache(max_size=4_096, seconds=600)


@require_safe
def due(request: SignedInRequest) -> HttpResponse:
    """Show the page; it ignores invalid parameters and lists them."""
    context = _context(request, DueQuery(request.GET))
    query = context["query"]
    context["filters"] = row_cache.filters_html(
        facets(request.user, version=context["version"]),
        query.instances,
        place=PLACE,
        others=query.others,
    )
    context["chips"] = filter_widgets.chips(query.instances, query.others)
    context["timeline"] = _timeline(context["board"], query)
    return render(request, "handover/due.html", context)


@require_safe
def due_changes(request: SignedInRequest) -> HttpResponse:
    """Return what changed since the caller's last poll.

    Query parameters:
        The page's own, and those of ``DuePollForm``.

    Returns:
        200 with ``handover/due.html#changes``; 204 when nothing changed and no run
        moved to another lane, with the mirror's age in ``HX-Trigger``; 400 for an
        invalid ``since`` or ``until``.
    """
    form = DuePollForm(request.GET)
    if not form.is_valid():
        return HttpResponseBadRequest()
    params, version = form.cleaned_data, FleetVersion.current()
    if form.is_current(version):
        fleet = publish_fleet_state(version)
        return not_modified(fleet, request, until_ms=params["until"])
    context = _context(request, DueQuery(request.GET), out_of_band=True)
    if params["layout"] == NEVER_READ and not context["freshness"].never_read:
        return HttpResponseClientRefresh()
    context["whole"] = form.needs_all_rows(
        version=context["version"], layout=context["layout"]
    )
    board, fresh = context["board"], context["freshness"]
    changed = [row for row in board.cards if row.instance.version > params["since"]]
    context["changed"] = _cards(changed, fresh, out_of_band=True)
    context["redrawn"] = params["timeline"] != board.timeline.layout
    context["timeline"] = _timeline(board, context["query"], out_of_band=True)
    return render(request, "handover/due.html#changes", context)


def _context(
    request: SignedInRequest, query: DueQuery, *, out_of_band: bool = False
) -> dict[str, Any]:
    now = timezone.now()
    # Read before the rows: a change in between is then sent twice, never missed.
    version = FleetVersion.current()
    board = selectors.board(query, user=request.user, version=version, now=now)
    fresh = freshness(now)
    layout = NEVER_READ if fresh.never_read else board.layout
    return {
        "query": query,
        "board": board,
        "late_html": _late_html(board.late, query, out_of_band=out_of_band),
        "numbers_html": _numbers.render(
            (out_of_band, *((column.lane, column.total) for column in board.columns)),
            {"board": board, "oob": out_of_band},
        ),
        "lanes": [
            (column, _lane_head(column, query), _cards(column.rows, fresh))
            for column in board.columns
        ],
        "version": version,
        "layout": layout,
        "poller": poller(
            request,
            reverse("handover:due_changes"),
            query.instances.lists
            | query.others
            | {
                "since": version,
                "until": board.changes_at_ms,
                "layout": layout,
                "timeline": board.timeline.layout,
            },
            version=version,
            interval_seconds=2 if fresh.never_read else board.interval_seconds,
            until_ms=board.changes_at_ms,
        ),
        "freshness": fresh,
    }


def _late_html(
    late: selectors.LateStops, query: DueQuery, *, out_of_band: bool
) -> SafeString:
    """Render the late stops."""
    minutes = late_after() // timedelta(minutes=1)
    stops = tuple(
        (
            *(row.instance.pk, row.instance.version, row.instance.cloud.name),
            *(row.may_stop, row.may_edit, since, cause, console),
        )
        for row, since, cause, console in late.stops
    )
    today = timezone.localdate()  # the moment of a stop has its date on other days
    return _late.render(
        (stops, late.total, minutes, str(query.filters), out_of_band, today),
        {"late": late, "late_minutes": minutes, "query": query, "oob": out_of_band},
    )


def _lane_head(column: selectors.Column, query: DueQuery) -> SafeString:
    return _lane_heads.render(
        (
            column.lane,
            column.total,
            column.overdue,
            not column.rows,
            str(query.filters),
        ),
        {"column": column, "query": query},
    )


def _cards(rows: list[Row], fresh: Freshness, *, out_of_band: bool = False) -> str:
    html = row_cache.rows_html(
        rows,
        shown=("cloud",) if len(fresh.clouds) > 1 else (),
        out_of_band=out_of_band,
        template="handover/_card.html",
    )
    return row_cache.text_of(html)


def _timeline(
    board: selectors.Board, query: DueQuery, *, out_of_band: bool = False
) -> str:
    """Render the timeline, once for everyone who sees the same."""
    reader = (
        get_language(),
        timezone.get_current_timezone_name(),
        timezone.localdate(),
    )
    return _timelines.get_or_compute(
        (board.timeline.layout, query.kept.urlencode(), out_of_band, *reader),
        lambda: render_to_string(
            "handover/_timeline.html",
            {
                "timeline": board.timeline,
                "drawn": [
                    (group, _columns(number, group, query, reader))
                    for number, group in enumerate(board.timeline.drawn, 1)
                ],
                "rows": _rows(board.timeline, reader),
                "query": query,
                "groups": DueForm.GROUPS,
                "oob": out_of_band,
            },
        ),
    )


def _columns(
    number: int, group: Group, query: DueQuery, reader: tuple[Hashable, ...]
) -> SafeString:
    """Render the columns of a group; a change of a run changes few of them."""
    filters = str(query.filters)
    return _joined(
        _part(
            "column",
            {"number": number, "group": group, "column": column, "query": query}
            | {"is_first": is_first},
            (number, group.label, group.grouped_by, column, is_first, filters, reader),
        )
        for column in group.columns
        for is_first in [number == 1 and column is group.columns[0]]
    )


def _rows(timeline: Timeline, reader: tuple[Hashable, ...]) -> SafeString:
    """Render the rows of the table."""
    has_idle = timeline.has_idle
    return _joined(
        _part(
            "row",
            {"group": group, "has_idle": has_idle},
            (group.label, str(group.numbers), group.first_stop, has_idle, reader),
        )
        for group in timeline.groups
    )


def _part(name: str, context: dict[str, Any], key: tuple[Hashable, ...]) -> str:
    return _parts.get_or_compute(
        (name, *key),
        lambda: render_to_string(f"handover/_timeline.html#{name}", context),
    )


def _joined(parts: Iterable[str]) -> SafeString:
    return mark_safe("".join(parts))  # noqa: S308  (output of a template)
