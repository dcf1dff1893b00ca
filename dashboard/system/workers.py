"""The workers that are alive: each reports itself every two seconds, in Redis.

To ask them all takes seconds (``celery inspect``), which a page cannot wait for.
"""

import json
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import redis
import structlog
from celery.signals import celeryd_after_setup, heartbeat_sent, worker_shutdown

from dashboard.web.redis_clients import quick_redis

log = structlog.get_logger(__name__)

_KEY = "curfew:workers"
ALIVE_SECONDS = 15
"""A worker without a report for so long does not respond."""

FORGET_SECONDS = 600
"""A worker that was killed is shown for so long."""

_worker: Any = None
"""Celery's ``WorkController`` of this process."""


@dataclass(frozen=True)
class WorkerReport:
    """What a worker has reported.

    Attributes:
        queues: The queues that it serves.
        processes: How many tasks it can run at a time.
        busy: How many it runs.
        is_alive: Whether it has reported lately.
        at: When it has reported.
    """

    name: str
    queues: list[str]
    processes: int
    busy: int
    is_alive: bool
    at: datetime = field(repr=False)


def reports() -> list[WorkerReport]:
    """Return the last report of each worker, by name.

    Raises:
        redis.RedisError: Redis does not answer.
    """
    now = time.time()
    found = []
    for name, text in sorted(quick_redis().hgetall(_KEY).items()):
        content = json.loads(text)
        age = now - content["at"]
        if age > FORGET_SECONDS:
            quick_redis().hdel(_KEY, name)
            continue
        at = datetime.fromtimestamp(content.pop("at"), UTC)
        is_alive = age <= ALIVE_SECONDS
        found.append(WorkerReport(_text(name), **content, is_alive=is_alive, at=at))
    return found


def report(name: str, *, queues: list[str], processes: int, busy: int) -> None:
    """Store the report of a worker; a failure is only logged."""
    content = {"queues": queues, "processes": processes, "busy": busy}
    try:
        quick_redis().hset(_KEY, name, json.dumps(content | {"at": time.time()}))
    except redis.RedisError as error:
        log.warning("worker not reported", reason=str(error)[:200])


def _text(name: bytes | str) -> str:
    return name.decode() if isinstance(name, bytes) else name


@celeryd_after_setup.connect
def _begin(instance: Any, **_: Any) -> None:
    global _worker
    _worker = instance


@heartbeat_sent.connect
def _report(**_: Any) -> None:
    from celery.worker import state  # only workers need it

    if _worker is not None:
        report(
            _worker.hostname,
            queues=sorted(_worker.app.amqp.queues.consume_from),
            processes=_worker.concurrency,
            busy=len(state.active_requests),
        )


@worker_shutdown.connect
def _leave(**_: Any) -> None:
    if _worker is not None:
        try:
            quick_redis().hdel(_KEY, _worker.hostname)
        except redis.RedisError as error:
            log.warning("worker not removed", reason=str(error)[:200])
