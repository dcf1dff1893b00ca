"""How many files one person may take: each is made of all instances, or all entries.

Counted in Redis, as ``limits`` counts; without Redis nothing is limited.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import wraps

import redis
import structlog
from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase, StreamingHttpResponse

from .limits import HOUSEHOLD, Limit, allows, refusal
from .shared import quick_redis

log = structlog.get_logger(__name__)

AT_ONCE = 2
"""Files that are being made for one person."""

SLOT_SECONDS = 60
"""A process that dies while it makes one keeps the place for so long."""

View = Callable[..., HttpResponseBase]


def limited(view: View) -> View:
    """A view that makes a file, held to a number in a minute and at once.

    Beyond either: 429 with ``Retry-After``, and the view is not called.
    """

    @wraps(view)
    def within_limits(
        request: HttpRequest, *args: object, **options: object
    ) -> HttpResponseBase:
        most = settings.CURFEW.downloads_per_minute
        if not allows("downloads", request, Limit(most, HOUSEHOLD * most)):
            return refusal(request, "downloads")
        slot = _take_slot(request.user.pk)
        if slot is None:
            return refusal(request, "downloads at once")
        try:
            response = view(request, *args, **options)
        except BaseException:
            _release(slot)
            raise
        if isinstance(response, StreamingHttpResponse):
            chunks: Iterable[bytes] = response.streaming_content  # type: ignore[assignment]  # WSGI
            response.streaming_content = _Download(chunks, slot)
        else:
            _release(slot)
        return response

    return within_limits


def _take_slot(user_pk: int | None) -> str | None:
    """The key of a free place; None when all are taken."""
    key = ""
    try:
        for number in range(AT_ONCE):
            key = f"curfew:download:{user_pk}:{number}"
            if quick_redis().set(key, 1, nx=True, ex=SLOT_SECONDS):
                return key
    except redis.RedisError as error:
        log.warning("downloads not counted", reason=str(error)[:200])
        return key
    return None


def _release(slot: str) -> None:
    try:
        quick_redis().delete(slot)
    except redis.RedisError as error:
        log.warning("downloads not counted", reason=str(error)[:200])


class _Download:
    """The chunks of a file; gives its place back when read or closed, even unread.

    A generator that nobody has begun would run nothing when it is closed.
    """

    def __init__(self, chunks: Iterable[bytes], slot: str) -> None:
        self._chunks, self._slot = chunks, slot

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._chunks
        finally:
            self.close()

    def close(self) -> None:
        """Give the place back."""
        _release(self._slot)
