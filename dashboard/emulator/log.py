import threading
from collections.abc import Callable
from dataclasses import dataclass

from .fleet import Applied


@dataclass(frozen=True)
class LogEntry:
    """A request or, with ``late_for``, the late effect of an earlier request.

    Attributes:
        number: Position in the log, from 1.
        at_ms: When the request had been read, Unix milliseconds of the cloud's clock.
        wall_ms: The same by the real clock.
        route: Name, as in app.ROUTES; ``unknown`` otherwise.
        path: Decoded path, without the query.
        request_id: ``X-Request-Id`` of the answer.
        body: Text of a write to ModelArts, else None: bodies for IAM have passwords.
        status: None if no answer was sent.
        fault: Kind of the scripted fault that applied.
        applied: What was stored; None if nothing was.
        late_for: Number of the request that has this effect.
    """

    number: int
    at_ms: int
    wall_ms: int
    method: str
    route: str
    path: str
    query: dict[str, str]
    instance_id: str | None
    request_id: str
    body: str | None
    status: int | None
    fault: str | None
    applied: Applied | None
    late_for: int | None = None


class RequestLog:
    """Append-only, in the order of the answers; safe between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: list[LogEntry] = []

    def append(self, make: Callable[[int], LogEntry]) -> LogEntry:
        with self._lock:
            entry = make(len(self._entries) + 1)
            self._entries.append(entry)
            return entry

    def entries(
        self,
        *,
        route: str | None = None,
        instance_id: str | None = None,
        after: int = 0,
    ) -> list[LogEntry]:
        """Return entries in order, those with a number greater than ``after``."""
        with self._lock:
            entries = self._entries[after:]
        return [
            entry
            for entry in entries
            if route in {None, entry.route} and instance_id in {None, entry.instance_id}
        ]
