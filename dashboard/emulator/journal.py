"""What the statuses of all instances were, and when: for checks that need the truth."""

import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

MAX_CHANGES = 200_000
"""The oldest changes beyond this number are forgotten."""

type Step = tuple[int, str, str | None]
"""A change that was carried out: moment, status before and after; None for removed."""


@dataclass(frozen=True)
class StatusChange:
    """A change of status of one instance.

    Attributes:
        number: Position in the order of recording, from 1. A journal that does not
            begin with 1 has forgotten some.
        at_ms: When it took effect, Unix milliseconds of the cloud's clock: for a
            planned change the moment of the plan, not of the access that carried it
            out.
        before: None for a new instance.
        after: None for a removed one.
    """

    number: int
    at_ms: int
    instance_id: str
    before: str | None
    after: str | None


class Journal:
    """The changes of status since the start of the cloud; safe between threads."""

    def __init__(self, max_changes: int = MAX_CHANGES) -> None:
        self._lock = threading.Lock()
        self._changes: deque[StatusChange] = deque(maxlen=max_changes)
        self._count = 0

    def record(
        self, instance_id: str, at_ms: int, before: str | None, after: str | None
    ) -> None:
        """Add a change, unless the status is the same."""
        if before == after:
            return
        with self._lock:
            self._count += 1
            self._changes.append(
                StatusChange(self._count, at_ms, instance_id, before, after)
            )

    def record_steps(self, instance_id: str, steps: Iterable[Step]) -> None:
        for at_ms, before, after in steps:
            self.record(instance_id, at_ms, before, after)

    def changes(
        self, *, instance_id: str | None = None, after: int = 0
    ) -> list[StatusChange]:
        """Return changes by their moment; those of one instance are in their order.

        Args:
            instance_id: Only those of this instance.
            after: Only those with a greater number.
        """
        with self._lock:
            changes = list(self._changes)
        return sorted(
            (
                change
                for change in changes
                if change.number > after and instance_id in {None, change.instance_id}
            ),
            key=lambda change: change.at_ms,
        )
