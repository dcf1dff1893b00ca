"""How long a write whose end is unknown is looked for."""

from datetime import timedelta
from typing import Any

SETTLE = timedelta(seconds=60)
"""How long a write without a known end may still land: the gateway's own patience,
which is not published, so this is our assumption."""

RECHECK = timedelta(seconds=15)


def begin(lane: Any) -> None:
    """Look for a late write from now on.

    Args:
        lane: Locked, with ``now``; it is left to the caller to save.
    """
    lane.unsettled_until = lane.now + SETTLE
    lane.recheck_at = lane.now + RECHECK


def plan(lane: Any, *, again: bool, failed: bool, soon: bool = False) -> None:
    """A write that may still land is looked for until its time is over.

    Args:
        lane: Locked, with ``now``; it is left to the caller to save.
        again: Whether the turn has left another such write, or has seen one land: then
            the time begins again.
        failed: Whether the turn could not see the instance.
        soon: Whether a late write was seen and is still to be dealt with.
    """
    if again:
        begin(lane)
        if soon:
            lane.recheck_at = lane.now
    elif failed and lane.recheck_at:
        # Not seen, so not over.
        lane.recheck_at = lane.now + RECHECK
    elif lane.unsettled_until is None or lane.unsettled_until <= lane.now:
        lane.unsettled_until = lane.recheck_at = None
        lane.repairs = 0
    else:
        lane.recheck_at = min(lane.now + RECHECK, lane.unsettled_until)
