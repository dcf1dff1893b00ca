"""The wallboard: read-only, for a screen that opens a signed link."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.cache import add_never_cache_headers
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe
from django_htmx.http import trigger_client_event

from dashboard.handover import wallboard_data, wallboard_services
from dashboard.handover.models import WallLink
from dashboard.instances.models import FleetVersion
from dashboard.instances.selectors import publish_fleet_state
from dashboard.livepoll import state
from dashboard.livepoll.pages import PollForm, not_modified, poll_interval, poller
from dashboard.web import limits
from dashboard.web.release import release_mark
from dashboard.web.time_zones import time_zone

SECRET = {
    # The URL is the key: it goes to no other site, no index and no cache.
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex, nofollow, noarchive",
}

Answer = Callable[[HttpRequest, WallLink], HttpResponse]


def _by_link(answer: Answer) -> Callable[[HttpRequest, str], HttpResponse]:
    """Pass the link of a token to a view, unless it is invalid or over its limit."""

    @wraps(answer)
    def view(request: HttpRequest, wall_token: str) -> HttpResponse:
        response = _opened(answer, request, wall_token)
        add_never_cache_headers(response)
        for name, value in SECRET.items():
            response.headers[name] = value
        return response

    # These views write nothing, so a CSRF token would protect nothing.
    return login_not_required(csrf_exempt(require_safe(view)))


def _opened(answer: Answer, request: HttpRequest, token: str) -> HttpResponse:
    link = wallboard_services.link_of(token)
    if link is None:
        return render(request, "handover/wall_gone.html", status=404)
    most = settings.CURFEW.wall_requests_per_minute
    if not limits.within([(limits.key("wall", f"of:{link.pk}"), most)]):
        seconds = limits.seconds_left()
        response = render(
            request, "handover/wall_busy.html", {"seconds": seconds}, status=429
        )
        response.headers["Retry-After"] = str(seconds)
        return response
    with timezone.override(time_zone(link.zone)):
        return answer(request, link)


@_by_link
def wall(request: HttpRequest, link: WallLink) -> HttpResponse:
    """Show the page; 404 without any data for an unknown or revoked link."""
    wallboard_services.record_visit(link)
    return render(request, "handover/wall.html", _context(request, link))


@_by_link
def wall_changes(request: HttpRequest, link: WallLink) -> HttpResponse:
    """Return what changed since the wall's last poll.

    Query parameters:
        See ``PollForm``.

    Returns:
        200 with ``handover/wall.html#changes``; 204 when nothing changed, with the
        mirror's age and the release in ``HX-Trigger``; 400 for invalid parameters; 404
        for a revoked link.
    """
    form = PollForm(request.GET)
    if not form.is_valid():
        return HttpResponseBadRequest()
    wallboard_services.record_visit(link)
    fleet = state.cache.read()
    version = fleet.version if fleet else FleetVersion.current()
    if form.is_current(version):
        fleet = fleet or publish_fleet_state(version)
        release = {"release": release_mark(link.name)}
        return trigger_client_event(not_modified(fleet), "curfew:release", release)
    context = _context(request, link)
    # The change may not be on this wall. The next poll starts from here.
    is_same = context["wall"].layout == form.cleaned_data["layout"]
    context["same"] = is_same and not form.is_past
    return render(request, "handover/wall.html#changes", context)


def _context(request: HttpRequest, link: WallLink) -> dict[str, Any]:
    # Read before the rows: a change in between is then sent twice, never missed.
    version = FleetVersion.current()
    now = timezone.now()
    board = wallboard_data.wall(link, now)
    return {
        "link": link,
        "wall": board,
        "freshness": board.freshness,
        "now": now,
        "release": release_mark(link.name),
        "poller": poller(
            request,
            reverse("handover:wall_changes", args=[wallboard_services.token(link)]),
            {"since": version, "until": board.changes_at_ms, "layout": board.layout},
            interval_seconds=poll_interval(),
        ),
        "same": False,
    }
