"""The state of the fleet for polls, in Redis.

Three keys expire: the fleet version, when each cloud was last read, and the people
whose poll tokens are revoked. A fourth stays, the highest version ever: a database with
a lower one was restored from a backup.

There is one more for each page that someone watches: what it shows (``SharedPage``),
and the fleet version at which that was found. The first poll after a change writes it,
and while it is of the present version, it answers all other polls of that page. A
process that has drawn the page finds it out without Django's middleware
(``PageReader``).

The keys are copies from the database. They are written after a commit, by the sweep
every second, and by a poll that had to query the database. A process that dies between
a commit and the write delays polls by at most ``LIFE_SECONDS``. Without Redis polls
query the database.
"""

import json
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import redis
import structlog
from django.db import DatabaseError, close_old_connections

from dashboard.livepoll import changes, token
from dashboard.livepoll.changes import Elsewhere
from dashboard.livepoll.token import SharedPage
from dashboard.web.process_cache import ProcessCache
from dashboard.web.redis_clients import quick_redis

log = structlog.get_logger(__name__)

LIFE_SECONDS = 5
MEMORY_SECONDS = 0.25
"""How long a process uses what it has read from Redis."""

_TOO_OLD_SECONDS = 1.0
_BACKOFF_SECONDS = 1.0
_REMEMBERED_SECONDS = token.LIFE_SECONDS + 30
"""Longer than any poll token that was issued before a right was lost."""

_VERSION, _READ, _REVOKED, _HIGHEST = (
    f"curfew:live:{name}" for name in ("v", "read", "revoked", "highest")
)

_PAGE = "curfew:live:page:"
_PAGE_LIFE_SECONDS = token.LIFE_SECONDS

# By key of a ``SharedPage``: fleet version and digest, as in Redis.
_pages = ProcessCache(max_size=4_096, seconds=_PAGE_LIFE_SECONDS)


class _Shown(NamedTuple):
    """What a page was found to show; see ``put_page``.

    Attributes:
        paused_until: By the monotonic clock.
    """

    version: int
    digest: str
    instance_pks: Collection[int]
    elsewhere: Elsewhere
    paused_until: float


# By key, too. For as long as what changes with time alone may be late.
_shown = ProcessCache(max_size=1_024, seconds=token.LIFE_SECONDS)

PageReader = Callable[[int], SharedPage]
"""Reads what a page shows from the database, after this fleet version."""

# By key, too. Of a page that was drawn by this process.
_readers = ProcessCache(max_size=1_024, seconds=600)

# A version never decreases, because two writers may come in another order than their
# commits. A lower one, as after a restored backup, is written when this one expires. A
# value that is no version is overwritten.
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
    """The state of the fleet.

    Attributes:
        version: The fleet version.
        read_at_ms: When each cloud was last read completely, Unix **ms**, by its key;
            None for never.
        revoked: Keys of the people whose poll tokens are revoked.
    """

    version: int
    read_at_ms: Mapping[int, int | None]
    revoked: frozenset[int] = field(default_factory=frozenset)

    def as_of_ms(self, cloud_pk: int) -> int | None:
        """Return when a cloud was last read; for 0 the oldest of all."""
        if cloud_pk:
            return self.read_at_ms.get(cloud_pk)
        moments = [moment for moment in self.read_at_ms.values() if moment is not None]
        complete = moments and len(moments) == len(self.read_at_ms)
        return min(moments) if complete else None


class _Backoff:
    """Pauses the calls to Redis after a failure, since each of them may be slow."""

    until = float("-inf")

    @property
    def is_over(self) -> bool:
        return time.monotonic() >= self.until

    @contextmanager
    def after_failure(self, event: str) -> Iterator[None]:
        try:
            yield
        except redis.RedisError as error:
            self.until = time.monotonic() + _BACKOFF_SECONDS
            log.warning(event, reason=str(error)[:200])


_backoff = _Backoff()


