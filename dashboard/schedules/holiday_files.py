"""Reads holidays from lines of text and from iCalendar files."""

from datetime import date, datetime, timedelta
from typing import NamedTuple

from django.utils.translation import gettext as _

from dashboard.web.calendar_files import event_name, read_calendar

MAX_DAYS = 1_000
_YEARS = 3
_LONGEST_NAME = 120
_DAY = timedelta(days=1)


class DaysError(Exception):
    """Lines that are no days; ``errors`` has one sentence for each."""

    def __init__(self, errors: list[str]) -> None:
        super().__init__(" ".join(errors))
        self.errors = errors


class HolidayFile(NamedTuple):
    """What a calendar file contains.

    Attributes:
        days: Names by day, in their order.
        left_out: Names of events with a time of day.
    """

    days: dict[date, str]
    left_out: list[str]


def parse_days(text: str) -> dict[date, str]:
    """Return the names by day of lines such as ``2026-12-25 Christmas``.

    Raises:
        DaysError: For lines that are no days, or too many lines.
    """
    days: dict[date, str] = {}
    errors = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        typed, _space, name = line.strip().partition(" ")
        try:
            day = datetime.strptime(typed, "%Y-%m-%d").date()  # noqa: DTZ007 (a day)
        except ValueError:
            errors.append(
                _("Line %(number)s: “%(typed)s” is no date. Write 2026-12-25.")
                % {"number": number, "typed": typed[:40]}
            )
            continue
        if len(name.strip()) > _LONGEST_NAME:
            errors.append(
                _("Line %(number)s: the name is longer than %(most)s characters.")
                % {"number": number, "most": _LONGEST_NAME}
            )
            continue
        days[day] = name.strip()
    if not errors and len(days) > MAX_DAYS:
        errors.append(_too_many())
    if errors:
        raise DaysError(errors)
    return dict(sorted(days.items()))


def read_holidays(text: str, today: date) -> HolidayFile:
    """Return the days of an iCalendar file from this year on, three years ahead.

    Raises:
        CalendarError: It is no calendar, or has something that cannot be read.
    """
    first = date(today.year, 1, 1)
    end = date(today.year + _YEARS + 1, 1, 1)
    calendar = read_calendar(text, since=first, until=end, most=MAX_DAYS)
    days: dict[date, str] = {}
    left_out: dict[str, None] = {}
    for event in calendar.events:
        name = event_name(event)[:_LONGEST_NAME]
        if isinstance(event.start, datetime):
            left_out[name] = None
            continue
        # The end is not part of the event; one that ends where it starts is one day.
        last = max(event.start, event.end - _DAY)
        day = max(event.start, first)
        while day <= last and day < end:
            # Two holidays may share a day.
            days[day] = days[day] if days.get(day) else name
            day += _DAY
    return HolidayFile(dict(sorted(days.items())), list(left_out))


def days_text(days: dict[date, str]) -> str:
    """Return the lines that ``parse_days`` reads."""
    return "\n".join(f"{day.isoformat()} {name}".strip() for day, name in days.items())


def _too_many() -> str:
    return _("At most %(most)s days at once.") % {"most": MAX_DAYS}
