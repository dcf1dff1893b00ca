"""A cache in the memory of one process, bounded in size and age.

A key contains everything that its value depends on, so nothing is ever invalidated.
The age limit is a safeguard, in case a key lacks something.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any
from weakref import WeakSet

_caches: "WeakSet[ProcessCache]" = WeakSet()
_MISSING = (float("-inf"), None)


class ProcessCache:
    """The most recently used values. Threads share them, so never change a value.

    The values are in a plain dictionary, the least recently used key first, since a
    page of a hundred rows reads 220 of them. Values that are too old stay until there
    are too many.
    """

    def __init__(
        self,
        *,
        max_size: int,
        seconds: float,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self._max_size, self._seconds, self._timer = max_size, seconds, timer
        # By key: when the value is too old, and the value.
        self._values: OrderedDict[Hashable, tuple[float, Any]] = OrderedDict()
        self._lock = threading.Lock()
        _caches.add(self)

    def get(self, key: Hashable) -> Any:
        """Return the value; None when it is missing or too old."""
        with self._lock:
            expiry, value = self._values.get(key, _MISSING)
            if expiry <= self._timer():
                return None
            self._values.move_to_end(key)
            return value

    def put(self, key: Hashable, value: object) -> None:
        with self._lock:
            self._values[key] = (self._timer() + self._seconds, value)
            self._values.move_to_end(key)
            if len(self._values) > self._max_size:
                self._values.popitem(last=False)

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
