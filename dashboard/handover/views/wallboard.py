"""The wallboard: read-only, by a signed link, for a screen without sign-in."""

import json
import zoneinfo
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

from dashboard.handover import wallboard_data, wallboard_services
from dashboard.handover.forms import WallPollForm
from dashboard.handover.models import WallLink
from dashboard.instances.models import FleetVersion
from dashboard.instances.selectors import freshness
from dashboard.livepoll import shortcut, state
from dashboard.web import limits
from dashboard.web.release import release_mark

POLL_SECONDS = 5
SECRET = {
    # The URL is the key: it goes to no other site, no index and no cache.
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex, nofollow, noarchive",
}

Answer = Callable[[HttpRequest, WallLink], HttpResponse]


def _by_link(answer: Answer) -> Callable[[HttpRequest, str], HttpResponse]:
    """Open the link within its rate limit, or show that it is invalid."""

    @wraps(answer)
    def view(request: HttpRequest, wall_token: str) -> HttpResponse:
        response = _opened(answer, request, wall_token)
        add_never_cache_headers(response)
        for name, value in SECRET.items():
            response.headers[name] = value
        return response

    # Nothing is written here, so a CSRF token would protect nothing.
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
    with timezone.override(_zone(link)):
        return answer(request, link)


@_by_link
def wall(request: HttpRequest, link: WallLink) -> HttpResponse:
    """Show the page; 404 without any data for an unknown or revoked link."""
    wallboard_services.note_seen(link)
    return render(request, "handover/wall.html", _context(link))


@_by_link
def wall_changes(request: HttpRequest, link: WallLink) -> HttpResponse:
    """Return what changed since the wall's last poll.

    Returns:
        200 with ``handover/wall.html#changes``; 204 when nothing changed, with the
        mirror's age and the release in ``HX-Trigger``; 400 for invalid parameters; 404
        for a revoked link.
    """
    form = WallPollForm(request.GET)
    if not form.is_valid():
        return HttpResponseBadRequest()
    params = form.cleaned_data
    wallboard_services.note_seen(link)
    fleet = state.board.read()
    version = fleet.version if fleet else FleetVersion.current()
    now = timezone.now()
    changes_at_ms = params["turn"] or 0
    is_now = not changes_at_ms or now.timestamp() * 1000 < changes_at_ms
    if version == params["since"] and is_now:
        as_of = fleet.as_of_ms(0) if fleet else freshness(now).as_of_ms
        return _nothing_new(as_of, link)
    context = _context(link)
    if context["wall"].shown == params["shown"] and is_now:
        # The change is not on this wall. The next poll starts from here.
        context["same"] = True
    return render(request, "handover/wall.html#changes", context)


def _nothing_new(as_of_ms: int | None, link: WallLink) -> HttpResponse:
    events = json.loads(shortcut.unchanged(as_of_ms))
    events["curfew:release"] = {"release": release_mark(link.name)}
    return HttpResponse(status=204, headers={"HX-Trigger": json.dumps(events)})


def _context(link: WallLink) -> dict[str, Any]:
    # Read before the rows: a change in between is then sent twice, never missed.
    version = FleetVersion.current()
    now = timezone.now()
    wall = wallboard_data.wall(link, now)
    changes = reverse("handover:wall_changes", args=[wallboard_services.token(link)])
    query = f"since={version}&turn={wall.changes_at_ms}&shown={wall.shown}"
    return {
        "link": link,
        "wall": wall,
        "freshness": wall.freshness,
        "now": now,
        "release": release_mark(link.name),
        "poll_url": f"{changes}?{query}",
        "interval_seconds": POLL_SECONDS,
        "same": False,
    }


def _zone(link: WallLink) -> zoneinfo.ZoneInfo:
    try:
        return zoneinfo.ZoneInfo(link.zone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError):
        return zoneinfo.ZoneInfo("UTC")
