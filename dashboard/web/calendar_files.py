"""Reads the events of iCalendar files (RFC 5545)."""

from datetime import date, datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo, available_timezones

import recurring_ical_events
from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext as _
from icalendar import Calendar

MOST_BYTES = 500_000
_TIMES = ("DTSTART", "DTEND", "DURATION", "RRULE", "RDATE", "EXDATE", "RECURRENCE-ID")
_OFTEN = {"SECONDLY", "MINUTELY", "HOURLY"}
_WITHIN_A_DAY = {"BYHOUR", "BYMINUTE", "BYSECOND"}


class CalendarError(Exception):
    """The file cannot be read; the message gives people the reason."""


class CalendarFile(NamedTuple):
    """What a file says about some time.

    Attributes:
        events: Repeated ones once each time, cancelled ones left out; objects of the
            library, with ``start`` and ``end``: a date or a datetime.
        zone: The zone that the calendar names for times without one.
    """

    events: list[Any]
    zone: ZoneInfo | None


def text_of(file: "UploadedFile[bytes]") -> str:
    """Return the text of an uploaded file.

    Raises:
        CalendarError: It is too large, or no text.
    """
    if (file.size or 0) > MOST_BYTES:
        raise CalendarError(_("The file is larger than 500 kB."))
    try:
        text: str = file.read().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise CalendarError(
            _("The file is not text. Choose a calendar file (.ics).")
        ) from None
    return text


def read_calendar(
    text: str, *, since: date | datetime, until: date | datetime, most: int
) -> CalendarFile:
    """Return the events that overlap a span of time.

    Args:
        most: How many there may be.

    Raises:
        CalendarError: It is no calendar, or has something that cannot be read.
    """
    try:
        calendar: Any = Calendar.from_ical(text)
    except ValueError:
        raise CalendarError(_not_a_calendar()) from None
    events = calendar.walk("VEVENT")
    if not events:
        raise CalendarError(_not_a_calendar())
    for event in events:
        _refuse_what_is_broken(event)
    named = calendar.get("X-WR-TIMEZONE")
    zone = known_zone(str(named)) if named else None
    try:
        found = recurring_ical_events.of(calendar).between(since, until)
    except (ValueError, OverflowError):
        raise CalendarError(_("The times of this calendar cannot be read.")) from None
    if len(found) > most:
        raise CalendarError(
            _("The file has more than %(most)s events. Export a shorter period.")
            % {"most": most}
        )
    kept = [
        event for event in found if str(event.get("STATUS", "")).upper() != "CANCELLED"
    ]
    return CalendarFile(kept, zone)


def event_name(event: Any) -> str:
    """Return the name of an event on one line; it may be empty."""
    return str(event.get("SUMMARY", "")).replace("\n", " ")[:200]


def known_zone(name: str) -> ZoneInfo:
    """Return a time zone of the tz database.

    Raises:
        CalendarError: There is none of this name.
    """
    if name not in available_timezones():
        raise CalendarError(
            _("Curfew does not know the time zone “%(name)s”.") % {"name": name[:80]}
        )
    return ZoneInfo(name)


def _refuse_what_is_broken(event: Any) -> None:
    name = event_name(event)
    broken = {key for key, _error in event.errors}
    for key in _TIMES:
        if key in broken or (key == "DTSTART" and key not in event):
            raise CalendarError(
                _("The event “%(name)s” has no valid %(field)s.")
                % {"name": name, "field": key}
            )
    named = event["DTSTART"].params.get("TZID")
    moment = event["DTSTART"].dt
    # A calendar may define a zone of its own.
    if named and isinstance(moment, datetime) and moment.tzinfo is None:
        known_zone(named)
    rules = event.get("RRULE", [])
    for rule in rules if isinstance(rules, list) else [rules]:
        # Nobody has such events, and their number has no bound.
        if _OFTEN & set(rule.get("FREQ", ())) or _WITHIN_A_DAY & rule.keys():
            raise CalendarError(
                _("“%(name)s” repeats within a day. Export its events one by one.")
                % {"name": name}
            )


def _not_a_calendar() -> str:
    return _("This is not a calendar with events (.ics).")
