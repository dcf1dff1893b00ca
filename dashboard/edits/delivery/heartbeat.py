"""The heartbeat of delivery: when the last sweep took place.

A sweep needs beat, the broker and a worker, so its age says whether all three live.
"""

import time

import redis
import structlog
from celery import current_app
from django.core.cache import cache
from kombu.exceptions import OperationalError

log = structlog.get_logger(__name__)

_KEY = "sweep"


def note_sweep() -> None:
    """Remember that a sweep took place now. Never raises."""
    try:
        cache.set(_KEY, time.time(), timeout=None)
    except redis.RedisError as error:
        log.warning("sweep not noted", reason=str(error)[:200])


def ask_for_sweep() -> None:
    """Enqueue one sweep, which enqueues many instances. Never raises.

    The message expires when the next regular sweep is due, a second later.
    """
    try:
        current_app.send_task("edits.sweep_due_edits", expires=1)
    except (OperationalError, OSError) as error:
        log.warning("no sweep asked for", reason=str(error)[:200])


def sweep_age_seconds() -> float | None:
    """Seconds since the last sweep; None when there was none.

    Raises:
        redis.RedisError: It cannot be known.
    """
    at = cache.get(_KEY)
    return None if at is None else max(0.0, time.time() - at)
