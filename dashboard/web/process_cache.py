"""A cache in the memory of one process, bounded in size and age.

A key contains everything that its value depends on, so nothing is ever invalidated.
The age limit is a safeguard, in case a key lacks something.
"""

import threading
import time
from collections.abc import Callable, Hashable
from typing import Any
from weakref import WeakSet

from cachetools import TTLCache

_caches: "WeakSet[ProcessCache]" = WeakSet()


class ProcessCache:
    """The most recently used values. Threads share them, so never change a value."""

    def __init__(
        self,
        *,
        max_size: int,
        seconds: float,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self._values: TTLCache[Hashable, Any] = TTLCache(max_size, seconds, timer)
        self._lock = threading.Lock()
        _caches.add(self)

    def get(self, key: Hashable) -> Any:
        """Return the value; None when it is missing or too old."""
        with self._lock:
            return self._values.get(key)

    def put(self, key: Hashable, value: object) -> None:
        with self._lock:
            self._values[key] = value

    def get_or_compute[Value](
        self, key: Hashable, compute: Callable[[], Value]
    ) -> Value:
        """Return the value. Several threads may compute it at the same time."""
        value: Value | None = self.get(key)
        if value is None:
            value = compute()
            self.put(key, value)
        return value

    def clear(self) -> None:
        with self._lock:
            self._values.clear()


def clear_all() -> None:
    """Empty every cache of this process, as when another database is used."""
    for cache in list(_caches):
        cache.clear()
