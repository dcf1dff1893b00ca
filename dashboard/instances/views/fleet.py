"""The list of instances, its poll, and one instance's countdown."""

import secrets
from collections.abc import Sequence
from typing import Any, NamedTuple
from urllib.parse import urlencode

from django.http import HttpResponse, HttpResponseBadRequest
from django.shortcuts import get_object_or_404, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import get_language, override
from django.views.decorators.http import require_safe
from django_htmx.http import HttpResponseClientRefresh

from dashboard.accounts.http import SignedInRequest
from dashboard.accounts.models import User
from dashboard.accounts.permissions import can_bulk, fleet_scope
from dashboard.instances import (
    countdown,
    filter_widgets,
    listing,
    prices,
    row_cache,
    selectors,
)
from dashboard.instances.display import Display, display_of
from dashboard.instances.filters import ListPollForm, ListQuery
from dashboard.instances.models import FleetVersion, Instance
from dashboard.livepoll import state
from dashboard.livepoll.pages import (
    NEVER_READ,
    layout_hash,
    not_modified,
    poller,
    shown_page,
)
from dashboard.livepoll.state import FleetState
from dashboard.livepoll.token import ALONE, SharedPage, page_key

PINNED_ROWS = "Curfew-Pinned-Rows"
"""Header of a poll whose rows must keep their order: ``ListPollForm.pinned``. It is no
query parameter, because the poll token is bound to the URL."""

DISPLAYED_ROWS = "Curfew-Displayed-Rows"
"""Header of a poll whose rows may move: ``ListPollForm.displayed``."""

ROW_MOVES = "Curfew-Row-Moves"
"""Header of the answer: ``listing.moves``, with commas. ``static/list.js`` carries them
out before the rows that changed are swapped in."""

OUT_OF_ORDER = "moved"
"""``layout`` of a page whose rows are up to date, but kept their order until now."""

_ROWS = SafeString(f"<!-- {secrets.token_hex()} -->")
"""Stands for the rows while the template is rendered, which joins all that it has
rendered so far at each of its levels: a tenth of the page's CPU. Nobody can put it into
a name or a URL."""


@require_safe
def fleet(request: SignedInRequest) -> HttpResponse:
    """Show the list.

    Query parameters:
        See ``filters``; the page names those that it ignores as unsupported.
    """
    query, version = ListQuery.of(request.GET), FleetVersion.current()
    context = _context(request, _shown_to(request, query, version))
    rows = _html(context["fleet"].row_refs, request, context)
    context["rows"] = rows and _ROWS
    facets = listing.facets(request.user, version=version)
    context["filters"] = row_cache.filters_html(facets, query)
    response = render(request, "instances/list.html", context)
    response.content = response.content.replace(_ROWS.encode(), rows.encode(), 1)
    return response


