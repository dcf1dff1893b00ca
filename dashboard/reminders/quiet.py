"""Quiet hours: wall time in somebody's zone. Pure functions."""

import zoneinfo
from datetime import UTC, datetime, time, timedelta


def quiet_hours_end(
    start: time | None, end: time | None, zone: zoneinfo.ZoneInfo, now: datetime
) -> datetime | None:
    """When the quiet hours end that ``now`` lies in; None outside of them.

    Args:
        start: When they begin each day; None for none.
        end: When they end; before ``start``: on the next day.
        zone: Where these are told.
        now: Aware.
    """
    if start is None or end is None or start == end:
        return None
    here = now.astimezone(zone)
    if start < end:
        is_quiet, day = start <= here.time() < end, here.date()
    else:
        is_quiet = here.time() >= start or here.time() < end
        day = here.date() + timedelta(days=here.time() >= start)
    if not is_quiet:
        return None
    # By way of UTC: a wall time that the change to summer time leaves out has a moment.
    return max(datetime.combine(day, end, zone).astimezone(UTC), now)
