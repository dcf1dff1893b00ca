"""The list of instances, its poll, and one instance's countdown."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from django.http import HttpResponse, HttpResponseBadRequest
from django.shortcuts import get_object_or_404, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe
from django_htmx.http import HttpResponseClientRefresh

from dashboard.accounts.http import SignedInRequest
from dashboard.accounts.permissions import can_bulk
from dashboard.instances import (
    countdown,
    filter_widgets,
    listing,
    row_cache,
    selectors,
)
from dashboard.instances.filters import ListPollForm, ListQuery
from dashboard.instances.models import FleetVersion, Instance
from dashboard.livepoll.pages import FIRST_RUN, layout_hash, not_modified, poller

HELD_ROWS = "Curfew-Held-Rows"
"""Header of a poll whose rows must keep their order: ``ListPollForm.held``. It is no
query parameter, because the poll token is bound to the URL."""


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
    context["counters"] = filter_widgets.quick_filters(context["numbers"], query)
    context["columns"] = filter_widgets.columns(query)
    context["filters"] = row_cache.filters_html(facets, query)
    return render(request, "instances/list.html", context)


@require_safe
def changes(request: SignedInRequest) -> HttpResponse:
    """Answer a poll of the list with what changed since the last one.

    Query parameters:
        The list's own, and those of ``PollForm``. Without ``layout`` all rows are sent.

    Returns:
        200 with ``instances/list.html#changes``: the rows that changed, or all rows
        when their selection or order changed, unless ``Curfew-Held-Rows`` keeps the
        order. 204 with the mirror's age in ``HX-Trigger`` when nothing changed; 400 for
        an invalid ``since``.
    """
    form = ListPollForm(
        {**request.GET.dict(), "held": request.headers.get(HELD_ROWS, "")}
    )
    if not form.is_valid():
        return HttpResponseBadRequest()
    version, since = FleetVersion.current(), form.cleaned_data["since"]
    if form.is_current(version):
        return not_modified(selectors.publish_fleet_state(version), request)
    query = ListQuery.of(request.GET)
    # A version from the future comes from another database: its rows mean nothing.
    held = form.cleaned_data["held"] if since <= version else []
    context = _context(request, query, version, held=held)
    is_first_run = form.cleaned_data["layout"] == FIRST_RUN
    if is_first_run and not context["freshness"].never_read:
        return HttpResponseClientRefresh()
    fleet = context["fleet"]
    context["whole"] = not held and form.needs_all_rows(
        version=version, layout=context["layout"]
    )
    if context["whole"]:
        context["rows"] = _html(fleet.row_refs, request, context)
    else:
        row_refs = (
            listing.row_refs_of(held, user=request.user) if held else fleet.row_refs
        )
        changed = [row_ref for row_ref in row_refs if row_ref.version > since]
        context["changed"] = _html(changed, request, context, out_of_band=True)
    context["around"] = row_cache.around_html(
        context["numbers"], query, fleet, may_bulk=can_bulk(request.user)
    )
    # Without the request, because the fragment has nothing of the page's frame.
    return HttpResponse(render_to_string("instances/list.html#changes", context))


@require_safe
def countdown_fragment(
    request: SignedInRequest, cloud: str, instance_id: str
) -> HttpResponse:
    """Return this run and next run of an instance; 404 when it is not visible."""
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
    held: list[int] | None = None,
) -> dict[str, Any]:
    # The version was read before the rows: a change in between is sent twice, never
    # missed.
    now = timezone.now()
    fleet = listing.fleet_page(query, user=request.user, version=version, now=now)
    freshness = selectors.freshness(now)
    within = query.without(*filter_widgets.QUICK)
    numbers = listing.counters(request.user, version=version, within=within)
    order = [row_ref.pk for row_ref in fleet.row_refs]
    layout = FIRST_RUN if freshness.never_read else layout_hash(held or order)
    url, params = reverse("instances:changes"), query.kept.dict()
    return {
        "query": query,
        "version": version,
        "fleet": fleet,
        "moved": listing.moved(held, order) if held else 0,
        "all_rows_url": f"{url}?{urlencode(params | {'since': 0})}",
        "layout": layout,
        "poller": poller(
            request,
            url,
            params | {"since": version, "layout": layout},
            version=version,
            interval_seconds=2 if freshness.never_read else fleet.interval_seconds,
        ),
        "numbers": numbers,
        "freshness": freshness,
    }


def _html(
    row_refs: Sequence[listing.RowRef],
    request: SignedInRequest,
    context: dict[str, Any],
    *,
    out_of_band: bool = False,
) -> str:
    freshness = context["freshness"]
    return row_cache.rows_html(
        listing.rows_at(row_refs, user=request.user, now=freshness.now),
        shows_cloud=len(freshness.clouds) > 1,
        out_of_band=out_of_band,
    )