@require_safe
def changes(request: SignedInRequest) -> HttpResponse:
    """Answer a poll of the list with what changed since the last one.

    Query parameters:
        The list's own, and those of ``PollForm``. Without ``layout`` all rows are sent.

    Returns:
        200 with ``instances/list.html#changes``: the rows that changed, with the moves
        in ``Curfew-Row-Moves`` unless ``Curfew-Pinned-Rows`` keeps the order; all rows
        when it is not known which ones the page has; a refresh by htmx when the columns
        changed. 204 with the mirror's age in ``HX-Trigger`` when nothing on the page
        changed; 400 for an invalid ``since``.
    """
    form = ListPollForm(
        {
            **request.GET.dict(),
            "pinned": request.headers.get(PINNED_ROWS, ""),
            "displayed": request.headers.get(DISPLAYED_ROWS, ""),
        }
    )
    if not form.is_valid():
        return HttpResponseBadRequest()
    version, since = FleetVersion.current(), form.cleaned_data["since"]
    is_out_of_order = form.cleaned_data["layout"].startswith(OUT_OF_ORDER)
    if form.is_current(version) and not is_out_of_order:
        fleet = selectors.publish_fleet_state(version)
        return not_modified(fleet, request, page=shown_page(request))
    # A version from the future comes from another database: its rows mean nothing.
    pinned = form.cleaned_data["pinned"] if since <= version else []
    shown = _shown_to(request, ListQuery.of(request.GET), version)
    fleet = FleetState(version, shown.freshness.read_at_ms)
    # With news, too: the sweep may be late while the workers are busy.
    state.put(fleet.version, fleet.read_at_ms)
    state.put_page(shown.page, version)
    is_in_order = form.cleaned_data["displayed"] in ([], shown.names)
    if shown.page == shown_page(request) and is_in_order:
        return not_modified(fleet, request, page=shown.page)
    context = _context(request, shown, out_of_band=True, pinned=pinned)
    was_never_read = form.cleaned_data["layout"] == NEVER_READ
    if was_never_read and not context["freshness"].never_read:
        return HttpResponseClientRefresh()
    columns = form.cleaned_data["columns"]
    if (columns or form.cleaned_data["layout"]) and (
        columns != ",".join(context["shown"])
    ):
        return HttpResponseClientRefresh()  # for the heads of other columns
    row_refs = context["fleet"].row_refs
    displayed = _displayed(form, context, version)
    known = {*displayed}
    moves = listing.moves(displayed, context["names"]) if displayed else []
    context["whole"] = (
        not pinned
        and not displayed
        and form.needs_all_rows(version=version, layout=context["layout"])
    )
    if context["whole"]:
        context["rows"] = _html(row_refs, request, context)
    else:
        if pinned:
            row_refs = listing.row_refs_of(pinned, user=request.user)
        news = [
            row_ref
            for row_ref in row_refs
            if row_ref.version > since or (known and str(row_ref.pk) not in known)
        ]
        heads = [
            head
            for head in context["heads"].values()
            if known and _name(head) not in known
        ]
        context["changed"] = row_cache.new_heads_html(heads) + _html(
            news, request, context, out_of_band=True
        )
    # Without the request, because the fragment has nothing of the page's frame.
    response = HttpResponse(render_to_string("instances/list.html#changes", context))
    if moves:
        response.headers[ROW_MOVES] = ",".join(moves)
    return response


def _displayed(form: ListPollForm, context: dict[str, Any], version: int) -> list[str]:
    """Return the rows that the page has, in their order.

    Empty when that is unknown, or when the page needs all rows.
    """
    params = form.cleaned_data
    displayed = list(dict.fromkeys(params["displayed"]))
    look = params["layout"].partition(".")[2]
    if (
        params["pinned"]
        or params["since"] > version  # of another database
        or look != context["layout"].partition(".")[2]
        or {*displayed}.isdisjoint(context["names"])
    ):
        return []
    return displayed


@require_safe
def countdown_fragment(
    request: SignedInRequest, cloud: str, instance_id: str
) -> HttpResponse:
    """Return this run and next run of an instance; 404 when it is not visible.

    Curfew's own pages do not request it. It is part of the public contract, for other
    sites and scripts.
    """
    instance = get_object_or_404(
        Instance.objects.visible_to(request.user).select_related("cloud"),
        cloud__name=cloud,
        instance_id=instance_id,
    )
    context = {
        "instance": instance,
        "this_run": countdown.this_run(instance, timezone.now()),
        "next_run": countdown.next_run(instance),
    }
    return render(request, "instances/_countdown.html", context)


class _Shown(NamedTuple):
    """What the page shows at a fleet version, without the content of its rows.

    Attributes:
        numbers: Of the quick filters.
        parts: ``filter_widgets.shown_parts``.
        heads: By key of an instance, the head of the group that begins with it.
        names: Heads and rows, as in ``ListPollForm.displayed``.
        look: Differs when all rows look different, as after a change of the prices.
        page: Its digest is of all of this, and of the rows' versions.
    """

    query: ListQuery
    version: int
    display: Display
    fleet: listing.FleetPage
    freshness: selectors.Freshness
    numbers: listing.Counters
    parts: tuple[str, ...]
    columns: list[filter_widgets.Column]
    heads: dict[int, row_cache.GroupHead]
    names: list[str]
    look: str
    page: SharedPage


def _shown_to(request: SignedInRequest, query: ListQuery, version: int) -> _Shown:
    """Return what the page shows, and keep how to look again for its next polls."""
    user, display, language = (
        request.user,
        display_of.get()(request.user),
        get_language(),
    )

    def read() -> tuple[int, SharedPage]:
        version = FleetVersion.current()
        with override(language):
            return version, _shown(user, query, display, version).page

    shown = _shown(user, query, display, version)
    state.keep_reader(shown.page.key, read)
    return shown


