"""Which instances have changed lately, as far as this process knows.

Most changes are of instances that a page does not show, and of nothing by which lists
filter, order or count. After such a change the page is known to be unchanged, and
nobody has to read from the database what it shows.
"""

import threading
import time
from collections.abc import Callable, Collection
from enum import Enum
from typing import NamedTuple

from dashboard.web.process_cache import ProcessCache
from dashboard.web.provided import Provided

MOST = 2_000
"""Of more changed instances nothing is kept: every page is read again."""

MEMORY_SECONDS = 1.0
"""Redis may lack the version of a process that died after its commit. So a look depends
on a version that the database had at most this long ago."""


class Elsewhere(Enum):
    """Which changes of instances that a page does not show concern the page."""

    NONE = "none"
    LISTED = "listed"
    """Those after which lists may have other rows, another order or other numbers."""

    ALL = "all"


class Changes(NamedTuple):
    """What has changed after a fleet version.

    Attributes:
        version: The present one.
        listed_version: When something last changed by which lists filter, order or
            count, or something around the instances.
        instance_pks: The instances that look different.
    """

    version: int
    listed_version: int
    instance_pks: Collection[int]


read_changes: Provided[Callable[[int], Changes]] = Provided()
"""Returns what has changed after a version, all of it as of one moment."""


class _Log(NamedTuple):
    """What this process has read, complete after one version and until another."""

    read_at: float
    since: int
    until: int
    listed_version: int
    changed: dict[int, int]


# One value; never changed, but replaced.
_logs = ProcessCache(max_size=1, seconds=3600)
_reading = threading.Lock()


def read(known: int | None = None) -> int:
    """Read what has changed since the last time, and return the fleet version.

    Args:
        known: A fleet version. If the log ends with it and was read less than
            ``MEMORY_SECONDS`` ago, nothing is read.

    Raises:
        DatabaseError: The database does not answer.
    """
    with _reading:
        now = time.monotonic()
        log: _Log | None = _logs.get("log")
        if log and log.until == known and now - log.read_at < MEMORY_SECONDS:
            return log.until
        new = read_changes.get()(log.until if log else 2**62)
        if (
            log is None
            or new.version < log.until  # another database
            or len(log.changed) + len(new.instance_pks) > MOST
        ):
            since, changed = new.version, {}
        else:
            changed = log.changed | dict.fromkeys(new.instance_pks, new.version)
            since = log.since
        _logs.put("log", _Log(now, since, new.version, new.listed_version, changed))
    return new.version


def is_untouched(
    instance_pks: Collection[int], elsewhere: Elsewhere, *, since: int, until: int
) -> bool | None:
    """Return whether a page shows the same at a version as at an earlier one.

    Args:
        instance_pks: The instances that it shows.
        elsewhere: Which changes of other instances concern it.
        since: The earlier version.
        until: The later one.

    Returns:
        None if this process does not know.
    """
    log: _Log | None = _logs.get("log")
    if log is None or since < log.since or log.until < until:
        return None
    if elsewhere is Elsewhere.LISTED and log.listed_version > since:
        return False
    if elsewhere is Elsewhere.ALL and log.until > since:
        return False
    return all(log.changed.get(pk, 0) <= since for pk in instance_pks)
