"""The one place that hands out cloud clients: one per process and cloud."""

import os
import threading
import time
from functools import partial

import redis
import structlog
from django.conf import settings

from dashboard.modelarts import clouds, messages
from dashboard.modelarts.client import ModelArtsClient
from dashboard.modelarts.errors import ConfigurationError, ThrottledError
from dashboard.web.shared import shared_redis

from . import upstream_metrics

log = structlog.get_logger(__name__)

LONGEST_WAIT_SECONDS = 5.0
BURST = 5
LONGEST_NAME = 255
"""Of a cloud, as its column."""

# One shared schedule per cloud (the generic cell rate algorithm): each request books
# the next free slot and is told how long to wait for it. The clock is Redis's own.
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

_clients: dict[str, ModelArtsClient] = {}
_files: clouds.Fingerprint | None = None
"""State of the files that the clients were made from."""

_lock = threading.Lock()


def cloud_names() -> list[str]:
    """The clouds that form the fleet: ``CURFEW_CLOUDS``, else ``OS_CLOUD``, else all.

    Raises:
        ConfigurationError: No cloud is described anywhere; the message says where to.
    """
    if settings.CURFEW.clouds:
        return settings.CURFEW.clouds
    if chosen := os.environ.get("OS_CLOUD"):
        return [chosen]
    return clouds.configured_clouds()


def usable_cloud_names() -> list[str]:
    """The same, if Curfew can serve every one of them under its name.

    Raises:
        ConfigurationError: There is none, or one that no row, page or log can name.
    """
    names = cloud_names()
    if not names:
        raise ConfigurationError(messages.NO_CLOUD)
    for name in names:
        if not is_usable_name(name):
            unusable = {"cloud": repr(name[:LONGEST_NAME]), "longest": LONGEST_NAME}
            raise ConfigurationError(messages.UNUSABLE_NAME, unusable)
    return names


def is_usable_name(name: str) -> bool:
    """Whether rows, pages and logs can name a cloud so."""
    return bool(name.strip()) and name.isprintable() and len(name) <= LONGEST_NAME


def client_for(cloud: str) -> ModelArtsClient:
    """The pooled client of this process for one cloud.

    A new one once a file that describes clouds has changed, so that corrected
    credentials count without a restart.

    Args:
        cloud: A name from ``cloud_names``.

    Raises:
        ConfigurationError: The cloud is not described, or not completely.
    """
    global _files
    with _lock:
        files = clouds.fingerprint()
        if files != _files:
            # Not closed: another thread may be using one. Its pool goes with it.
            _clients.clear()
            _files = files
        if cloud not in _clients:
            _clients[cloud] = ModelArtsClient.from_config(
                clouds.load_cloud(cloud, proxy=settings.CURFEW.cloud_proxy_url),
                before_request=partial(_wait_for_turn, cloud),
                after_call=partial(upstream_metrics.count, cloud),
            )
        return _clients[cloud]


def forget_clients() -> None:
    """Close every client, so that the next one reads its configuration anew."""
    with _lock:
        for client in _clients.values():
            client.close()
        _clients.clear()


def _wait_for_turn(cloud: str) -> None:
    """Keep all processes together below ``CURFEW_UPSTREAM_RATE`` for this cloud.

    Raises:
        ThrottledError: The queue is longer than ``LONGEST_WAIT_SECONDS``.
    """
    interval = 1 / settings.CURFEW.upstream_rate
    arguments = (interval, BURST, LONGEST_WAIT_SECONDS)
    try:
        answer = shared_redis().eval(
            _BOOK_A_SLOT, 1, f"curfew:rate:{cloud}", *arguments
        )
        wait = float(answer)
    except redis.RedisError as error:
        # Without Redis no process knows of the others: go slowly rather than not.
        log.warning("rate limit without redis", cloud=cloud, reason=str(error)[:200])
        wait = interval
    if wait < 0:
        raise ThrottledError(
            messages.OWN_RATE_LIMIT,
            retry_after_seconds=min(-wait, 60),
        )
    time.sleep(wait)
