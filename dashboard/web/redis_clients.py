from functools import cache

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry


@cache
def shared_redis() -> redis.Redis:
    return _client(connect_seconds=0.3, answer_seconds=1)


@cache
def quick_redis() -> redis.Redis:
    """Return a client for what a person waits for: it takes at most 0.3 s."""
    return _client(connect_seconds=0.15, answer_seconds=0.15)


def _client(*, connect_seconds: float, answer_seconds: float) -> redis.Redis:
    return redis.Redis.from_url(
        str(settings.CACHES["default"]["LOCATION"]),
        socket_connect_timeout=connect_seconds,
        socket_timeout=answer_seconds,
        # A restarted server has closed the pooled connections, so one retry is needed.
        # The library's default of ten, with pauses, would take too long.
        retry=Retry(NoBackoff(), 1),
    )
