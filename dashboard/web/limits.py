"""Limits on the requests of one person and one address per minute.

Redis counts for all processes, with one round trip for both counts. Without Redis
everything is allowed: slow work behind a page is better than no page.
"""

import time
from typing import NamedTuple

import redis
import structlog
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from .address import client_address, network_of
from .api_requests import is_api_request
from .middleware import GetResponse
from .shared import quick_redis

log = structlog.get_logger(__name__)

WINDOW_SECONDS = 60
HOUSEHOLD = 5
"""An address, such as an office, gets this many times the limit of one person."""

READS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
_PATIENCE_SECONDS = 5.0
_away_until = 0.0


class Limit(NamedTuple):
    """Requests in a minute; 0 means no limit."""

    person: int
    address: int


def allows(what: str, request: HttpRequest, limit: Limit) -> bool:
    """Count a request and return whether it is within the limit.

    Args:
        what: Each kind is counted separately.
    """
    return within(_counters(what, request, limit))


def within(counted: list[tuple[str, int]]) -> bool:
    """Increment each key and return whether none exceeds its limit.

    Args:
        counted: Pairs of a key, from ``key``, and its limit; 0 means none.
    """
    global _away_until
    counters = [(key, most) for key, most in counted if most > 0]
    if not counters or time.monotonic() < _away_until:
        return True
    try:
        with quick_redis().pipeline(transaction=False) as pipe:
            for key, _ in counters:
                pipe.incr(key)
                pipe.expire(key, 2 * WINDOW_SECONDS)
            counts = pipe.execute()[::2]
    except redis.RedisError as error:
        _away_until = time.monotonic() + _PATIENCE_SECONDS
        log.warning("requests not counted", reason=str(error)[:200])
        return True
    return all(
        int(count) <= most for count, (_, most) in zip(counts, counters, strict=True)
    )


def key(what: str, whose: str) -> str:
    """Return the key that counts one thing of one party in the present minute."""
    return f"curfew:limit:{what}:{int(time.time() // WINDOW_SECONDS)}:{whose}"


def seconds_left() -> int:
    return WINDOW_SECONDS - int(time.time() % WINDOW_SECONDS)


def _counters(what: str, request: HttpRequest, limit: Limit) -> list[tuple[str, int]]:
    address = client_address(request)
    place = network_of(address) if address else "unknown"
    counters = [(key(what, f"at:{place}"), limit.address)]
    if request.user.is_authenticated:
        counters.append((key(what, f"by:{request.user.pk}"), limit.person))
    return counters


class LimitsMiddleware:
    """Reject writes and polls that come faster than from any person with many tabs."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer; 429 with a plain page and ``Retry-After`` beyond the limit."""
        if is_api_request(request):
            return self.get_response(request)  # dashboard.api counts by token
        if request.method not in READS:
            what, most = "writes", settings.CURFEW.writes_per_minute
        elif request.htmx:  # type: ignore[attr-defined]  # set by HtmxMiddleware
            what, most = "polls", settings.CURFEW.polls_per_minute
        else:
            return self.get_response(request)
        if allows(what, request, Limit(most, HOUSEHOLD * most)):
            return self.get_response(request)
        return refusal(request, what)


def refusal(request: HttpRequest, what: str) -> HttpResponse:
    log.warning("too many requests", what=what, path=request.path)
    seconds = seconds_left()
    response = render(request, "429.html", {"seconds": seconds}, status=429)
    response.headers["Retry-After"] = str(seconds)
    return response
