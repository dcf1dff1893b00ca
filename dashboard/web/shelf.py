"""What a process remembers, so that it need not be worked out again at once.

A shelf is for what its key says all about: whoever changes the thing changes the key.
So nothing is ever taken off because it became wrong; the age is a second bound, for the
day when somebody forgets to change a key.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from weakref import WeakSet

_shelves: "WeakSet[Shelf[object]]" = WeakSet()


class Shelf[Thing]:
    """The things that were used last, none older than some seconds. Thread-safe.

    What lies here is shared by all threads: nobody may change it.
    """

    def __init__(self, *, most: int, seconds: float) -> None:
        self._most, self._seconds = most, seconds
        self._things: OrderedDict[Hashable, tuple[float, Thing]] = OrderedDict()
        self._lock = threading.Lock()
        _shelves.add(self)  # type: ignore[arg-type]  # only ever emptied

    def get(self, key: Hashable) -> Thing | None:
        """The thing; None when it is not here, or too old."""
        oldest = time.monotonic() - self._seconds
        with self._lock:
            put_at, thing = self._things.get(key, (oldest, None))
            if put_at <= oldest:
                return None
            self._things.move_to_end(key)
            return thing

    def put(self, key: Hashable, thing: Thing) -> None:
        """Remember it; what was used least makes room."""
        with self._lock:
            self._things[key] = (time.monotonic(), thing)
            self._things.move_to_end(key)
            while len(self._things) > self._most:
                self._things.popitem(last=False)

    def recall(self, key: Hashable, work_out: Callable[[], Thing]) -> Thing:
        """The thing, worked out if need be; by several threads at once, perhaps."""
        found = self.get(key)
        if found is None:
            found = work_out()
            self.put(key, found)
        return found

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            self._things.clear()


def forget_all() -> None:
    """Empty every shelf of this process: the database is another one."""
    for shelf in list(_shelves):
        shelf.clear()
