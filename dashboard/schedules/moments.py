"""When a schedule starts and stops instances. Pure functions.

A clock time that does not exist on a day, since the clocks go forward, happens at the
first minute that exists after it. One that exists twice happens once, the first time.
"""

from collections.abc import Collection, Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from .models import MomentKind, Schedule, WorkingTime

_DAY, _MINUTE = timedelta(days=1), timedelta(minutes=1)


class Moment(NamedTuple):
    """A moment at which a schedule acts.

    Attributes:
        at: In UTC.
        kind: One of ``MomentKind``.
        day: The day to whose working time it belongs.
    """

    at: datetime
    kind: str
    day: date


def moments_between(
    schedule: Schedule,
    working_times: Iterable[WorkingTime],
    holidays: Collection[date],
    *,
    since: datetime,
    until: datetime,
) -> list[Moment]:
    """Return the moments after ``since`` up to ``until``, the earliest first.

    A day that is a holiday has no working time: neither its start nor its stop is a
    moment. Of two that fall together, such as a stop and a start of the next shift,
    the stop is first. Starts are left out unless the schedule ``starts``.
    """
    rows, zone = list(working_times), schedule.zone
    found = {
        moment
        for day in _days(schedule, since.astimezone(zone), until.astimezone(zone))
        if day not in holidays
        for row in rows
        if day.weekday() in row.weekdays
        for moment in _moments_of(schedule, row, day, zone)
        if since < moment.at <= until
    }
    return sorted(found, key=lambda moment: (moment.at, moment.kind == "start"))


def at_clock_time(day: date, clock: time, zone: ZoneInfo) -> datetime:
    """Return the moment of a clock time on a day, in UTC."""
    local = datetime.combine(day, clock, tzinfo=zone)
    moment = local.astimezone(UTC)
    if moment.astimezone(zone).replace(tzinfo=None) == local.replace(tzinfo=None):
        return moment
    # It is skipped: find the minute at which the clocks go forward.
    naive = local.replace(tzinfo=UTC)
    before = local.utcoffset() or timedelta()
    after = local.replace(fold=1).utcoffset() or timedelta()
    low, high = naive - after, naive - before
    while high - low > _MINUTE:
        middle = low + (high - low) // 2
        if middle.astimezone(zone).utcoffset() == after:
            high = middle
        else:
            low = middle
    return high.replace(second=0, microsecond=0)


def _days(schedule: Schedule, since: datetime, until: datetime) -> Iterator[date]:
    # The stop of a working time may be on the day after.
    day, last = since.date() - 2 * _DAY, until.date()
    if schedule.first_day:
        day = max(day, schedule.first_day)
    if schedule.last_day:
        last = min(last, schedule.last_day)
    while day <= last:
        yield day
        day += _DAY


def _moments_of(
    schedule: Schedule, row: WorkingTime, day: date, zone: ZoneInfo
) -> Iterator[Moment]:
    if row.start is not None and schedule.starts:
        yield Moment(at_clock_time(day, row.start, zone), MomentKind.START, day)
    is_next_day = row.start is not None and row.stop <= row.start
    end = day + _DAY if is_next_day else day
    yield Moment(at_clock_time(end, row.stop, zone), MomentKind.STOP, day)
