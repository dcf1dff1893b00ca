"""Moments that Curfew was too late for, and moments around a change of the clocks."""

from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest
import time_machine

from dashboard.edits import schedule_runner, tasks
from dashboard.edits.models import Edit
from dashboard.instances.models import Cloud, Instance
from dashboard.schedules.models import ScheduleRun
from tests import factories
from tests.edits.schedules import at, make_running, make_schedule, mirror_is_fresh


@pytest.mark.parametrize(
    ("minutes", "state"), [(1, "done"), (29, "done"), (31, "missed")]
)
def test_a_moment_is_caught_up_within_half_an_hour(
    running: Instance, clock: time_machine.Traveller, minutes: int, state: str
) -> None:
    clock.move_to(at(19, minutes))
    mirror_is_fresh()
    tasks.run_schedules()
    assert ScheduleRun.objects.get().state == state
    assert Edit.objects.count() == (state == "done")


@pytest.mark.parametrize(("minutes", "state"), [(1, "done"), (3, "missed")])
def test_nothing_is_caught_up_if_that_is_off(
    running: Instance,
    clock: time_machine.Traveller,
    settings: Any,
    minutes: int,
    state: str,
) -> None:
    settings.CURFEW = settings.CURFEW.model_copy(
        update={"schedule_catch_up_minutes": 0}
    )
    clock.move_to(at(19, minutes))
    mirror_is_fresh()
    tasks.run_schedules()
    assert ScheduleRun.objects.get().state == state


def test_a_late_stop_waits_until_the_cloud_was_read(
    running: Instance, clock: time_machine.Traveller
) -> None:
    """Somebody may have started the instance while Curfew was down."""
    clock.move_to(at(19, 10))
    Cloud.objects.update(refreshed_at=at(18, 58))
    tasks.run_schedules()
    assert not ScheduleRun.objects.exists()
    mirror_is_fresh()
    Instance.objects.update(run_started_at=at(19, 4))
    tasks.run_schedules()
    assert not Edit.objects.exists()
    assert ScheduleRun.objects.get().skipped == 1


def test_a_cloud_that_cannot_be_read_holds_up_no_late_stop(
    running: Instance, clock: time_machine.Traveller
) -> None:
    factories.make_cloud("away", refreshed_at=at(12), problem_since=at(12))
    clock.move_to(at(19, 10))
    mirror_is_fresh()
    Cloud.objects.filter(name="away").update(refreshed_at=at(12))
    tasks.run_schedules()
    assert Edit.objects.count() == 1


def test_of_several_missed_moments_only_the_newest_is_caught_up(
    running: Instance, clock: time_machine.Traveller
) -> None:
    clock.move_to(at(19, 20) + timedelta(days=2))
    mirror_is_fresh()
    tasks.run_schedules()
    states = ScheduleRun.objects.order_by("moment").values_list("state", flat=True)
    assert list(states) == ["missed", "missed", "done"]
    assert Edit.objects.get().scheduled_for == at(19, second=0) + timedelta(days=2)
    missed = ScheduleRun.objects.filter(state="missed")[0]
    assert str(missed.message) == "Curfew was not running, or could not act in time."


def test_clocks_that_go_forward_do_not_skip_a_stop(db: None) -> None:
    """02:30 does not exist on 29 March 2026 in Berlin; 03:00 is the next minute."""
    with time_machine.travel(datetime(2026, 3, 29, 0, 59, 50, tzinfo=UTC), tick=False):
        make_schedule(stop=time(2, 30))
        make_running()
        tasks.run_schedules()
        assert not Edit.objects.exists()
    with time_machine.travel(datetime(2026, 3, 29, 1, 0, 5, tzinfo=UTC), tick=False):
        tasks.run_schedules()
        moment = datetime(2026, 3, 29, 1, tzinfo=UTC)
        assert Edit.objects.get().scheduled_for == moment


def test_clocks_that_go_back_do_not_stop_twice(db: None) -> None:
    """02:30 exists twice on 25 October 2026 in Berlin; the first one counts."""
    with time_machine.travel(datetime(2026, 10, 25, 0, 29, tzinfo=UTC), tick=False):
        make_schedule(stop=time(2, 30))
        make_running()
    with time_machine.travel(datetime(2026, 10, 25, 0, 30, 5, tzinfo=UTC), tick=False):
        tasks.run_schedules()
        assert Edit.objects.count() == 1
        Edit.objects.update(state="applied")
    with time_machine.travel(datetime(2026, 10, 25, 1, 30, 5, tzinfo=UTC), tick=False):
        make_running()
        tasks.run_schedules()
        assert Edit.objects.count() == 1
        assert ScheduleRun.objects.count() == 1


def test_the_catch_up_is_never_shorter_than_a_task_may_wait(settings: Any) -> None:
    assert schedule_runner.catch_up() == timedelta(minutes=30)
    settings.CURFEW = settings.CURFEW.model_copy(
        update={"schedule_catch_up_minutes": 0}
    )
    assert schedule_runner.catch_up() == schedule_runner.ON_TIME
