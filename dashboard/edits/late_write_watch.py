"""How long a write whose end is unknown is looked for."""

from datetime import timedelta
from typing import Any

WATCH_FOR = timedelta(seconds=60)
"""How long a write without a known end may still land: the gateway's own patience,
which is not published, so this is our assumption."""

RECHECK = timedelta(seconds=15)


def begin(queue: Any) -> None:
    """Look for a late write from now on.

    Args:
        queue: Locked, with ``now``; it is left to the caller to save.
    """
    queue.late_write_until = queue.now + WATCH_FOR
    queue.recheck_at = queue.now + RECHECK


def plan(queue: Any, *, again: bool, failed: bool, soon: bool = False) -> None:
    """A write that may still land is looked for until its time is over.

    Args:
        queue: Locked, with ``now``; it is left to the caller to save.
        again: Whether the delivery has left another such write, or has seen one land:
            then
            the time begins again.
        failed: Whether the delivery could not see the instance.
        soon: Whether a late write was seen and is still to be dealt with.
    """
    if again:
        begin(queue)
        if soon:
            queue.recheck_at = queue.now
    elif failed and queue.recheck_at:
        # Not seen, so not over.
        queue.recheck_at = queue.now + RECHECK
    elif queue.late_write_until is None or queue.late_write_until <= queue.now:
        queue.late_write_until = queue.recheck_at = None
        queue.repairs = 0
    else:
        queue.recheck_at = min(queue.now + RECHECK, queue.late_write_until)
