"""The next two weeks of a schedule, day by day, for its picture and its table."""

from datetime import date, datetime, time, timedelta
from typing import NamedTuple

from .models import MomentKind, Schedule, WorkingTime
from .moments import Moment
from .selectors import holidays_of, moments_of

DAYS = 14
MINUTES_PER_DAY = 24 * 60
_DAY = timedelta(days=1)


class Span(NamedTuple):
    """A part of a day with working time, in minutes of its clock."""

    begin: int
    length: int


class Mark(NamedTuple):
    """A moment on its day.

    Attributes:
        minute: Of the day, by the clock of the schedule's zone.
        clock: The same as text, ``19:00``.
    """

    moment: Moment
    minute: int
    clock: str

    @property
    def is_start(self) -> bool:
        return self.moment.kind == MomentKind.START


class Day(NamedTuple):
    """One day, in the zone of the schedule.

    Attributes:
        spans: Its working time; also a part that began on the day before.
        marks: The moments on it, the earliest first.
        holiday: The name of the holiday; None on another day.
        is_outside: Before the first day of the schedule, or after its last one.
    """

    day: date
    spans: list[Span]
    marks: list[Mark]
    holiday: str | None
    is_outside: bool


def two_weeks(schedule: Schedule, now: datetime) -> list[Day]:
    """Return the days from today on, whether or not the schedule is on.

    Today has its moments that have passed, too.
    """
    zone, holidays = schedule.zone, holidays_of(schedule)
    today = now.astimezone(zone).date()
    begin = datetime.combine(today, time(), tzinfo=zone)
    end = datetime.combine(today + DAYS * _DAY, time(), tzinfo=zone)
    marks: dict[date, list[Mark]] = {}
    since = begin - timedelta(microseconds=1)
    for moment in moments_of(schedule, since=since, until=end):
        local = moment.at.astimezone(zone)
        minute = local.hour * 60 + local.minute
        mark = Mark(moment, minute, local.strftime("%H:%M"))
        marks.setdefault(local.date(), []).append(mark)
    rows = list(schedule.working_times.all())
    days = []
    for number in range(DAYS):
        day = today + number * _DAY
        spans = [
            span
            for begun in (day - _DAY, day)
            if begun not in holidays and not _is_outside(schedule, begun)
            for row in rows
            if begun.weekday() in row.weekdays
            and (span := _span(row, is_next_day=begun < day))
        ]
        is_outside = _is_outside(schedule, day)
        days.append(Day(day, spans, marks.get(day, []), holidays.get(day), is_outside))
    return days


def _span(row: WorkingTime, *, is_next_day: bool) -> Span | None:
    """Return the part of a working time on the day it begins, or on the next one."""
    if row.start is None:
        return None
    begin, end = (clock.hour * 60 + clock.minute for clock in (row.start, row.stop))
    is_overnight = end <= begin
    if is_next_day:
        return Span(0, end) if is_overnight and end else None
    return Span(begin, (MINUTES_PER_DAY if is_overnight else end) - begin)


def _is_outside(schedule: Schedule, day: date) -> bool:
    first, last = schedule.first_day, schedule.last_day
    return bool((first and day < first) or (last and day > last))
