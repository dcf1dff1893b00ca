"""What a schedule would have done last week, and its next two weeks."""

from datetime import UTC, date, datetime, time, timedelta

import pytest

from dashboard.instances.models import Instance, InstanceEvent
from dashboard.schedules.display import times_text
from dashboard.schedules.history import history
from dashboard.schedules.models import WorkingTime
from dashboard.schedules.two_weeks import Span, two_weeks
from tests.factories import make_instance

from .conftest import WORKDAYS, make_schedule

pytestmark = pytest.mark.django_db

# A Monday; the last stop was on Friday at 18:00 UTC.
NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
LONG_AGO = NOW - timedelta(days=60)
HOUR = timedelta(hours=1)
FRIDAY_STOP = datetime(2026, 11, 27, 18, tzinfo=UTC)


def seen(instance: Instance, *changes: tuple[datetime, str, str]) -> Instance:
    for at, before, after in changes:
        InstanceEvent.objects.create(
            instance=instance, at=at, from_status=before, to_status=after
        )
    return instance


def test_it_would_have_stopped_what_ran_at_its_moments() -> None:
    schedule = make_schedule(weekdays=[4])
    ran = seen(
        make_instance(status="STOPPED", first_seen_at=LONG_AGO),
        (FRIDAY_STOP - HOUR, "STOPPED", "RUNNING"),
        (FRIDAY_STOP + 2 * HOUR, "RUNNING", "STOPPED"),
    )
    # It ran all the time, so nothing was recorded.
    always = make_instance(first_seen_at=LONG_AGO)
    # Stopped just then, started just after, and first seen later.
    seen(
        make_instance(status="STOPPED", first_seen_at=LONG_AGO),
        (FRIDAY_STOP, "RUNNING", "STOPPED"),
    )
    seen(
        make_instance(first_seen_at=LONG_AGO),
        (FRIDAY_STOP + HOUR, "STOPPED", "RUNNING"),
    )
    make_instance(first_seen_at=FRIDAY_STOP + HOUR)
    found = history(schedule, NOW)
    assert [past.moment.at for past in found.moments] == [FRIDAY_STOP]
    assert set(found.moments[0].instances) == {ran, always}
    assert (found.stopped, found.started) == (2, 0)
    assert found.saved == 2 * HOUR + (NOW - FRIDAY_STOP)


def test_starts_count_what_was_stopped_and_time_ends_at_the_next_moment() -> None:
    schedule = make_schedule(weekdays=[3, 4], starts=True)
    stopped = make_instance(status="STOPPED", first_seen_at=LONG_AGO)
    make_instance(status="CREATE_FAILED", first_seen_at=LONG_AGO)
    running = make_instance(first_seen_at=LONG_AGO)
    found = history(schedule, NOW)
    assert [(past.moment.kind, past.instances) for past in found.moments] == [
        *[("stop", [running]), ("start", [stopped])] * 2,
    ]
    # From Thursday's stop to Friday's start, and from Friday's stop until now.
    assert found.saved == 13 * HOUR + (NOW - FRIDAY_STOP)


def test_only_the_instances_that_it_concerns_count() -> None:
    first = make_schedule(flavor_type="GPU", weekdays=[])
    schedule = make_schedule()
    make_instance(first_seen_at=LONG_AGO)
    cpu = make_instance(first_seen_at=LONG_AGO, flavor_type="CPU")
    assert history(first, NOW).moments == []
    moments = history(schedule, NOW).moments
    assert len(moments) == 5
    assert all(past.instances == [cpu] for past in moments)


def test_it_says_since_when_the_instances_are_known() -> None:
    schedule = make_schedule()
    make_instance(first_seen_at=FRIDAY_STOP + HOUR)
    assert history(schedule, NOW).known_since == FRIDAY_STOP + HOUR
    make_instance(first_seen_at=LONG_AGO)
    assert history(schedule, NOW).known_since is None


def test_the_days_of_two_weeks() -> None:
    schedule = make_schedule(
        starts=True,
        holidays=[date(2026, 12, 2)],
        first_day=date(2026, 12, 1),
        last_day=date(2026, 12, 8),
    )
    days = two_weeks(schedule, NOW)
    assert [item.day for item in days][::13] == [date(2026, 11, 30), date(2026, 12, 13)]
    monday, tuesday, wednesday = days[:3]
    assert monday.is_outside
    assert monday.marks == []
    assert tuesday.spans == [Span(8 * 60, 11 * 60)]
    assert [(mark.is_start, mark.clock) for mark in tuesday.marks] == [
        (True, "08:00"),
        (False, "19:00"),
    ]
    assert wednesday.holiday == "A holiday"
    assert (wednesday.spans, wednesday.marks) == ([], [])
    assert [item.is_outside for item in days[9:]] == [True] * 5


def test_a_night_and_the_moments_of_today_that_have_passed() -> None:
    schedule = make_schedule(weekdays=[6, 0], start=time(22), stop=time(6), starts=True)
    monday, tuesday, *_ = two_weeks(schedule, NOW)
    assert monday.spans == [Span(0, 6 * 60), Span(22 * 60, 2 * 60)]
    assert [mark.clock for mark in monday.marks] == ["06:00", "22:00"]
    assert tuesday.spans == [Span(0, 6 * 60)]
    assert [mark.minute for mark in tuesday.marks] == [360]


def test_a_stop_at_midnight_and_one_without_a_start() -> None:
    schedule = make_schedule(weekdays=[0], stop=time(0))
    monday, tuesday, *_ = two_weeks(schedule, NOW)
    assert monday.spans == [Span(8 * 60, 16 * 60)]
    assert tuesday.spans == []
    assert [mark.clock for mark in tuesday.marks] == ["00:00"]
    evening = make_schedule(weekdays=[0], start=None)
    monday, *_ = two_weeks(evening, NOW)
    assert monday.spans == []
    assert [mark.clock for mark in monday.marks] == ["19:00"]


def test_a_moment_is_shown_where_the_clock_has_it() -> None:
    """On the day when clocks go forward at 02:00, a stop at 02:30 is at 03:00."""
    schedule = make_schedule(weekdays=[6], start=None, stop=time(2, 30))
    days = two_weeks(schedule, datetime(2027, 3, 27, 12, tzinfo=UTC))
    assert [mark.clock for mark in days[1].marks] == ["03:00"]


def test_working_times_as_text() -> None:
    rows = [
        WorkingTime(weekdays=WORKDAYS, start=time(8), stop=time(19)),
        WorkingTime(weekdays=[5, 6, 1], start=None, stop=time(13, 5)),
    ]
    assert (
        times_text(rows)
        == "Mon\N{EN DASH}Fri 08:00\N{EN DASH}19:00; Tue, Sat, Sun, stop 13:05"
    )
