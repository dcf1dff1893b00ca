from typing import Any

from django.http import HttpResponse, HttpResponseBadRequest
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe
from django_htmx.http import HttpResponseClientRefresh

from dashboard.accounts.http import SignedInRequest
from dashboard.handover import selectors
from dashboard.handover.filters import DueForm, DueQuery, PollForm
from dashboard.instances import countdown, polling
from dashboard.instances.listing import facets
from dashboard.instances.models import FleetVersion
from dashboard.instances.selectors import freshness
from dashboard.livepoll import state

FIRST_RUN = "nothing"
"""``shown`` of the page that replaces the board until a cloud was read."""


@require_safe
def due(request: SignedInRequest) -> HttpResponse:
    """Show the page; it reports invalid parameters and ignores them."""
    context = _context(request, DueQuery(request.GET))
    context["facets"] = facets(request.user, version=context["version"])
    return render(request, "handover/due.html", context)


@require_safe
def due_changes(request: SignedInRequest) -> HttpResponse:
    """Return what changed since the caller's last poll.

    Returns:
        200 with ``handover/due.html#changes``; 204 when nothing changed and no run
        moved to another bucket, with the mirror's age in ``HX-Trigger``; 400 for an
        invalid ``since`` or ``turn``.
    """
    form = PollForm(request.GET)
    if not form.is_valid():
        return HttpResponseBadRequest()
    params = form.cleaned_data
    since, changes_at_ms = params["since"], params["turn"] or 0
    now = timezone.now()
    if since == FleetVersion.current() and countdown.unix_ms(now) < changes_at_ms:
        fresh = freshness(now)
        # The next polls are answered without this view.
        state.put(since, fresh.read_at_ms)
        return polling.unchanged(
            request, version=since, as_of_ms=fresh.as_of_ms, until_ms=changes_at_ms
        )
    context = _context(request, DueQuery(request.GET))
    if params["shown"] == FIRST_RUN and not context["freshness"].never_read:
        return HttpResponseClientRefresh()
    # A version from the future is of another database: redraw everything.
    context["whole"] = params["shown"] != context["shown"] or since > context["version"]
    context["changed"] = [
        row for row in context["board"].cards if row.instance.version > since
    ]
    context["redrawn"] = params["drawn"] != context["board"].timeline.digest
    return render(request, "handover/due.html#changes", context)


def _context(request: SignedInRequest, query: DueQuery) -> dict[str, Any]:
    now = timezone.now()
    # Read before the rows: a change in between is then sent twice, never missed.
    version = FleetVersion.current()
    board = selectors.board(query, user=request.user, now=now)
    fresh = freshness(now)
    shown_hash = FIRST_RUN if fresh.never_read else board.shown
    asks = query.kept.copy()
    asks.update(
        {
            "since": str(version),
            "turn": str(board.changes_at_ms),
            "shown": shown_hash,
            "drawn": board.timeline.digest,
        }
    )
    return {
        "query": query,
        "groups": DueForm.GROUPS,
        "board": board,
        "version": version,
        "shown": shown_hash,
        "poller": polling.poller(
            request,
            f"{reverse('handover:due_changes')}?{asks.urlencode()}",
            version=version,
            interval_seconds=2 if fresh.never_read else board.interval_seconds,
            until_ms=board.changes_at_ms,
        ),
        "freshness": fresh,
    }
