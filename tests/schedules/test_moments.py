from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

import pytest

from dashboard.schedules.models import Schedule, WorkingTime
from dashboard.schedules.moments import at_clock_time, moments_between

WORKDAYS = [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("zone", "day", "clock", "moment"),
    [
        # Clocks go forward from 02:00 to 03:00, and back from 03:00 to 02:00.
        ("Europe/Berlin", "2027-03-28", "02:30", "2027-03-28T01:00"),
        ("Europe/Berlin", "2027-03-28", "03:00", "2027-03-28T01:00"),
        ("Europe/Berlin", "2026-10-25", "02:30", "2026-10-25T00:30"),
        ("Asia/Kolkata", "2026-11-30", "19:00", "2026-11-30T13:30"),
        ("America/St_Johns", "2027-03-14", "02:15", "2027-03-14T05:30"),
        ("America/St_Johns", "2026-11-01", "01:15", "2026-11-01T03:45"),
        # Samoa left out 30 December 2011.
        ("Pacific/Apia", "2011-12-30", "19:00", "2011-12-30T10:00"),
        ("Pacific/Apia", "2011-12-31", "19:00", "2011-12-31T05:00"),
    ],
)
def test_clock_times_when_clocks_change(
    zone: str, day: str, clock: str, moment: str
) -> None:
    found = at_clock_time(
        date.fromisoformat(day), time.fromisoformat(clock), ZoneInfo(zone)
    )
    assert found == datetime.fromisoformat(moment).replace(tzinfo=UTC)


def _schedule(**fields: object) -> Schedule:
    return Schedule(name="Office", time_zone="Europe/Berlin", **fields)  # type: ignore[misc]


def test_working_times_of_a_week() -> None:
    office = WorkingTime(weekdays=WORKDAYS, start=time(8), stop=time(19))
    since = datetime(2026, 11, 27, 12, tzinfo=UTC)  # a Friday
    until = datetime(2026, 11, 30, 18, tzinfo=UTC)
    found = moments_between(
        _schedule(starts=True), [office], (), since=since, until=until
    )
    assert [(f"{moment.at:%a %H:%M}", moment.kind) for moment in found] == [
        ("Fri 18:00", "stop"),
        ("Mon 07:00", "start"),
        ("Mon 18:00", "stop"),
    ]
    stops = moments_between(_schedule(), [office], (), since=since, until=until)
    assert {moment.kind for moment in stops} == {"stop"}


def test_holidays_and_the_first_and_last_day_have_no_moments() -> None:
    office = WorkingTime(weekdays=WORKDAYS, stop=time(19))
    schedule = _schedule(first_day=date(2026, 12, 22), last_day=date(2026, 12, 28))
    found = moments_between(
        schedule,
        [office],
        {date(2026, 12, 25)},
        since=datetime(2026, 12, 1, tzinfo=UTC),
        until=datetime(2026, 12, 31, tzinfo=UTC),
    )
    assert [moment.day.day for moment in found] == [22, 23, 24, 28]


def test_a_night_shift_ends_on_the_next_day() -> None:
    night = WorkingTime(weekdays=[6], start=time(22), stop=time(6))
    found = moments_between(
        _schedule(starts=True),
        [night],
        (),
        since=datetime(2026, 11, 29, tzinfo=UTC),
        until=datetime(2026, 12, 1, tzinfo=UTC),
    )
    assert [(f"{moment.at:%a %H:%M}", moment.kind) for moment in found] == [
        ("Sun 21:00", "start"),
        ("Mon 05:00", "stop"),
    ]


def test_a_moment_counts_once() -> None:
    """Neither for two rows of working time, nor in the night when clocks go back."""
    rows = [WorkingTime(weekdays=[6], stop=time(2, 30)) for _ in range(2)]
    found = moments_between(
        _schedule(),
        rows,
        (),
        since=datetime(2026, 10, 24, tzinfo=UTC),
        until=datetime(2026, 10, 26, tzinfo=UTC),
    )
    assert [moment.at for moment in found] == [
        datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    ]
    again = moments_between(
        _schedule(),
        rows,
        (),
        since=found[0].at,
        until=datetime(2026, 10, 26, tzinfo=UTC),
    )
    assert again == []
