"""The wallboard: read-only, by a signed link, for a screen that nobody signs in at."""

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
    # The address is the key: it goes to no other site, no index and no cache.
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex, nofollow, noarchive",
}

Answer = Callable[[HttpRequest, WallLink], HttpResponse]


def _by_link(answer: Answer) -> Callable[[HttpRequest, str], HttpResponse]:
    """Open the link, or say that it opens nothing; within its limit."""

    @wraps(answer)
    def view(request: HttpRequest, wall_token: str) -> HttpResponse:
        response = _opened(answer, request, wall_token)
        add_never_cache_headers(response)
        for name, value in SECRET.items():
            response.headers[name] = value
        return response

    # Nothing is written here, so a token of a form would protect nothing.
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
    """The page; 404 without any data for a link that was revoked or never was."""
    wallboard_services.note_seen(link)
    return render(request, "handover/wall.html", _context(link))


@_by_link
def wall_changes(request: HttpRequest, link: WallLink) -> HttpResponse:
    """Fragment: what changed since the wall's last poll.

    Query parameters:
        See ``forms.WallPollForm``.

    Returns:
        200 with ``handover/wall.html#changes``; 204 when nothing changed, with the
        mirror's age and the release in ``HX-Trigger``; 400 for nonsense; 404 when the
        link was revoked.
    """
    form = WallPollForm(request.GET)
    if not form.is_valid():
        return HttpResponseBadRequest()
    asked = form.cleaned_data
    wallboard_services.note_seen(link)
    news = state.board.read()
    version = news.version if news else FleetVersion.current()
    now = timezone.now()
    turn = asked["turn"] or 0
    is_now = not turn or now.timestamp() * 1000 < turn
    if version == asked["since"] and is_now:
        as_of = news.as_of_ms(0) if news else freshness(now).as_of_ms
        return _nothing_new(as_of, link)
    context = _context(link)
    if context["wall"].shown == asked["shown"] and is_now:
        # Something changed that is not on this wall. The next poll asks from here on.
        context["same"] = True
    return render(request, "handover/wall.html#changes", context)


def _nothing_new(as_of_ms: int | None, link: WallLink) -> HttpResponse:
    told = json.loads(shortcut.unchanged(as_of_ms))
    told["curfew:release"] = {"release": release_mark(link.name)}
    return HttpResponse(status=204, headers={"HX-Trigger": json.dumps(told)})


def _context(link: WallLink) -> dict[str, Any]:
    # Before the rows: what changes in between is then sent twice, but never missed.
    version = FleetVersion.current()
    now = timezone.now()
    shown = wallboard_data.wall(link, now)
    changes = reverse("handover:wall_changes", args=[wallboard_services.token(link)])
    asks = f"since={version}&turn={shown.changes_at_ms}&shown={shown.shown}"
    return {
        "link": link,
        "wall": shown,
        "freshness": shown.freshness,
        "now": now,
        "release": release_mark(link.name),
        "poll_url": f"{changes}?{asks}",
        "interval_seconds": POLL_SECONDS,
        "same": False,
    }


def _zone(link: WallLink) -> zoneinfo.ZoneInfo:
    try:
        return zoneinfo.ZoneInfo(link.zone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError):
        return zoneinfo.ZoneInfo("UTC")
