"""Schedules for tests."""

from collections.abc import Sequence
from datetime import date, time
from typing import Any

from dashboard.schedules.models import (
    Holiday,
    HolidayCalendar,
    Schedule,
    WorkingTime,
)

WORKDAYS = [0, 1, 2, 3, 4]


def make_schedule(
    *,
    weekdays: Sequence[int] = WORKDAYS,
    start: time | None = time(8),
    stop: time = time(19),
    holidays: Sequence[date] = (),
    **fields: Any,
) -> Schedule:
    """Create a schedule that is on: office hours of Berlin, for all instances."""
    number = Schedule.objects.count() + 1
    defaults: dict[str, Any] = {
        "name": f"Office hours {number}",
        "position": number,
        "time_zone": "Europe/Berlin",
        "mode": Schedule.Mode.ON,
    }
    schedule = Schedule.objects.create(**(defaults | fields))
    WorkingTime.objects.create(
        schedule=schedule, weekdays=list(weekdays), start=start, stop=stop
    )
    if holidays:
        calendar = HolidayCalendar.objects.create(name=f"Holidays {number}")
        for day in holidays:
            Holiday.objects.create(calendar=calendar, day=day, name="A holiday")
        schedule.holidays.add(calendar)
    return schedule