class FleetStateCache:
    """The state as this process has read it, at most ``MEMORY_SECONDS`` old.

    Thread-safe: while one thread reads, the others use the last state.
    """

    def __init__(self) -> None:
        self._reading = threading.Lock()
        self._fleet: FleetState | None = None
        self._read_at = float("-inf")

    @property
    def is_fresh(self) -> bool:
        return time.monotonic() - self._read_at <= MEMORY_SECONDS

    def read(self) -> FleetState | None:
        """Return the state; None if the database has to be queried."""
        now = time.monotonic()
        if now - self._read_at <= MEMORY_SECONDS:
            return self._fleet
        if _backoff.is_over and self._reading.acquire(blocking=False):
            try:
                self._fleet = self._fetch()
                self._read_at = now
            finally:
                self._reading.release()
        return self._fleet if now - self._read_at <= _TOO_OLD_SECONDS else None

    def advance(self, version: int) -> None:
        """Use a version that this process has read from the database.

        Else what it finds out at that version would not count until the next read.
        """
        if self._reading.acquire(blocking=False):
            try:
                if self._fleet and version > self._fleet.version:
                    self._fleet = replace(self._fleet, version=version)
            finally:
                self._reading.release()

    def _fetch(self) -> FleetState | None:
        version = read = None
        with (
            _backoff.after_failure("fleet state not read from redis"),
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
            # Not ours, or of another release.
            log.warning("fleet state in redis is invalid", reason=str(error)[:200])
            return None


cache = FleetStateCache()
"""The cache of this process."""


def put_version(version: int) -> None:
    """Publish the fleet version that was just committed. Never raises."""
    if _backoff.is_over:
        with _backoff.after_failure("fleet version not published"):
            keys = (_VERSION, _HIGHEST)
            quick_redis().eval(_PUT_VERSION, 2, *keys, version, LIFE_SECONDS)


def put(version: int, read_at_ms: Mapping[int, int | None]) -> None:
    """Publish the values of a ``FleetState`` from the database. Never raises."""
    if not _backoff.is_over:
        return
    with (
        _backoff.after_failure("fleet state not published"),
        quick_redis().pipeline(transaction=False) as pipe,
    ):
        pipe.eval(_PUT_VERSION, 2, _VERSION, _HIGHEST, version, LIFE_SECONDS)
        pipe.set(_READ, json.dumps(read_at_ms), ex=LIFE_SECONDS)
        pipe.execute()


def keep_reader(key: str, reader: PageReader) -> None:
    """Keep how to find out what a page shows, for ``is_unchanged_in_database``."""
    _readers.put(key, reader)


def is_unchanged_in_database(page: SharedPage, version: int) -> bool | None:
    """Read whether a page shows the same, without Django's middleware.

    Args:
        page: As its watcher sees it.
        version: The fleet version as far as this process knows.

    Returns:
        None if this process cannot tell.
    """
    reader: PageReader | None = _readers.get(page.key)
    if reader is None and _shown.get(page.key) is None:
        return None
    try:
        version = changes.read(version)
        cache.advance(version)
        if known := _untouched(page.key, version) or _paused(page.key, version):
            return known[1] == page.digest
        if reader is None:
            return None
        found = reader(version)
    except DatabaseError:
        return None  # Django reports it
    finally:
        close_old_connections()
    put_page(found, version)
    return found == page


def put_page(
    page: SharedPage,
    version: int,
    *,
    instance_pks: Collection[int] | None = None,
    elsewhere: Elsewhere = Elsewhere.NONE,
    pause_seconds: float = 0,
) -> None:
    """Publish what a page shows at a version that was read before. Never raises.

    Args:
        instance_pks: The instances that it shows; None if that is unknown.
        elsewhere: Which changes of other instances concern it.
        pause_seconds: How long such a change elsewhere may wait.
    """
    if page.key and instance_pks is not None:
        paused_until = time.monotonic() + pause_seconds
        shown = _Shown(version, page.digest, instance_pks, elsewhere, paused_until)
        _shown.put(page.key, shown)
    if not page.key or _pages.get(page.key) == (version, page.digest):
        return
    _pages.put(page.key, (version, page.digest))
    cache.advance(version)
    if _backoff.is_over:
        with _backoff.after_failure("page not published"):
            value = f"{version}.{page.digest}"
            quick_redis().set(_PAGE + page.key, value, ex=_PAGE_LIFE_SECONDS)


def is_unchanged(
    page: SharedPage, version: int, *, may_wait: bool = True
) -> bool | None:
    """Return whether the page was found unchanged at this version. Never raises.

    Args:
        page: As its watcher sees it.
        version: The present one of the fleet.
        may_wait: Whether to ask Redis if this process does not know.

    Returns:
        None if nobody has looked at the page at this version.
    """
    if not page.key:
        return None
    known = _pages.get(page.key)
    if known is None or known[0] != version:
        known = _untouched(page.key, version) or _paused(page.key, version)
    if known is None:
        known = _fetch_page(page.key) if may_wait else None
    if known is None or known[0] != version:
        return None
    return bool(known[1] == page.digest)


def is_paused(key: str, version: int, *, read_at: int) -> bool:
    """Whether a page need not be read again yet, although the fleet has changed.

    Args:
        version: The present one of the fleet.
        read_at: The version at which the page was read.
    """
    shown: _Shown | None = _shown.get(key)
    return (
        shown is not None
        and shown.version == read_at
        and time.monotonic() < shown.paused_until
        and _is_untouched(shown, version, Elsewhere.NONE)
    )


def _paused(key: str, version: int) -> tuple[int, str] | None:
    """Return what a page showed when it was read, if it need not be read again yet."""
    shown: _Shown | None = _shown.get(key)
    if shown is None or not is_paused(key, version, read_at=shown.version):
        return None
    return version, shown.digest


def _untouched(key: str, version: int) -> tuple[int, str] | None:
    """Return what a page shows at a version if no change until then touches it."""
    shown: _Shown | None = _shown.get(key)
    if shown is None or not _is_untouched(shown, version, shown.elsewhere):
        return None
    known = version, shown.digest
    _pages.put(key, known)
    return known


def _is_untouched(shown: _Shown, version: int, elsewhere: Elsewhere) -> bool:
    # A lower version is of another database.
    return version >= shown.version and bool(
        changes.is_untouched(
            shown.instance_pks, elsewhere, since=shown.version, until=version
        )
    )


def _fetch_page(key: str) -> tuple[int, str] | None:
    if not _backoff.is_over:
        return None
    value = None
    with _backoff.after_failure("page not read from redis"):
        value = quick_redis().get(_PAGE + key)
    text = value.decode("ascii", "replace") if isinstance(value, bytes) else ""
    version, _, digest = text.partition(".")
    if not version.isdecimal():
        return None
    found = int(version), digest
    _pages.put(key, found)
    return found


def highest_version() -> int | None:
    """Return the highest version ever published; None if unknown. Never raises."""
    if _backoff.is_over:
        with _backoff.after_failure("highest fleet version not read from redis"):
            version = quick_redis().get(_HIGHEST)
            if version is not None and version.isdigit():
                return int(version)
    return None


def revoke(user_pk: int) -> None:
    """Revoke every poll token of a person. Never raises.

    Django answers all their polls for a while. Without Redis the tokens expire within
    ``token.LIFE_SECONDS``.
    """
    now = time.time()
    with (
        _backoff.after_failure("poll tokens not revoked"),
        quick_redis().pipeline(transaction=False) as pipe,
    ):
        pipe.zadd(_REVOKED, {str(user_pk): now + _REMEMBERED_SECONDS})
        pipe.zremrangebyscore(_REVOKED, "-inf", now)
        pipe.expire(_REVOKED, _REMEMBERED_SECONDS)
        pipe.execute()
