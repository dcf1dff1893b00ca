"""The heartbeat of delivery: when the last sweep took place.

A sweep needs beat, the broker and a worker, so its age says whether all three live.
"""

import time

import redis
import structlog
from django.core.cache import cache

log = structlog.get_logger(__name__)

_KEY = "sweep"


def note_sweep() -> None:
    """Store the time of this sweep; a failure is only logged."""
    try:
        cache.set(_KEY, time.time(), timeout=None)
    except redis.RedisError as error:
        log.warning("sweep not noted", reason=str(error)[:200])


def sweep_age_seconds() -> float | None:
    """Return the seconds since the last sweep; None when there was none.

    Raises:
        redis.RedisError: Redis does not answer.
    """
    at = cache.get(_KEY)
    return None if at is None else max(0.0, time.time() - at)