def _shown(user: User, query: ListQuery, display: Display, version: int) -> _Shown:
    # The version was read before the rows: a change in between is sent twice, never
    # missed.
    now = timezone.now()
    within = query.without(*filter_widgets.QUICK)
    numbers = listing.counters(user, version=version, within=within)
    fleet = listing.fleet_page(
        query, user=user, version=version, now=now, group=display.group
    )
    freshness = selectors.freshness(now)
    generations = listing.generations(user, version=version)
    parts = filter_widgets.shown_parts(
        display, clouds=len(freshness.clouds), generations=len(generations)
    )
    columns = filter_widgets.columns(query, parts)
    heads = _group_heads(fleet, display.group, len(columns) + 1)
    names = [
        name
        for row_ref in fleet.row_refs
        for name in (_name(heads.get(row_ref.pk)), str(row_ref.pk))
        if name
    ]
    priced = prices.current.get()().signature if "price" in parts else ()
    seen = query.seen_by(user)
    key = page_key(
        *("list", fleet_scope(user), seen.narrowed, query.sort, query.per_page),
        *(query.page, sorted(display.hidden), display.group, get_language()),
    )
    digest = layout_hash(
        (
            *(names, [row_ref.version for row_ref in fleet.row_refs]),
            *(fleet.page.paginator.count, fleet.page.number, fleet.interval_seconds),
            *(numbers, parts, priced, freshness.signature),
        )
    )
    return _Shown(
        query=query,
        version=version,
        display=display,
        fleet=fleet,
        freshness=freshness,
        numbers=numbers,
        parts=parts,
        columns=columns,
        heads=heads,
        names=names,
        look=f".{layout_hash(priced)}" if priced else "",
        page=SharedPage(key, digest),
    )


def _context(
    request: SignedInRequest,
    shown: _Shown,
    *,
    out_of_band: bool = False,
    pinned: Sequence[int] = (),
) -> dict[str, Any]:
    query, fleet, freshness = shown.query, shown.fleet, shown.freshness
    moved = 0
    if pinned:
        moved = listing.moved(pinned, [row_ref.pk for row_ref in fleet.row_refs])
    layout = f"{layout_hash([*pinned] or shown.names)}{shown.look}"
    if freshness.never_read:
        layout = NEVER_READ
    url = reverse("instances:changes")
    params: dict[str, object] = {
        **query.lists,
        "since": shown.version,
        "columns": ",".join(shown.parts),
    }
    out_of_order = params | {"layout": f"{OUT_OF_ORDER}{shown.look}"}
    return {
        "query": query,
        "has_no_owner": query.asks_for_own and not request.user.cloud_identifiers,
        "display": shown.display,
        "fleet": fleet,
        "heads": shown.heads,
        "names": shown.names,
        "moved": moved,
        "order_url": f"{url}?{urlencode(out_of_order, doseq=True)}",
        "shown": shown.parts,
        "columns": shown.columns,
        "layout": layout,
        "poller": poller(
            request,
            url,
            params | {"layout": layout},
            version=shown.version,
            interval_seconds=2 if freshness.never_read else fleet.interval_seconds,
            # A page in an old order shows what no other page does.
            page=ALONE if moved else shown.page,
        ),
        "around": row_cache.around_html(
            shown.numbers,
            query,
            fleet,
            may_bulk=can_bulk(request.user),
            out_of_band=out_of_band,
        ),
        "oob": out_of_band,
        "freshness": freshness,
    }


def _html(
    row_refs: Sequence[listing.RowRef],
    request: SignedInRequest,
    context: dict[str, Any],
    *,
    out_of_band: bool = False,
) -> SafeString:
    freshness = context["freshness"]
    return row_cache.rows_html(
        listing.rows_at(row_refs, user=request.user, now=freshness.now),
        shown=context["shown"],
        heads={} if out_of_band else context["heads"],
        out_of_band=out_of_band,
    )


def _name(head: row_cache.GroupHead | None) -> str:
    """Return what a head is called in ``ListPollForm.displayed``; empty for None."""
    return f"g{head.key}" if head else ""


def _group_heads(
    fleet: listing.FleetPage, group: str, columns: int
) -> dict[int, row_cache.GroupHead]:
    """Return a head for the first row of each group, by key of its instance."""
    if not group:
        return {}
    firsts: dict[str, int] = {}
    for row_ref in fleet.row_refs:
        firsts.setdefault(row_ref.group, row_ref.pk)
    return {
        pk: row_cache.GroupHead(
            label=filter_widgets.group_label(group, value),
            number=fleet.groups.get(value, 0),
            columns=columns,
        )
        for value, pk in firsts.items()
    }
