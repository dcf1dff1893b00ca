"""The cloud clients of this process, one for each cloud."""

import os
import threading
import time
from functools import partial
from typing import TYPE_CHECKING

import redis
import structlog
from django.conf import settings

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

# The generic cell rate algorithm, shared by all processes: a request books the next
# free slot of its cloud and gets the time to wait for it, by the clock of Redis.
_BOOK_A_SLOT = """
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local interval = tonumber(ARGV[1])
local booked = math.max(tonumber(redis.call('GET', KEYS[1]) or 0), now)
local wait = math.max(0, booked - now - (tonumber(ARGV[2]) - 1) * interval)
if wait > tonumber(ARGV[3]) then return tostring(-wait) end
redis.call('SET', KEYS[1], string.format('%.6f', booked + interval), 'EX', 60)
return tostring(wait)
"""

SPARE_TURNS = 2
"""Requests that may be booked while a cloud still counts as free: with fewer, the read
before would keep the next one waiting."""

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
                after_call=partial(upstream_metrics.count, cloud),
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


def _wait_for_turn(cloud: str) -> None:
    """Sleep until this cloud may be called: all processes share its rate.

    Raises:
        ThrottledError: The wait would exceed ``MAX_WAIT_SECONDS``.
    """
    interval = 1 / settings.CURFEW.upstream_rate
    arguments = (interval, BURST, MAX_WAIT_SECONDS)
    try:
        wait = float(shared_redis().eval(_BOOK_A_SLOT, 1, _key(cloud), *arguments))
    except redis.RedisError as error:
        # Without Redis the processes cannot share the rate, so each one goes slowly.
        log.warning("rate limit without redis", cloud=cloud, reason=str(error)[:200])
        wait = interval
    if wait < 0:
        raise ThrottledError(Problem.OWN_RATE_LIMIT, retry_after_seconds=min(-wait, 60))
    time.sleep(wait)
