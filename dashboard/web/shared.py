from functools import cache

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry


@cache
def shared_redis() -> redis.Redis:
    return redis.Redis.from_url(
        str(settings.CACHES["default"]["LOCATION"]),
        socket_timeout=1,
        socket_connect_timeout=0.3,
        retry=_once_more(),
    )


@cache
def quick_redis() -> redis.Redis:
    """Return one for what a person waits for: at most 0.3 s."""
    return redis.Redis.from_url(
        str(settings.CACHES["default"]["LOCATION"]),
        socket_timeout=0.15,
        socket_connect_timeout=0.15,
        retry=_once_more(),
    )


def _once_more() -> Retry:
    # A restarted server has closed the pooled connections, so one retry is needed. The
    # library's default of ten, with pauses, would take too long.
    return Retry(NoBackoff(), 1)
