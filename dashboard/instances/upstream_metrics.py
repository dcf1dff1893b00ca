"""Counts of the calls to each cloud by all processes.

They are in Redis, since workers make the calls and the web server reports the metrics.
If Redis loses its data, the counters start again at zero.
"""

import time
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import redis
import structlog

from dashboard.modelarts.call_metrics import Call
from dashboard.modelarts.generations import Generation
from dashboard.web.redis_clients import shared_redis

log = structlog.get_logger(__name__)

BUCKETS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds, seconds; a call takes at most six."""


MINUTE = 60
SLICE_SECONDS = 10
"""Calls are also counted in slices of time, which expire."""


class Operation(NamedTuple):
    """A call of one generation of the API, such as ``notebooks``, ``renew``."""

    generation: str
    name: str


@dataclass
class UpstreamMetrics:
    """The calls to one cloud.

    Attributes:
        outcomes: Number of calls by operation and outcome.
        buckets: Number of calls by operation, for each of ``BUCKETS`` and for longer
            ones, not cumulative.
        seconds: Sum by operation.
    """

    outcomes: dict[tuple[Operation, str], int] = field(default_factory=dict)
    buckets: dict[Operation, list[int]] = field(default_factory=dict)
    seconds: dict[Operation, float] = field(default_factory=dict)


def count(cloud: str, calls: Collection[Call]) -> None:
    """Add calls. Never raises, since a missing count does no harm."""
    counts: Counter[str] = Counter()
    seconds: defaultdict[str, float] = defaultdict(float)
    for call in calls:
        operation = f"{call.generation}.{call.operation}"
        bucket = sum(call.seconds > end for end in BUCKETS)
        counts[f"outcome|{operation}|{call.outcome}"] += 1
        counts[f"bucket|{operation}|{bucket}"] += 1
        seconds[f"seconds|{operation}|"] += call.seconds
    recent = _recent_key(cloud, _slice())
    try:
        with shared_redis().pipeline(transaction=False) as pipe:
            for name, number in counts.items():
                pipe.hincrby(_key(cloud), name, number)
            for name, total in seconds.items():
                pipe.hincrbyfloat(_key(cloud), name, round(total, 6))
            pipe.incrby(recent, len(calls))
            pipe.expire(recent, 2 * MINUTE)
            pipe.execute()
    except redis.RedisError as error:
        log.warning("calls not counted", cloud=cloud, reason=str(error)[:200])


def read(clouds: Iterable[str]) -> dict[str, UpstreamMetrics]:
    """Return the counts by cloud.

    Raises:
        redis.RedisError: Redis does not answer.
    """
    return {cloud: _parsed(shared_redis().hgetall(_key(cloud))) for cloud in clouds}


def calls_last_minute(cloud: str) -> int:
    """Return how many calls all processes made in the last minute, to about 10 s.

    Raises:
        redis.RedisError: Redis does not answer.
    """
    newest = _slice()
    slices = range(newest - MINUTE // SLICE_SECONDS, newest)
    counts = shared_redis().mget([_recent_key(cloud, number) for number in slices])
    return sum(int(number) for number in counts if number)


def _parsed(counts: Mapping[bytes | str, bytes | str]) -> UpstreamMetrics:
    metrics = UpstreamMetrics()
    for name, value in counts.items():
        text = name.decode() if isinstance(name, bytes) else name
        kind, operation_text, rest = text.split("|", 2)
        generation, _, operation_name = operation_text.rpartition(".")
        # An older release counted without the generation.
        operation = Operation(generation or Generation.DEMANAGER.value, operation_name)
        if kind == "outcome":
            metrics.outcomes[operation, rest] = int(value)
        elif kind == "bucket":
            empty = [0] * (len(BUCKETS) + 1)
            metrics.buckets.setdefault(operation, empty)[int(rest)] = int(value)
        else:
            metrics.seconds[operation] = float(value)
    return metrics


def _slice() -> int:
    return int(time.time()) // SLICE_SECONDS


def _recent_key(cloud: str, number: int) -> str:
    return f"{_key(cloud)}:{number}"


def _key(cloud: str) -> str:
    return f"curfew:traffic:{cloud}"
