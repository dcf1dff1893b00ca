"""Redis itself, for what all processes share and Django's cache has no words for."""

from functools import cache

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry


@cache
def shared_redis() -> redis.Redis:
    """The cache's database. Whoever uses it does without it when it is away."""
    return redis.Redis.from_url(
        str(settings.CACHES["default"]["LOCATION"]),
        socket_timeout=1,
        socket_connect_timeout=0.3,
        retry=_once_more(),
    )


@cache
def quick_redis() -> redis.Redis:
    """The same database, for what a person waits for: at most 0.3 s."""
    return redis.Redis.from_url(
        str(settings.CACHES["default"]["LOCATION"]),
        socket_timeout=0.15,
        socket_connect_timeout=0.15,
        retry=_once_more(),
    )


def _once_more() -> Retry:
    # A restarted server has closed the pooled connections, so once more is needed. The
    # library's own ten times, with pauses, would hold up whoever can do without.
    return Retry(NoBackoff(), 1)
