"""Holidays from lines of text and from iCalendar files."""

from datetime import date

import pytest

from dashboard.schedules.holiday_files import (
    DaysError,
    days_text,
    parse_days,
    read_holidays,
)
from dashboard.web.calendar_files import CalendarError

TODAY = date(2026, 11, 30)
FILE = """BEGIN:VCALENDAR\r
VERSION:2.0\r
BEGIN:VEVENT\r
UID:1\r
SUMMARY:Christmas\r
DTSTART;VALUE=DATE:20201225\r
DTEND;VALUE=DATE:20201227\r
RRULE:FREQ=YEARLY\r
END:VEVENT\r
BEGIN:VEVENT\r
UID:2\r
SUMMARY:Company day\r
DTSTART;VALUE=DATE:20261226\r
END:VEVENT\r
BEGIN:VEVENT\r
UID:3\r
SUMMARY:Moved\r
STATUS:CANCELLED\r
DTSTART;VALUE=DATE:20261101\r
END:VEVENT\r
BEGIN:VEVENT\r
UID:4\r
SUMMARY:Standup\r
DTSTART:20261201T090000Z\r
DTEND:20261201T091500Z\r
RRULE:FREQ=DAILY;COUNT=3\r
END:VEVENT\r
END:VCALENDAR\r
"""


def test_lines_of_text() -> None:
    days = parse_days("2027-01-01\n\n 2026-12-25  Christmas Day \r\n2026-12-25 Xmas")
    assert days == {date(2026, 12, 25): "Xmas", date(2027, 1, 1): ""}
    assert parse_days(days_text(days)) == days


def test_each_bad_line_has_its_error() -> None:
    with pytest.raises(DaysError) as error:
        parse_days(f"2026-13-01 A\n2026-12-25 B\n25.12.2026 C\n2026-12-26 {'x' * 121}")
    assert error.value.errors == [
        "Line 1: “2026-13-01” is no date. Write 2026-12-25.",
        "Line 3: “25.12.2026” is no date. Write 2026-12-25.",
        "Line 4: the name is longer than 120 characters.",
    ]


def test_too_many_lines() -> None:
    lines = [
        f"{year}-{month:02}-{day:02}"
        for year in range(2026, 2030)
        for month in range(1, 13)
        for day in range(1, 29)
    ]
    with pytest.raises(DaysError, match="At most 1000 days"):
        parse_days("\n".join(lines))


def test_a_calendar_file() -> None:
    found = read_holidays(FILE, TODAY)
    assert list(found.days.items())[:3] == [
        (date(2026, 12, 25), "Christmas"),
        (date(2026, 12, 26), "Christmas"),
        (date(2027, 12, 25), "Christmas"),
    ]
    # Of this year and the next three.
    assert list(found.days)[-1] == date(2029, 12, 26)
    assert found.left_out == ["Standup"]


@pytest.mark.parametrize(
    ("former", "new", "reason"),
    [
        (FILE, "junk", "not a calendar"),
        ("VALUE=DATE:20261226", "VALUE=DATE:20261326", "has no valid DTSTART"),
        ("FREQ=DAILY;COUNT=3", "FREQ=HOURLY", "repeats within a day"),
        ("FREQ=DAILY;COUNT=3", "FREQ=DAILY", "more than 1000 events"),
    ],
)
def test_a_file_that_cannot_be_read(former: str, new: str, reason: str) -> None:
    with pytest.raises(CalendarError, match=reason):
        read_holidays(FILE.replace(former, new), TODAY)
