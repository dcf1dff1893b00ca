"""Reads a roster from an iCalendar file (RFC 5545): who is on call, and when."""

import re
from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Any, NamedTuple

from django.utils.translation import gettext as _

from dashboard.accounts.models import User
from dashboard.web.calendar_files import CalendarError, event_name, read_calendar

DAY = timedelta(days=1)
AHEAD = timedelta(days=366)
"""How far repeated shifts are read."""

MAX_SHIFTS = 5_000


class Shift(NamedTuple):
    """One turn of one person.

    Attributes:
        emails: Of the attendees, in lower case.
    """

    name: str
    emails: tuple[str, ...]
    starts_at: datetime
    ends_at: datetime

    def person_among(self, people: Iterable[User]) -> User | None:
        """Return the account of an attendee, or the one that the name contains."""
        accounts = list(people)
        for person in accounts:
            if person.email and person.email.lower() in self.emails:
                return person
        words = set(re.findall(r"[\w.@+-]+", self.name.casefold()))
        named = [
            person
            for person in accounts
            if person.get_username().casefold() in words
            or (
                (name := person.get_full_name().casefold())
                and name in self.name.casefold()
            )
        ]
        return named[0] if len(named) == 1 else None


type Roster = list[Shift]


def read_roster(text: str, *, now: datetime, zone: tzinfo) -> Roster:
    """Return the shifts that have not ended, in their order.

    Args:
        zone: For times without one, unless the calendar names its own.

    Raises:
        CalendarError: It is no calendar, or has something that cannot be read.
    """
    # From a day before: times without a zone are placed in theirs later.
    calendar = read_calendar(text, since=now - DAY, until=now + AHEAD, most=MAX_SHIFTS)
    zone = calendar.zone or zone
    shifts = [_shift_of(event, zone) for event in calendar.events]
    current = [shift for shift in shifts if shift.ends_at > now]
    return sorted(current, key=lambda shift: shift.starts_at)


def _shift_of(event: Any, zone: tzinfo) -> Shift:
    name = event_name(event) or _("On call")
    starts_at, ends_at = _moment(event.start, zone), _moment(event.end, zone)
    if ends_at <= starts_at:
        raise CalendarError(_("The event “%(name)s” has no length.") % {"name": name})
    attendees = event.get("ATTENDEE", [])
    emails = attendees if isinstance(attendees, list) else [attendees]
    return Shift(
        name,
        tuple(str(email).lower().removeprefix("mailto:") for email in emails),
        starts_at,
        ends_at,
    )


def _moment(value: date, zone: tzinfo) -> datetime:
    """Return a date, or a time perhaps without a zone, as a moment in UTC."""
    if not isinstance(value, datetime):
        value = datetime.combine(value, time.min)
    if value.tzinfo is None:
        value = value.replace(tzinfo=zone)
    return value.astimezone(UTC)
