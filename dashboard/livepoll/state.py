"""What a poll has to know, kept in Redis beside the database, for seconds.

Three keys: the fleet's version, when each cloud was last read, and whose tokens count
no more. A fourth, the highest version ever, stays: a database below it was restored
from a backup. The database remains the truth. What stands here is put there after a
commit, again by the sweeper each second, and again by a poll that had to ask the
database; it expires by itself within ``LIFE_SECONDS``. So whoever dies between a commit
and the put delays the news by that much and never longer; without Redis the database is
asked.
"""

import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import redis
import structlog

from dashboard.livepoll import token
from dashboard.web.shared import quick_redis

log = structlog.get_logger(__name__)

LIFE_SECONDS = 5
MEMORY_SECONDS = 0.25
"""For so long a process believes what it has read, however many ask it."""

_TOO_OLD_SECONDS = 1.0
_REST_SECONDS = 1.0
_REMEMBERED_SECONDS = token.LIFE_SECONDS + 30
"""Longer than any poll_token that was given before a right was lost."""

_VERSION, _READ, _REVOKED, _HIGHEST = (
    f"curfew:live:{name}" for name in ("v", "read", "revoked", "highest")
)

# Never back: two writers may put their versions in the other order than they committed,
# and a reader of the database may be slow. A lower one has its turn when this expires,
# as after the database was restored. What is no version is written over.
_PUT_VERSION = """
local known = tonumber(redis.pcall('GET', KEYS[1]) or -1) or -1
if tonumber(ARGV[1]) >= known then
  redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
end
local highest = tonumber(redis.pcall('GET', KEYS[2]) or -1) or -1
if tonumber(ARGV[1]) > highest then
  redis.call('SET', KEYS[2], ARGV[1])
end
"""


@dataclass(frozen=True)
class FleetState:
    """What is known at one moment.

    Attributes:
        version: The fleet's.
        read_at_ms: When each cloud was last read completely, Unix **ms**, by its key;
            None where it never was.
        revoked: Keys of the people whose tokens count no more.
    """

    version: int
    read_at_ms: Mapping[int, int | None]
    revoked: frozenset[int] = field(default_factory=frozenset)

    def as_of_ms(self, cloud_pk: int) -> int | None:
        """The mirror's age: that of one cloud, or for 0 of the one that lags most."""
        if cloud_pk:
            return self.read_at_ms.get(cloud_pk)
        moments = [moment for moment in self.read_at_ms.values() if moment is not None]
        complete = moments and len(moments) == len(self.read_at_ms)
        return min(moments) if complete else None


class _Backoff:
    """After a failure nobody asks Redis for a moment: each try may take a while."""

    until = float("-inf")

    @property
    def is_over(self) -> bool:
        return time.monotonic() >= self.until

    @contextmanager
    def after_failure(self, what: str) -> Iterator[None]:
        try:
            yield
        except redis.RedisError as error:
            self.until = time.monotonic() + _REST_SECONDS
            log.warning(what, reason=str(error)[:200])


_rest = _Backoff()


class FleetStateCache:
    """The news as this process knows them, read again when they are older than that.

    Thread-safe; one thread reads while the others go on with what is known.
    """

    def __init__(self) -> None:
        self._reading = threading.Lock()
        self._news: FleetState | None = None
        self._read_at = float("-inf")

    @property
    def is_fresh(self) -> bool:
        """Whether ``read`` answers from memory now."""
        return time.monotonic() - self._read_at <= MEMORY_SECONDS

    def read(self) -> FleetState | None:
        """The news; None when the database has to be asked."""
        now = time.monotonic()
        if now - self._read_at <= MEMORY_SECONDS:
            return self._news
        if _rest.is_over and self._reading.acquire(blocking=False):
            try:
                self._news = self._fetch()
                # As of before the question was sent.
                self._read_at = now
            finally:
                self._reading.release()
        return self._news if now - self._read_at <= _TOO_OLD_SECONDS else None

    def _fetch(self) -> FleetState | None:
        version = read = None
        with (
            _rest.after_failure("polls without redis"),
            quick_redis().pipeline(transaction=False) as pipe,
        ):
            pipe.mget(_VERSION, _READ)
            pipe.zrange(_REVOKED, int(time.time()), "+inf", byscore=True)
            (version, read), revoked = pipe.execute()
        if version is None or read is None:
            return None
        try:
            moments = {int(pk): moment for pk, moment in json.loads(read).items()}
            return FleetState(int(version), moments, frozenset(map(int, revoked)))
        except (ValueError, TypeError, AttributeError) as error:
            # Somebody else's words, or those of another release.
            log.warning("news make no sense", reason=str(error)[:200])
            return None


cache = FleetStateCache()
"""The one of this process."""


def put_version(version: int) -> None:
    """Tell all processes the fleet's version, just committed. Never raises."""
    if _rest.is_over:
        with _rest.after_failure("version not told"):
            keys = (_VERSION, _HIGHEST)
            quick_redis().eval(_PUT_VERSION, 2, *keys, version, LIFE_SECONDS)


def put(version: int, read_at_ms: Mapping[int, int | None]) -> None:
    """Tell all processes what the database says. Never raises.

    Args:
        version: The fleet's.
        read_at_ms: See ``FleetState``.
    """
    if not _rest.is_over:
        return
    with (
        _rest.after_failure("news not told"),
        quick_redis().pipeline(transaction=False) as pipe,
    ):
        pipe.eval(_PUT_VERSION, 2, _VERSION, _HIGHEST, version, LIFE_SECONDS)
        pipe.set(_READ, json.dumps(read_at_ms), ex=LIFE_SECONDS)
        pipe.execute()


def highest_version() -> int | None:
    """The highest version of the fleet ever told; None when unknown. Never raises."""
    if _rest.is_over:
        with _rest.after_failure("highest version unknown"):
            told = quick_redis().get(_HIGHEST)
            if told is not None and told.isdigit():
                return int(told)
    return None


def revoke(user_pk: int) -> None:
    """Have every poll_token of a person count no more, as of now. Never raises.

    Those of their sessions that remain are looked up at each poll for a while. Without
    Redis the tokens end by themselves, within ``tokens.LIFE_SECONDS``.
    """
    now = time.time()
    with (
        _rest.after_failure("tokens not revoked"),
        quick_redis().pipeline(transaction=False) as pipe,
    ):
        pipe.zadd(_REVOKED, {str(user_pk): now + _REMEMBERED_SECONDS})
        pipe.zremrangebyscore(_REVOKED, "-inf", now)
        pipe.expire(_REVOKED, _REMEMBERED_SECONDS)
        pipe.execute()
