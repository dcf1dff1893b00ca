"""The list of instances, its poll, and one instance's countdown."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from django.http import HttpResponse, HttpResponseBadRequest
from django.shortcuts import get_object_or_404, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.views.decorators.http import require_safe
from django_htmx.http import HttpResponseClientRefresh

from dashboard.accounts.http import SignedInRequest
from dashboard.accounts.permissions import can_bulk
from dashboard.instances import (
    countdown,
    filter_widgets,
    listing,
    prices,
    row_cache,
    selectors,
)
from dashboard.instances.display import display_of
from dashboard.instances.filters import ListPollForm, ListQuery
from dashboard.instances.models import FleetVersion, Instance
from dashboard.livepoll.pages import NEVER_READ, layout_hash, not_modified, poller

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


@require_safe
def fleet(request: SignedInRequest) -> HttpResponse:
    """Show the list.

    Query parameters:
        See ``filters``; the page names those that it ignores as unsupported.
    """
    query, version = ListQuery.of(request.GET), FleetVersion.current()
    context = _context(request, query, version)
    context["rows"] = _html(context["fleet"].row_refs, request, context)
    facets = listing.facets(request.user, version=version)
    context["filters"] = row_cache.filters_html(facets, query)
    return render(request, "instances/list.html", context)


@require_safe
def changes(request: SignedInRequest) -> HttpResponse:
    """Answer a poll of the list with what changed since the last one.

    Query parameters:
        The list's own, and those of ``PollForm``. Without ``layout`` all rows are sent.

    Returns:
        200 with ``instances/list.html#changes``: the rows that changed, with the moves
        in ``Curfew-Row-Moves`` unless ``Curfew-Pinned-Rows`` keeps the order; all rows
        when it is not known which ones the page has; a refresh by htmx when the columns
        changed. 204 with the mirror's age in ``HX-Trigger`` when nothing changed; 400
        for an invalid ``since``.
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
        return not_modified(selectors.publish_fleet_state(version), request)
    query = ListQuery.of(request.GET)
    # A version from the future comes from another database: its rows mean nothing.
    pinned = form.cleaned_data["pinned"] if since <= version else []
    context = _context(request, query, version, out_of_band=True, pinned=pinned)
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


def _context(
    request: SignedInRequest,
    query: ListQuery,
    version: int,
    *,
    out_of_band: bool = False,
    pinned: Sequence[int] = (),
) -> dict[str, Any]:
    # The version was read before the rows: a change in between is sent twice, never
    # missed.
    now = timezone.now()
    display = display_of.get()(request.user)
    fleet = listing.fleet_page(
        query, user=request.user, version=version, now=now, group=display.group
    )
    freshness = selectors.freshness(now)
    within = query.without(*filter_widgets.QUICK)
    numbers = listing.counters(request.user, version=version, within=within)
    generations = listing.generations(request.user, version=version)
    shown = filter_widgets.shown_parts(
        display, clouds=len(freshness.clouds), generations=len(generations)
    )
    columns = filter_widgets.columns(query, shown)
    heads = _group_heads(fleet, display.group, len(columns) + 1)
    names = [
        name
        for row_ref in fleet.row_refs
        for name in (_name(heads.get(row_ref.pk)), str(row_ref.pk))
        if name
    ]
    order = layout_hash([*pinned] or names)
    # After a change of the prices all rows look different.
    look = ""
    if "price" in shown:
        look = f".{layout_hash(prices.current.get()().signature)}"
    layout = NEVER_READ if freshness.never_read else f"{order}{look}"
    url = reverse("instances:changes")
    params: dict[str, object] = {
        **query.lists,
        "since": version,
        "columns": ",".join(shown),
    }
    out_of_order = params | {"layout": f"{OUT_OF_ORDER}{look}"}
    return {
        "query": query,
        "has_no_owner": query.asks_for_own and not request.user.cloud_identifiers,
        "display": display,
        "fleet": fleet,
        "heads": heads,
        "names": names,
        "moved": _moved(pinned, fleet) if pinned else 0,
        "order_url": f"{url}?{urlencode(out_of_order, doseq=True)}",
        "shown": shown,
        "columns": columns,
        "layout": layout,
        "poller": poller(
            request,
            url,
            params | {"layout": layout},
            version=version,
            interval_seconds=2 if freshness.never_read else fleet.interval_seconds,
        ),
        "around": row_cache.around_html(
            numbers,
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


def _moved(pinned: Sequence[int], fleet: listing.FleetPage) -> int:
    return listing.moved(pinned, [row_ref.pk for row_ref in fleet.row_refs])


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
