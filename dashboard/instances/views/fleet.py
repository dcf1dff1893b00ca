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
"""Header of a poll whose rows must stay where they are: ``ListPollForm.held``. Not in
the address, to which the poller's poll_token is bound."""


@require_safe
def fleet(request: SignedInRequest) -> HttpResponse:
    """The list.

    Query parameters:
        See ``filters``; what makes no sense is ignored, and the page says so.
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
    """Fragment: what changed in the list since the caller's last poll.

    Query parameters:
        The list's own, and those of ``PollForm``. Without ``layout`` all rows are sent.

    Returns:
        200 with ``instances/list.html#changes``: rows that changed, or all of them when
        others or another order stand there now, unless the header ``Curfew-Held-Rows``
        holds their order. 204 when nothing changed, with the
        mirror's age in ``HX-Trigger``; 400 for a ``since`` that makes no sense.
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
    # A version from the future is of another database: nothing of it can be trusted.
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
    # Without the request: nothing of a page's frame is drawn here.
    return HttpResponse(render_to_string("instances/list.html#changes", context))


@require_safe
def countdown_fragment(
    request: SignedInRequest, cloud: str, instance_id: str
) -> HttpResponse:
    """Fragment: both clocks of one instance; 404 when it is not there to be seen."""
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
    # The version from before the rows: what changes in between is then sent twice, but
    # never missed.
    now = timezone.now()
    fleet = listing.fleet_page(query, user=request.user, version=version, now=now)
    freshness = selectors.freshness(now)
    within = query.without(*filter_widgets.QUICK)
    numbers = listing.counters(request.user, version=version, within=within)
    drawn = [row_ref.pk for row_ref in fleet.row_refs]
    layout = FIRST_RUN if freshness.never_read else layout_hash(held or drawn)
    url, params = reverse("instances:changes"), query.kept.dict()
    return {
        "query": query,
        "version": version,
        "fleet": fleet,
        "moved": listing.moved(held, drawn) if held else 0,
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
