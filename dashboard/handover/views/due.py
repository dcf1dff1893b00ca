from collections.abc import Hashable, Iterable
from datetime import timedelta
from typing import Any, NamedTuple

from django.http import HttpResponse, HttpResponseBadRequest
from django.shortcuts import render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language, override
from django.views.decorators.http import require_safe
from django_htmx.http import HttpResponseClientRefresh

from dashboard.accounts.http import SignedInRequest
from dashboard.accounts.models import User
from dashboard.accounts.permissions import edit_scope, fleet_scope
from dashboard.handover import selectors
from dashboard.handover.filters import DueForm, DuePollForm, DueQuery
from dashboard.handover.timeline import Group, Timeline
from dashboard.instances import filter_widgets, row_cache
from dashboard.instances.listing import facets, pause_seconds
from dashboard.instances.models import FleetVersion
from dashboard.instances.run_state import late_after
from dashboard.instances.selectors import (
    Freshness,
    Row,
    freshness,
    publish_fleet_state,
)
from dashboard.livepoll import state
from dashboard.livepoll.changes import Elsewhere
from dashboard.livepoll.pages import (
    NEVER_READ,
    layout_hash,
    not_modified,
    poller,
    shown_page,
)
from dashboard.livepoll.state import FleetState
from dashboard.livepoll.token import SharedPage, page_key
from dashboard.web.process_cache import ProcessCache
from dashboard.web.shared_html import SharedHtml

PLACE = filter_widgets.Place(
    "handover:due", "#board", "#troubles,#chips", absent=("status",)
)

_late = SharedHtml("handover/due.html#late")
_numbers = SharedHtml("handover/due.html#numbers")
_lane_heads = SharedHtml("handover/due.html#lane_head")
_timelines = ProcessCache(max_size=64, seconds=600)
# Parts of timelines.
_parts = ProcessCache(max_size=4_096, seconds=600)


@require_safe
def due(request: SignedInRequest) -> HttpResponse:
    """Show the page; it ignores invalid parameters and lists them."""
    # Read before the rows: a change in between is then sent twice, never missed.
    shown = _shown_to(request.user, DueQuery(request.GET), FleetVersion.current())
    context = _context(request, shown)
    query = shown.query
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
        page = shown_page(request)
        return not_modified(fleet, request, until_ms=params["until"], page=page)
    shown = _shown_to(request.user, DueQuery(request.GET), version)
    board, fresh = shown.board, shown.freshness
    if shown.page == shown_page(request):
        fleet, until_ms = FleetState(version, fresh.read_at_ms), board.changes_at_ms
        return not_modified(fleet, request, until_ms=until_ms, page=shown.page)
    if params["layout"] == NEVER_READ and not fresh.never_read:
        return HttpResponseClientRefresh()
    context = _context(request, shown, out_of_band=True)
    context["whole"] = form.needs_all_rows(version=version, layout=context["layout"])
    changed = [row for row in board.cards if row.instance.version > params["since"]]
    context["changed"] = _cards(changed, fresh, out_of_band=True)
    context["redrawn"] = params["timeline"] != board.timeline.layout
    context["timeline"] = _timeline(board, context["query"], out_of_band=True)
    return render(request, "handover/due.html#changes", context)


class _Shown(NamedTuple):
    """What the page shows at a fleet version."""

    version: int
    query: DueQuery
    board: selectors.Board
    freshness: Freshness
    page: SharedPage


def _shown_to(user: User, query: DueQuery, version: int) -> _Shown:
    """Read what the page shows, publish it for polls, and keep how to read it again."""
    now, zone = timezone.now(), timezone.get_current_timezone()
    language = get_language()
    board = selectors.board(query, user=user, version=version, now=now)
    fresh, instances = freshness(now), query.instances
    key = page_key(
        *("due", fleet_scope(user), edit_scope(user), str(zone), language),
        *(instances.seen_by(user).narrowed, query.group),
    )
    versions = [row.instance.version for row in board.cards]
    digest = layout_hash(
        (
            *(board.layout, board.timeline.layout, board.changes_at_ms, versions),
            fresh.signature,
        )
    )
    page = SharedPage(key, digest)
    state.put_page(
        page,
        version,
        instance_pks=board.instance_pks,
        elsewhere=Elsewhere.LISTED if instances.is_plain else Elsewhere.ALL,
        pause_seconds=pause_seconds(),
    )

    def read(version: int) -> SharedPage:
        with timezone.override(zone), override(language):
            return _shown_to(user, query, version).page

    state.keep_reader(key, read)
    return _Shown(version, query, board, fresh, page)


def _context(
    request: SignedInRequest, shown: _Shown, *, out_of_band: bool = False
) -> dict[str, Any]:
    query, board, fresh = shown.query, shown.board, shown.freshness
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
        "version": shown.version,
        "layout": layout,
        "poller": poller(
            request,
            reverse("handover:due_changes"),
            query.instances.lists
            | query.others
            | {
                "since": shown.version,
                "until": board.changes_at_ms,
                "layout": layout,
                "timeline": board.timeline.layout,
            },
            version=shown.version,
            interval_seconds=2 if fresh.never_read else board.interval_seconds,
            until_ms=board.changes_at_ms,
            page=shown.page,
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
                "grid": _grid(board.timeline, reader),
                "drawn": [
                    (
                        group,
                        _group_head(number, group, board.timeline, query, reader),
                        _columns(number, group, query, reader),
                    )
                    for number, group in enumerate(board.timeline.drawn, 1)
                ],
                "rows": _rows(board.timeline, reader),
                "query": query,
                "groups": DueForm.GROUPS,
                "oob": out_of_band,
            },
        ),
    )


def _grid(timeline: Timeline, reader: tuple[Hashable, ...]) -> str:
    """Render the hours and the line of "now"."""
    ticks, now_x = tuple(timeline.ticks), timeline.now_x
    return _part("grid", {"ticks": ticks, "now_x": now_x}, (ticks, now_x, reader))


def _group_head(
    number: int,
    group: Group,
    timeline: Timeline,
    query: DueQuery,
    reader: tuple[Hashable, ...],
) -> str:
    is_counted = timeline.is_counted
    return _part(
        "group_head",
        {"number": number, "group": group, "query": query, "is_counted": is_counted},
        (
            *(number, group.label, group.grouped_by, group.total, group.never),
            *(group.idle, is_counted, str(query.filters), reader),
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
