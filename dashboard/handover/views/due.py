from typing import Any

from django.http import HttpResponse, HttpResponseBadRequest
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe
from django_htmx.http import HttpResponseClientRefresh

from dashboard.accounts.http import SignedInRequest
from dashboard.handover import selectors
from dashboard.handover.filters import DueForm, DuePollForm, DueQuery
from dashboard.instances.listing import facets
from dashboard.instances.models import FleetVersion
from dashboard.instances.selectors import freshness, publish_fleet_state
from dashboard.livepoll.pages import FIRST_RUN, not_modified, poller


@require_safe
def due(request: SignedInRequest) -> HttpResponse:
    """Show the page; it reports invalid parameters and ignores them."""
    context = _context(request, DueQuery(request.GET))
    context["facets"] = facets(request.user, version=context["version"])
    return render(request, "handover/due.html", context)


@require_safe
def due_changes(request: SignedInRequest) -> HttpResponse:
    """Return what changed since the caller's last poll.

    Query parameters:
        The page's own, and those of ``DuePollForm``.

    Returns:
        200 with ``handover/due.html#changes``; 204 when nothing changed and no run
        moved to another bucket, with the mirror's age in ``HX-Trigger``; 400 for an
        invalid ``since`` or ``until``.
    """
    form = DuePollForm(request.GET)
    if not form.is_valid():
        return HttpResponseBadRequest()
    params, version = form.cleaned_data, FleetVersion.current()
    if form.is_current(version):
        fleet = publish_fleet_state(version)
        return not_modified(fleet, request, until_ms=params["until"])
    context = _context(request, DueQuery(request.GET))
    if params["layout"] == FIRST_RUN and not context["freshness"].never_read:
        return HttpResponseClientRefresh()
    context["whole"] = form.needs_all_rows(
        version=context["version"], layout=context["layout"]
    )
    context["changed"] = [
        row for row in context["board"].cards if row.instance.version > params["since"]
    ]
    context["redrawn"] = params["timeline"] != context["board"].timeline.layout
    return render(request, "handover/due.html#changes", context)


def _context(request: SignedInRequest, query: DueQuery) -> dict[str, Any]:
    now = timezone.now()
    # Read before the rows: a change in between is then sent twice, never missed.
    version = FleetVersion.current()
    board = selectors.board(query, user=request.user, now=now)
    fresh = freshness(now)
    layout = FIRST_RUN if fresh.never_read else board.layout
    return {
        "query": query,
        "groups": DueForm.GROUPS,
        "board": board,
        "version": version,
        "layout": layout,
        "poller": poller(
            request,
            reverse("handover:due_changes"),
            query.kept.dict()
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
