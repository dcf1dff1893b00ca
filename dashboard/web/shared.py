"""Redis itself, for what all processes share and Django's cache has no words for."""

from functools import cache

import redis
from django.conf import settings


@cache
def shared_redis() -> redis.Redis:
    """The cache's database. Whoever uses it does without it when it is away."""
    return redis.Redis.from_url(
        str(settings.CACHES["default"]["LOCATION"]),
        socket_timeout=1,
        socket_connect_timeout=0.3,
    )
