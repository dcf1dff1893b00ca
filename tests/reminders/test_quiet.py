"""Quiet hours, over midnight and over the change of the clocks."""

from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, strategies as st

from dashboard.reminders.models import Preferences

BERLIN = ZoneInfo("Europe/Berlin")


def quiet_hours_end(
    start: time | None, end: time | None, now: datetime
) -> datetime | None:
    preferences = Preferences(
        quiet_from=start, quiet_until=end, time_zone="Europe/Berlin"
    )
    return preferences.quiet_hours_end(now)


@pytest.mark.parametrize(
    ("start", "end", "now_text", "until"),
    [
        (time(22), time(6), "2026-11-25T21:59", None),
        (time(22), time(6), "2026-11-25T22:00", "2026-11-26T06:00"),
        (time(22), time(6), "2026-11-26T05:59", "2026-11-26T06:00"),
        (time(22), time(6), "2026-11-26T06:00", None),
        (time(12), time(13), "2026-11-25T12:30", "2026-11-25T13:00"),
        (time(12), time(13), "2026-11-25T13:30", None),
        # The night on which an hour is skipped, and the one on which one comes twice.
        (time(22), time(6), "2026-03-28T23:00", "2026-03-29T06:00"),
        (time(22), time(6), "2026-10-24T23:00", "2026-10-25T06:00"),
        (time(8), time(8), "2026-11-25T08:00", None),
    ],
)
def test_over_midnight(
    start: time, end: time, now_text: str, until: str | None
) -> None:
    now = datetime.fromisoformat(now_text).replace(tzinfo=BERLIN)
    end_of_quiet = quiet_hours_end(start, end, now)
    local = (
        end_of_quiet
        and end_of_quiet.astimezone(BERLIN).isoformat(timespec="minutes")[:16]
    )
    assert local == until


def test_none() -> None:
    assert quiet_hours_end(None, None, datetime.now(UTC)) is None


@given(st.times(), st.times(), st.datetimes(timezones=st.just(UTC)))
def test_the_end_is_never_past_nor_more_than_a_day_away(
    start: time, end: time, now: datetime
) -> None:
    now = now.replace(year=2026, day=min(now.day, 28))
    end_of_quiet = quiet_hours_end(start, end, now)
    assert (
        end_of_quiet is None or 0 <= (end_of_quiet - now).total_seconds() <= 25 * 3600
    )
