"""Counts of the calls to each cloud, by all processes and over their restarts.

Kept in Redis, since the processes that call are not those that are asked for metrics. A
Redis that lost its memory starts again at zero, as a counter may.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import redis
import structlog

from dashboard.modelarts.call_metrics import Call
from dashboard.web.shared import shared_redis

log = structlog.get_logger(__name__)

BUCKETS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper ends, seconds; a call lasts six at the most."""


@dataclass
class UpstreamMetrics:
    """What is known of the calls to one cloud.

    Attributes:
        outcomes: Number of calls by operation and outcome.
        buckets: Number of calls by operation, for each of ``BUCKETS`` and for those
            above, not cumulated.
        seconds: Their sum by operation.
    """

    outcomes: dict[tuple[str, str], int] = field(default_factory=dict)
    buckets: dict[str, list[int]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)


def count(cloud: str, call: Call) -> None:
    """Add one call. Never raises: what is not counted is no harm."""
    bucket = sum(call.seconds > end for end in BUCKETS)
    try:
        with shared_redis().pipeline(transaction=False) as pipe:
            pipe.hincrby(_key(cloud), f"outcome|{call.operation}|{call.outcome}", 1)
            pipe.hincrby(_key(cloud), f"bucket|{call.operation}|{bucket}", 1)
            pipe.hincrbyfloat(
                _key(cloud), f"seconds|{call.operation}|", round(call.seconds, 6)
            )
            pipe.execute()
    except redis.RedisError as error:
        log.warning("call not counted", cloud=cloud, reason=str(error)[:200])


def read(clouds: Iterable[str]) -> dict[str, UpstreamMetrics]:
    """The counts by cloud.

    Raises:
        redis.RedisError: They cannot be had.
    """
    return {cloud: _parsed(shared_redis().hgetall(_key(cloud))) for cloud in clouds}


def _parsed(held: Mapping[bytes | str, bytes | str]) -> UpstreamMetrics:
    traffic = UpstreamMetrics()
    for name, value in held.items():
        text = name.decode() if isinstance(name, bytes) else name
        kind, operation, rest = text.split("|", 2)
        if kind == "outcome":
            traffic.outcomes[operation, rest] = int(value)
        elif kind == "bucket":
            empty = [0] * (len(BUCKETS) + 1)
            traffic.buckets.setdefault(operation, empty)[int(rest)] = int(value)
        else:
            traffic.seconds[operation] = float(value)
    return traffic


def _key(cloud: str) -> str:
    return f"curfew:traffic:{cloud}"
