"""An answer in place of a fault while Redis is away.

Pages do without it. What counts attempts against guessing cannot: signing in, codes,
showing once more who one is. Those fail closed, for the few seconds that it takes.
"""

import redis
import structlog
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from .middleware import GetResponse

log = structlog.get_logger(__name__)

RETRY_AFTER_SECONDS = 10


class RedisAwayMiddleware:
    """Say that something is not possible for a moment, and when to try again."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer as ever."""
        return self.get_response(request)

    def process_exception(
        self, request: HttpRequest, exception: Exception
    ) -> HttpResponse | None:
        """503 with a page and ``Retry-After`` when the reason is Redis."""
        if not isinstance(exception, redis.RedisError):
            return None
        page = render(request, "503.html", status=503)
        return not_now(request, page, exception)


def not_now(
    request: HttpRequest, page: HttpResponse, reason: Exception
) -> HttpResponse:
    """Finish an answer that tells to come back, and write down why."""
    log.error("redis is away", path=request.path, reason=str(reason)[:200])
    page.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return page
