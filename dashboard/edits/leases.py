"""Leases: how the current run of a notebook ends. Pure functions.

A lease is a dict in one of two forms, named as in ``Edit.patch``::

    {"lease_type": "timing", "stop_timestamp_ms": …}   a fixed end, the cloud's clock
    {"lease_type": "idle", "idle_seconds": …}          an end once nobody uses it

The idle time is None if it is not known. In the cloud's values it is the most that it
may be.

The cloud takes a duration that it counts from its own now. Its end is therefore later
than the requested one by the time that the request was under way.
"""

from collections.abc import Mapping
from typing import Any

from dashboard.modelarts.instance_state import IDLE, TIMING

LEASE = "lease"
"""The field, besides those of ``Edit.patch``, whose value is a lease."""

FIELDS = ("stop_timestamp_ms", "lease_type", "idle_seconds")
"""Named as in ``Instance``."""

TOLERANCE_MS = 5_000
"""Ends that are this close count as the same: durations are sent in whole seconds, and
the cloud's clock is read in whole seconds."""

MAX_LATE_MS = 120_000
"""How much later than requested an end may be because its request was under way."""

type Lease = dict[str, Any]


def lease_of(values: Mapping[str, Any]) -> Lease | None:
    """Return the lease in the values of a cloud, a mirror or a patch.

    None if there is none, or if its end is unknown.
    """
    if values.get("lease_type") == IDLE:
        return {"lease_type": IDLE, "idle_seconds": values.get("idle_seconds")}
    end_ms = values.get("stop_timestamp_ms")
    if end_ms is None:
        return None
    return {"lease_type": TIMING, "stop_timestamp_ms": end_ms}


def requested_lease(patch: Mapping[str, Any]) -> Lease:
    """Return the lease that an extension asks for.

    Raises:
        ValueError: It is no extension.
    """
    lease = lease_of(patch)
    if lease is None:
        raise ValueError("no lease is asked for")
    return lease


def is_same(left: Lease | None, right: Lease | None) -> bool:
    """Whether two leases are the same, as far as the cloud tells.

    It does not say how long a notebook may be unused: every use moves that end.
    """
    if left is None or right is None:
        return left is right
    return _is_later_by(left, right, -TOLERANCE_MS, TOLERANCE_MS)


def is_effect(requested: Lease, current: Lease | None) -> bool:
    """Whether a lease may be what the cloud made of a request."""
    return _is_later_by(requested, current, -TOLERANCE_MS, MAX_LATE_MS)


def is_met(requested: Lease, current: Lease | None) -> bool:
    """Whether a run lasts at least as long as requested, as far as is known."""
    if current is None or not _is_later_by(requested, current, -TOLERANCE_MS, None):
        return False
    if requested["lease_type"] != IDLE:
        return True
    # Another time without use is another request, whether longer or shorter.
    unused = current["idle_seconds"]
    if unused is None:
        return False
    return bool(abs(unused - requested["idle_seconds"]) * 1000 <= TOLERANCE_MS)


def is_shorter_end(current: Lease, other: Lease) -> bool:
    """Whether both leases have a fixed end, and the first ends earlier."""
    types = {current["lease_type"], other["lease_type"]}
    return types == {TIMING} and not is_met(other, current)


def _is_later_by(
    first: Lease, second: Lease | None, least_ms: int, most_ms: int | None
) -> bool:
    """Whether the second lease has the same type and an end that much later."""
    if second is None or first["lease_type"] != second["lease_type"]:
        return False
    if first["lease_type"] == IDLE:
        return True
    later_ms: int = second["stop_timestamp_ms"] - first["stop_timestamp_ms"]
    return least_ms <= later_ms and (most_ms is None or later_ms <= most_ms)
