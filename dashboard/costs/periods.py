"""Periods of reports: whole days in the time zone of reports."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo

from django.conf import settings
from django.utils.formats import date_format

from dashboard.web.time_zones import time_zone

DAY = timedelta(days=1)


def report_zone() -> tzinfo:
    """Return the time zone of the days of reports."""
    return time_zone(settings.CURFEW.report_time_zone)


def day_of(moment: datetime) -> date:
    """Return the day of reports that an aware moment is on."""
    return moment.astimezone(report_zone()).date()


def start_of(day: date) -> datetime:
    """Return the first moment of a day of reports."""
    return datetime.combine(day, time.min, report_zone())


@dataclass(frozen=True)
class Period:
    """Whole days, which may have a part in the future: that counts as nothing.

    Attributes:
        since: Start of the first day.
        until: End of the last day, which is the start of the next.
    """

    since: datetime
    until: datetime

    @property
    def first_day(self) -> date:
        return day_of(self.since)

    @property
    def last_day(self) -> date:
        return day_of(self.until - timedelta(microseconds=1))

    @property
    def days(self) -> list[date]:
        number = (self.last_day - self.first_day).days + 1
        return [self.first_day + index * DAY for index in range(number)]

    @property
    def label(self) -> str:
        """Its first and last day in the reader's language."""
        first, last = (
            date_format(day, "DATE_FORMAT") for day in (self.first_day, self.last_day)
        )
        return first if first == last else f"{first} \N{EN DASH} {last}"


def custom(first: date, last: date) -> Period:
    """Return the period from the first day to the last, which is part of it.

    Raises:
        ValueError: The last day is before the first.
    """
    if last < first:
        raise ValueError(f"{last} is before {first}")
    return Period(start_of(first), start_of(last + DAY))


def this_week(now: datetime) -> Period:
    """Return the week that a moment is in, from Monday to Sunday."""
    monday = monday_of(day_of(now))
    return custom(monday, monday + 6 * DAY)


def last_week(now: datetime) -> Period:
    return this_week(this_week(now).since - DAY / 2)


def this_month(now: datetime) -> Period:
    """Return the calendar month that a moment is in."""
    first = day_of(now).replace(day=1)
    next_month = (first + 31 * DAY).replace(day=1)
    return custom(first, next_month - DAY)


def last_month(now: datetime) -> Period:
    return this_month(this_month(now).since - DAY / 2)


def monday_of(day: date) -> date:
    """Return the first day of the week that a day is in."""
    return day - day.weekday() * DAY
