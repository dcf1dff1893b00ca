"""The cloud clients of this process, one for each cloud."""

import os
import threading
import time
from collections import deque
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, Self

import redis
import structlog
from django.conf import settings

from dashboard.modelarts.call_metrics import Call
from dashboard.modelarts.client import ModelArtsClient
from dashboard.modelarts.errors import ConfigurationError, ThrottledError
from dashboard.modelarts.messages import Problem
from dashboard.web.redis_clients import shared_redis

from . import upstream_metrics

if TYPE_CHECKING:
    from dashboard.modelarts.cloud_files import Fingerprint

log = structlog.get_logger(__name__)

MAX_WAIT_SECONDS = 5.0
BURST = 5
MAX_NAME = 255
"""Longest name of a cloud, as its column allows."""

# The generic cell rate algorithm, shared by all processes: requests book the next free
# turns of their cloud and learn when they may take the first one, by Redis's clock. A
# turn may be taken before its time (a burst), so the wait may be negative.
_BOOK_TURNS = """
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local number, interval, early, longest = unpack(ARGV)
local booked = math.max(tonumber(redis.call('GET', KEYS[1]) or 0), now)
local wait = booked - now - early
if wait > tonumber(longest) then return {0, tostring(wait)} end
redis.call('SET', KEYS[1], string.format('%.6f', booked + number * interval), 'EX', 60)
return {1, tostring(wait)}
"""

BOOKED_SECONDS = 0.02
"""For so long a series of calls books turns in advance; others wait longer by it."""

SPARE_TURNS = 2
"""Requests that may be booked while a cloud still counts as free: with fewer, the read
before would keep the next one waiting."""

_series: ContextVar["CallSeries | None"] = ContextVar("series", default=None)

_clients: dict[str, ModelArtsClient] = {}
_files: "Fingerprint | None" = None
"""The files that the clients were made from."""

_lock = threading.Lock()


def cloud_names() -> list[str]:
    """Return the clouds of ``CURFEW_CLOUDS``, else of ``OS_CLOUD``, else all.

    Raises:
        ConfigurationError: No cloud is configured, or one has an unusable name.
    """
    from dashboard.modelarts import clouds  # slow to import, see there

    names = settings.CURFEW.clouds
    if not names:
        only = os.environ.get("OS_CLOUD")
        names = [only] if only else clouds.configured_clouds()
    if not names:
        raise ConfigurationError(Problem.NO_CLOUD)
    for name in names:
        if not is_usable_name(name):
            unusable = {"cloud": repr(name[:MAX_NAME]), "longest": MAX_NAME}
            raise ConfigurationError(Problem.UNUSABLE_NAME, unusable)
    return names


def is_usable_name(name: str) -> bool:
    """Return whether a cloud can have this name in rows, pages and logs."""
    return bool(name.strip()) and name.isprintable() and len(name) <= MAX_NAME


def client_for(cloud: str) -> ModelArtsClient:
    """Return the client of this process for one of ``cloud_names``.

    It is a new one after a file that configures clouds has changed, so that corrected
    credentials count without a restart.

    Raises:
        ConfigurationError: The cloud is not configured completely.
    """
    global _files
    from dashboard.modelarts import clouds  # slow to import, see there
    from dashboard.modelarts.cloud_files import fingerprint

    with _lock:
        files = fingerprint()
        if files != _files:
            # Not closed, since another thread may be using one.
            _clients.clear()
            _files = files
        if cloud not in _clients:
            _clients[cloud] = ModelArtsClient(
                clouds.load_cloud(cloud, proxy=settings.CURFEW.cloud_proxy_url),
                before_request=partial(_wait_for_turn, cloud),
                after_call=partial(_count, cloud),
            )
        return _clients[cloud]


def forget_clients() -> None:
    with _lock:
        for client in _clients.values():
            client.close()
        _clients.clear()


def is_free(cloud: str) -> bool:
    """Whether a cloud may be called without taking a turn from somebody else.

    Reads that can wait ask this first, so that they never delay an edit.
    """
    try:
        redis_client = shared_redis()
        booked = float(redis_client.get(_key(cloud)) or 0)
        seconds, microseconds = redis_client.time()
    except redis.RedisError:
        return False
    ahead = booked - seconds - microseconds / 1e6
    return ahead * settings.CURFEW.upstream_rate <= SPARE_TURNS


def _key(cloud: str) -> str:
    return f"curfew:rate:{cloud}"


class CallSeries:
    """Many calls to one cloud, by several threads that ``join`` the series.

    At a high rate, turns are booked and calls are counted several at a time. A turn
    that is not taken before its time ends is lost, so there are no larger bursts.
    """

    def __init__(self, cloud: str) -> None:
        self._cloud = cloud
        self._lock = threading.Lock()
        self._turns: deque[float] = deque()
        self._calls: deque[Call] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._count()

    def join(self) -> None:
        """Make all later calls of this thread part of the series."""
        _series.set(self)

    def add(self, call: Call) -> None:
        """Count a call, with others, at the latest at the end of the series."""
        self._calls.append(call)

    def take_turn(self) -> float:
        """Return how long to wait for a turn.

        Raises:
            ThrottledError: The wait would exceed ``MAX_WAIT_SECONDS``.
        """
        interval = _interval()
        with self._lock:
            ended = time.monotonic() - _early(interval)
            while self._turns and self._turns[0] < ended:
                self._turns.popleft()
            if not self._turns:
                self._count()
                number = max(1, int(BOOKED_SECONDS / interval))
                first = _book(self._cloud, number) + time.monotonic()
                self._turns.extend(first + n * interval for n in range(number))
            return self._turns.popleft() - time.monotonic()

    def _count(self) -> None:
        if calls := [self._calls.popleft() for _ in range(len(self._calls))]:
            upstream_metrics.count(self._cloud, calls)


def _count(cloud: str, call: Call) -> None:
    if series := _series.get():
        series.add(call)
    else:
        upstream_metrics.count(cloud, [call])


def _wait_for_turn(cloud: str) -> None:
    """Sleep until this cloud may be called: all processes share its rate.

    Raises:
        ThrottledError: The wait would exceed ``MAX_WAIT_SECONDS``.
    """
    series = _series.get()
    wait = series.take_turn() if series else _book(cloud, 1)
    if wait > 0:
        time.sleep(wait)


def _book(cloud: str, number: int) -> float:
    """Book turns; return how long to wait for the first one, not above 0 for no wait.

    Raises:
        ThrottledError: The wait would exceed ``MAX_WAIT_SECONDS``.
    """
    interval = _interval()
    arguments = (number, interval, _early(interval), MAX_WAIT_SECONDS)
    try:
        is_booked, answer = shared_redis().eval(_BOOK_TURNS, 1, _key(cloud), *arguments)
    except redis.RedisError as error:
        # Without Redis the processes cannot share the rate, so each one goes slowly.
        log.warning("rate limit without redis", cloud=cloud, reason=str(error)[:200])
        return interval
    wait = float(answer)
    if not is_booked:
        raise ThrottledError(Problem.OWN_RATE_LIMIT, retry_after_seconds=min(wait, 60))
    return wait


def _interval() -> float:
    return 1 / settings.CURFEW.upstream_rate


def _early(interval: float) -> float:
    """Return how long before its time a turn may be taken."""
    return (BURST - 1) * interval
