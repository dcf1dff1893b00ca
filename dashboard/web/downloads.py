"""Limits for downloads: each file covers all instances or all audit entries.

Redis counts them, as in ``limits``; without Redis nothing is limited.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import wraps

import redis
import structlog
from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase, StreamingHttpResponse

from .limits import allows, refusal
from .redis_clients import quick_redis

log = structlog.get_logger(__name__)

AT_ONCE = 2
"""Concurrent downloads per person."""

SLOT_SECONDS = 60
"""The slot of a process that dies stays taken this long."""

View = Callable[..., HttpResponseBase]


def limited(view: View) -> View:
    """Limit a view that creates a file, per minute and concurrently.

    Beyond a limit: 429 with ``Retry-After``; the view is not called.
    """

    @wraps(view)
    def within_limits(
        request: HttpRequest, *args: object, **options: object
    ) -> HttpResponseBase:
        if not allows("downloads", request, settings.CURFEW.downloads_per_minute):
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
    slots = [f"curfew:download:{user_pk}:{number}" for number in range(AT_ONCE)]
    try:
        for slot in slots:
            if quick_redis().set(slot, 1, nx=True, ex=SLOT_SECONDS):
                return slot
    except redis.RedisError as error:
        log.warning("downloads not counted", reason=str(error)[:200])
        return slots[0]
    return None


def _release(slot: str) -> None:
    try:
        quick_redis().delete(slot)
    except redis.RedisError as error:
        log.warning("downloads not counted", reason=str(error)[:200])


class _Download:
    """The chunks of a file; releases its slot when read or closed, even unread.

    Closing a generator that was never started runs none of its code.
    """

    def __init__(self, chunks: Iterable[bytes], slot: str) -> None:
        self._chunks, self._slot = chunks, slot

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._chunks
        finally:
            self.close()

    def close(self) -> None:
        _release(self._slot)
