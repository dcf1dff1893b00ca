"""The auto stop of a notebook.

Source: ``docs/modelarts-api.md``, B.5. All times are Unix milliseconds of the cloud's
clock, all durations milliseconds.
"""

from dataclasses import dataclass, replace
from typing import Any, Literal

HOUR_MS = 3_600_000
#: Asked for as a duration: no auto stop.
NO_AUTO_STOP = -1

type LeaseType = Literal["TIMING", "IDLE"]


@dataclass(frozen=True)
class LeaseRequest:
    """What a create, start or renew asks for.

    Attributes:
        duration_ms: From now, or NO_AUTO_STOP.
    """

    duration_ms: int = HOUR_MS
    type: LeaseType = "TIMING"


@dataclass(frozen=True)
class Lease:
    """A lease.

    Attributes:
        created_ms: When the notebook was created: answers count from it.
        updated_ms: Last change, heartbeats excepted.
        period_ms: What was asked for. A TIMING lease ends this long after
            ``updated_ms``, an IDLE lease this long after the last heartbeat.
    """

    created_ms: int
    updated_ms: int
    period_ms: int = HOUR_MS
    enable: bool = True
    type: LeaseType = "TIMING"

    def renewed(self, requested: LeaseRequest, now_ms: int) -> "Lease":
        """Return the lease that begins with this request."""
        if requested.duration_ms == NO_AUTO_STOP:
            return replace(self, enable=False, type=requested.type, updated_ms=now_ms)
        return replace(
            self,
            enable=True,
            type=requested.type,
            period_ms=requested.duration_ms,
            updated_ms=now_ms,
        )

    def rebased(self, now_ms: int) -> "Lease":
        """Return the lease counted from now, as on a start and on RUNNING."""
        return replace(self, updated_ms=now_ms)

    def ends_ms(self, heartbeat_ms: int) -> int | None:
        """Return when the notebook stops; None for never.

        Args:
            heartbeat_ms: Last heartbeat; it only matters to IDLE leases.
        """
        if not self.enable:
            return None
        begins_ms = self.updated_ms
        if self.type == "IDLE":
            begins_ms = max(begins_ms, heartbeat_ms)
        return begins_ms + self.period_ms

    def document(self, heartbeat_ms: int, *, with_type: bool = True) -> dict[str, Any]:
        """Return the lease as in answers: its duration counts from ``create_at``.

        Heartbeats move the end of an IDLE lease, and not ``update_at``.
        """
        ends_ms = self.ends_ms(heartbeat_ms)
        document: dict[str, Any] = {
            "create_at": self.created_ms,
            "duration": NO_AUTO_STOP if ends_ms is None else ends_ms - self.created_ms,
            "enable": self.enable,
            "update_at": self.updated_ms,
        }
        return document | ({"type": self.type} if with_type else {})
