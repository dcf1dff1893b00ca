"""How long an idle lease lets a notebook be unused, where that is known."""

from dashboard.modelarts.instance_state import InstanceState
from dashboard.modelarts.limits import MAX_RUN_SECONDS, MIN_RUN_SECONDS

_MINUTE_MS = 60_000

_ROUNDING_MS = 1_000
"""A time this close to a whole minute counts as one."""

_CLOCK_MS = 5_000
"""How wrong the cloud's time may be that we work with; see ``clock_skew``."""


def known_idle_seconds(
    state: InstanceState, now_ms: int, *, earlier_end_ms: int | None = None
) -> int | None:
    """Return how long the notebook may be unused; None if that is not certain.

    The cloud does not report it. The lease ends one idle time after the last use, and
    use moves its end without changing ``update_at`` (B.5). So the idle time is at most
    the time from that change to any end seen since, and at least the time from now to
    the end. It is known if just one whole number of minutes lies in between.

    Args:
        state: Of an instance with an idle lease; else the result is None.
        now_ms: By the cloud's clock, Unix ms.
        earlier_end_ms: An earlier end of the same lease, by the cloud's clock, Unix ms.
    """
    end_ms, changed_ms = state.idle_stop_ms, state.lease_updated_ms
    if end_ms is None or changed_ms is None:
        return None
    first_end_ms = end_ms if earlier_end_ms is None else min(end_ms, earlier_end_ms)
    most_ms = min(first_end_ms - changed_ms, MAX_RUN_SECONDS * 1_000) + _ROUNDING_MS
    least_ms = max(end_ms - now_ms - _CLOCK_MS, MIN_RUN_SECONDS * 1_000) - _ROUNDING_MS
    whole_ms = most_ms // _MINUTE_MS * _MINUTE_MS
    is_certain = whole_ms - _MINUTE_MS < least_ms <= whole_ms
    return whole_ms // 1_000 if is_certain else None
