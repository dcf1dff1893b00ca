"""Limits on the requests of one person and one address per minute.

Redis counts for all processes, with one round trip for both counts. Without Redis
everything is allowed: slow work behind a page is better than no page.
"""

import time
from typing import Any

import redis
import structlog
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from .address import client_address, network_of
from .middleware import GetResponse, is_api_request
from .redis_clients import quick_redis

log = structlog.get_logger(__name__)

WINDOW_SECONDS = 60
PEOPLE_PER_ADDRESS = 5
"""An address, such as an office, gets this many times the limit of one person."""

# One command: a client spends twice the time on four of them.
_COUNT = """
local counts = {}
for number, key in ipairs(KEYS) do
  counts[number] = redis.call('INCR', key)
  redis.call('EXPIRE', key, ARGV[1])
end
return counts
"""

READS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
_BACKOFF_SECONDS = 5.0
_backoff_until = 0.0


def allows(
    what: str, request: HttpRequest, most: int, *, people: int = PEOPLE_PER_ADDRESS
) -> bool:
    """Count a request and return whether it is within the limits of this minute.

    Args:
        what: Each kind is counted separately.
        most: Requests of one person; 0 means no limit.
        people: An address may send this many times as many.
    """
    address = client_address(request)
    network = network_of(address) if address else "unknown"
    counters = [(key(what, f"at:{network}"), people * most)]
    if request.user.is_authenticated:
        counters.append((key(what, f"by:{request.user.pk}"), most))
    return within(counters)


def within(counted: list[tuple[str, int]]) -> bool:
    """Increment each key and return whether none exceeds its limit.

    Args:
        counted: Pairs of a key, from ``key``, and its limit; 0 means none.
    """
    global _backoff_until
    counters = [(key, most) for key, most in counted if most > 0]
    if not counters or time.monotonic() < _backoff_until:
        return True
    try:
        keys = [key for key, _ in counters]
        counts: Any = quick_redis().eval(_COUNT, len(keys), *keys, 2 * WINDOW_SECONDS)
    except redis.RedisError as error:
        _backoff_until = time.monotonic() + _BACKOFF_SECONDS
        log.warning("requests not counted", reason=str(error)[:200])
        return True
    return all(
        int(count) <= most for count, (_, most) in zip(counts, counters, strict=True)
    )


def key(what: str, whose: str) -> str:
    """Return the key that counts one kind of request of one party in this minute."""
    return f"curfew:limit:{what}:{int(time.time() // WINDOW_SECONDS)}:{whose}"


def seconds_left() -> int:
    return WINDOW_SECONDS - int(time.time() % WINDOW_SECONDS)


class LimitsMiddleware:
    """Reject writes and polls that come faster than from a person with many tabs."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if is_api_request(request):
            return self.get_response(request)  # dashboard.api counts by token
        if request.method not in READS:
            what, most = "writes", settings.CURFEW.writes_per_minute
        elif request.htmx:  # type: ignore[attr-defined]  # set by HtmxMiddleware
            what, most = "polls", settings.CURFEW.polls_per_minute
        else:
            return self.get_response(request)
        if allows(what, request, most):
            return self.get_response(request)
        return refusal(request, what)


def refusal(request: HttpRequest, what: str) -> HttpResponse:
    log.warning("too many requests", what=what, path=request.path)
    seconds = seconds_left()
    response = render(request, "429.html", {"seconds": seconds}, status=429)
    response.headers["Retry-After"] = str(seconds)
    return response
