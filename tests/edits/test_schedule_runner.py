"""Schedules act at their moments, once, and leave alone what people do in between."""

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from typing import Any
from unittest.mock import Mock
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.utils import timezone

from dashboard.accounts.models import User
from dashboard.audit.models import AuditEvent
from dashboard.edits import dispatch, schedule_runner, tasks
from dashboard.edits.delivery import queue
from dashboard.edits.models import Edit, EditBatch
from dashboard.instances.models import Cloud, Instance
from dashboard.policies.models import Rule
from dashboard.schedules.models import (
    Holiday,
    HolidayCalendar,
    Override,
    Schedule,
    ScheduleRun,
    WorkingTime,
)
from tests import factories

BERLIN = ZoneInfo("Europe/Berlin")
DAYS = list(range(7))
EVENING = datetime(2026, 11, 30, 18, 59, 50, tzinfo=BERLIN)
"""Ten seconds before the stop; a Monday."""


@pytest.fixture(autouse=True)
def _no_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "enqueue", Mock())


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(EVENING, tick=False) as traveller:
        yield traveller


@pytest.fixture
def evening(db: None, clock: time_machine.Traveller) -> Schedule:
    """Stops everything at 19:00 in Berlin, and is on."""
    return make_schedule()


@pytest.fixture
def running(evening: Schedule) -> Instance:
    """One that has run since the afternoon."""
    return make_running()


def make_schedule(**fields: Any) -> Schedule:
    start, stop = fields.pop("start", None), fields.pop("stop", time(19))
    schedule = Schedule.objects.create(
        **{
            "name": "Office hours",
            "position": Schedule.objects.count() + 1,
            "time_zone": "Europe/Berlin",
            "mode": "on",
            "checked_until": timezone.now(),
        }
        | fields
    )
    WorkingTime.objects.create(schedule=schedule, weekdays=DAYS, start=start, stop=stop)
    return schedule


def make_running(**fields: Any) -> Instance:
    since = timezone.now() - timedelta(hours=3)
    return factories.make_instance(
        **{"run_started_at": since, "status_since": since, "first_seen_at": since}
        | fields
    )


def make_stopped(**fields: Any) -> Instance:
    since = timezone.now() - timedelta(hours=10)
    return factories.make_instance(
        **{"status": "STOPPED", "status_since": since, "first_seen_at": since} | fields
    )


def at(hour: int, minute: int = 0, second: int = 5, *, day: int = 30) -> datetime:
    return datetime(2026, 11, day, hour, minute, second, tzinfo=BERLIN)


def mirror_is_fresh() -> None:
    Cloud.objects.update(refreshed_at=timezone.now())


# -- at the moment ---------------------------------------------------------------------


def test_nothing_happens_before_the_moment(running: Instance) -> None:
    tasks.run_schedules()
    assert not EditBatch.objects.exists()
    assert not ScheduleRun.objects.exists()


def test_it_stops_what_runs_in_its_own_name(
    running: Instance, evening: Schedule, clock: time_machine.Traveller
) -> None:
    make_stopped()
    clock.move_to(at(19))
    tasks.run_schedules()
    edit = Edit.objects.get()
    assert (edit.instance, edit.kind, edit.actor) == (running, "stop", None)
    assert (edit.schedule, edit.scheduled_for) == (evening, at(19, second=0))
    assert edit.actor_name == "Schedule “Office hours”"
    assert edit.batch
    assert str(edit.batch.source) == "Stop of the schedule “Office hours”"
    assert edit.batch.schedule == evening
    run = ScheduleRun.objects.get()
    assert (run.state, run.kind, run.number, run.skipped) == ("done", "stop", 1, 0)
    assert run.moment == at(19, second=0)


def test_a_moment_is_handled_once_however_often_the_task_runs(
    running: Instance, clock: time_machine.Traveller
) -> None:
    clock.move_to(at(19))
    for _ in range(3):
        tasks.run_schedules()
    # Nor when the clock is set back, and the schedule was saved since.
    clock.move_to(at(18, 59))
    Schedule.objects.update(checked_until=timezone.now())
    clock.move_to(at(19, 1))
    tasks.run_schedules()
    assert Edit.objects.count() == 1
    assert ScheduleRun.objects.count() == 1


def test_nothing_remains_of_a_moment_whose_process_dies(
    running: Instance, clock: time_machine.Traveller, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock.move_to(at(19))
    with monkeypatch.context() as patched:
        patched.setattr(ScheduleRun.objects, "create", Mock(side_effect=SystemExit))
        with pytest.raises(SystemExit):
            tasks.run_schedules()
    assert not Edit.objects.exists()
    tasks.run_schedules()
    assert Edit.objects.count() == 1


def test_a_schedule_that_fails_holds_up_no_other(
    running: Instance, clock: time_machine.Traveller
) -> None:
    make_schedule(name="Broken", position=1, time_zone="Nowhere/City")
    clock.move_to(at(19))
    tasks.run_schedules()
    assert Edit.objects.get().schedule_name == "Office hours"


def test_the_audit_trail_names_the_schedule(
    running: Instance, clock: time_machine.Traveller
) -> None:
    clock.move_to(at(19))
    tasks.run_schedules()
    filed = AuditEvent.objects.filter(action__in=["edit.submitted", "batch.submitted"])
    labels = {(event.actor, event.actor_name) for event in filed}
    assert labels == {(None, "Schedule “Office hours”")}
    assert filed.count() == 2


def test_the_first_schedule_that_matches_counts(
    running: Instance, evening: Schedule, clock: time_machine.Traveller
) -> None:
    gpus = make_schedule(
        name="GPUs run on", position=0, stop=time(22), flavor_type="gpu"
    )
    cpu = make_running(flavor_type="CPU")
    clock.move_to(at(19))
    tasks.run_schedules()
    assert [edit.instance for edit in Edit.objects.all()] == [cpu]
    clock.move_to(at(22))
    tasks.run_schedules()
    assert Edit.objects.get(instance=running).schedule == gpus


def test_a_dry_run_shadows_no_other_and_records_what_it_would_do(
    running: Instance, clock: time_machine.Traveller
) -> None:
    trial = make_schedule(name="Trial", position=0, mode="dry_run")
    clock.move_to(at(19))
    tasks.run_schedules()
    assert Edit.objects.get().schedule_name == "Office hours"
    run = ScheduleRun.objects.get(schedule=trial)
    assert (run.state, run.number) == ("dry_run", 1)


def test_a_schedule_that_is_off_has_no_moments(
    running: Instance, clock: time_machine.Traveller
) -> None:
    Schedule.objects.update(mode="off")
    clock.move_to(at(19))
    tasks.run_schedules()
    assert not ScheduleRun.objects.exists()


def test_a_holiday_has_no_moments(
    running: Instance, evening: Schedule, clock: time_machine.Traveller
) -> None:
    calendar = HolidayCalendar.objects.create(name="Closed")
    Holiday.objects.create(calendar=calendar, day=EVENING.date())
    evening.holidays.add(calendar)
    clock.move_to(at(19))
    tasks.run_schedules()
    assert not ScheduleRun.objects.exists()


# -- what people do --------------------------------------------------------------------


def test_a_run_that_began_after_the_moment_goes_on(
    evening: Schedule, clock: time_machine.Traveller
) -> None:
    clock.move_to(at(19, second=3))
    make_running(run_started_at=at(19, second=1))
    make_running(run_started_at=None, stops_in=None, status_since=at(19, second=2))
    clock.move_to(at(19, second=8))
    tasks.run_schedules()
    assert not Edit.objects.exists()
    run = ScheduleRun.objects.get()
    assert (run.number, run.skipped) == (0, 2)


def test_between_the_moments_nothing_happens(
    running: Instance, evening: Schedule, clock: time_machine.Traveller
) -> None:
    clock.move_to(at(19))
    tasks.run_schedules()
    Edit.objects.all().delete()
    started = make_running(run_started_at=at(20))
    for hour in (20, 21, 23):
        clock.move_to(at(hour, 30))
        tasks.run_schedules()
    assert not Edit.objects.exists()
    clock.move_to(at(19, day=30) + timedelta(days=1))
    tasks.run_schedules()
    assert started.edits.get().kind == "stop"


def test_starts_are_off_unless_chosen(
    evening: Schedule, clock: time_machine.Traveller
) -> None:
    WorkingTime.objects.update(start=time(8))
    make_stopped()
    clock.move_to(at(8) + timedelta(days=1))
    tasks.run_schedules()
    assert not Edit.objects.exists()


def test_a_start_moment_starts_what_is_stopped(
    db: None, clock: time_machine.Traveller
) -> None:
    schedule = make_schedule(start=time(8), starts=True)
    stopped = make_stopped(generation="demanager")
    make_running()
    clock.move_to(at(8) + timedelta(days=1))
    Schedule.objects.update(checked_until=at(7, 59) + timedelta(days=1))
    tasks.run_schedules()
    edit = Edit.objects.get()
    assert (edit.instance, edit.kind, edit.patch) == (stopped, "start", {})
    assert str(edit.batch and edit.batch.source) == (
        "Start of the schedule “Office hours”"
    )
    assert ScheduleRun.objects.get().schedule == schedule


def test_what_somebody_stopped_after_the_moment_stays_stopped(
    db: None, clock: time_machine.Traveller
) -> None:
    make_schedule(start=time(19), stop=time(6), starts=True)
    make_stopped(status_since=at(19, second=2))
    clock.move_to(at(19))
    tasks.run_schedules()
    assert not Edit.objects.exists()


def test_an_override_skips_the_moment(
    running: Instance, clock: time_machine.Traveller, operator: User
) -> None:
    Override.objects.create(
        instance=running,
        kind="skip",
        skips=at(19, second=0),
        until=at(19, second=0),
        created_by=operator,
    )
    other = make_running()
    clock.move_to(at(19))
    tasks.run_schedules()
    edit = Edit.objects.get()
    assert edit.instance == other
    run = ScheduleRun.objects.get()
    assert (run.number, run.skipped) == (1, 1)
    assert edit.batch
    (skip,) = edit.batch.skips.all()
    assert str(skip.reason) == "An override of the instance skips this moment."


def test_of_a_stop_and_a_start_together_only_the_start_counts(
    db: None, clock: time_machine.Traveller
) -> None:
    schedule = make_schedule(start=time(7), stop=time(19), starts=True)
    WorkingTime.objects.create(
        schedule=schedule, weekdays=DAYS, start=time(19), stop=time(7)
    )
    make_running()
    stopped = make_stopped()
    clock.move_to(at(19))
    tasks.run_schedules()
    edit = Edit.objects.get()
    assert (edit.instance, edit.kind) == (stopped, "start")
    states = dict(ScheduleRun.objects.values_list("kind", "state"))
    assert states == {"start": "done", "stop": "done"}


# -- notebooks -------------------------------------------------------------------------


@pytest.fixture
def morning(db: None, clock: time_machine.Traveller) -> Schedule:
    """Starts at 8:00 what it stops at 19:00."""
    clock.move_to(at(7, 59) + timedelta(days=1))
    return make_schedule(start=time(8), starts=True)


def stopped_notebook(**cloud: Any) -> Instance:
    Cloud.objects.update_or_create(
        name="demo", defaults={"refreshed_at": timezone.now()} | cloud
    )
    since = timezone.now() - timedelta(hours=12)
    return factories.make_notebook(status="STOPPED", status_since=since)


def start_at_eight(clock: time_machine.Traveller) -> dict[str, Any]:
    clock.move_to(at(8, second=0) + timedelta(days=1))
    tasks.run_schedules()
    patch: dict[str, Any] = Edit.objects.get().patch
    return patch


def test_a_notebook_runs_until_the_next_stop(
    morning: Schedule, clock: time_machine.Traveller
) -> None:
    stopped_notebook(max_run_hours=24)
    run = {"auto_stop_enable": True, "auto_stop_duration": 11 * 3600}
    assert start_at_eight(clock) == run


def test_the_cloud_limits_the_run_of_a_notebook(
    morning: Schedule, clock: time_machine.Traveller
) -> None:
    stopped_notebook(max_run_hours=8)
    assert start_at_eight(clock)["auto_stop_duration"] == 8 * 3600


def test_a_policy_limits_the_run_of_a_notebook(
    morning: Schedule, clock: time_machine.Traveller
) -> None:
    Rule.objects.create(
        name="Six", reason="Money.", kind="max_hours", max_seconds=21600, mode="enforce"
    )
    stopped_notebook(max_run_hours=24)
    assert start_at_eight(clock)["auto_stop_duration"] == 6 * 3600


def test_a_notebook_is_not_started_for_less_than_an_hour(
    morning: Schedule, clock: time_machine.Traveller
) -> None:
    WorkingTime.objects.update(stop=time(8, 45))
    stopped_notebook()
    make_stopped()
    assert start_at_eight(clock) == {}
    batch = EditBatch.objects.get()
    (skip,) = batch.skips.all()
    assert str(skip.reason).startswith("Less than an hour is left until its next stop")


def test_quiet_hours_refuse_a_start(
    morning: Schedule, clock: time_machine.Traveller
) -> None:
    Rule.objects.create(
        name="Quiet",
        reason="Money.",
        kind="quiet_hours",
        quiet_from=time(7),
        quiet_until=time(9),
        time_zone="Europe/Berlin",
        mode="enforce",
    )
    make_stopped()
    clock.move_to(at(8) + timedelta(days=1))
    tasks.run_schedules()
    assert not Edit.objects.exists()
    assert ScheduleRun.objects.get().skipped == 1


# -- too late --------------------------------------------------------------------------


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


# -- daylight saving -------------------------------------------------------------------


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


# -- before it is sent -----------------------------------------------------------------


@pytest.fixture
def filed(running: Instance, clock: time_machine.Traveller) -> Edit:
    """The stop of the evening, waiting."""
    clock.move_to(at(19))
    tasks.run_schedules()
    return Edit.objects.get()


def message_of(edit: Edit) -> str:
    """Return why a worker drops it; empty if it is about to be sent."""
    delivery = queue.claim(edit.instance_id)
    edit.refresh_from_db()
    assert edit.state == ("sending" if delivery else "cancelled")
    return str(edit.message)


def test_a_worker_sends_it(filed: Edit) -> None:
    assert message_of(filed) == ""


def test_it_is_dropped_when_the_schedule_is_off(filed: Edit) -> None:
    Schedule.objects.update(mode="dry_run")
    assert message_of(filed) == "The schedule “Office hours” is no longer on."


def test_it_is_dropped_when_the_schedule_is_gone(filed: Edit) -> None:
    Schedule.objects.all().delete()
    assert message_of(filed) == "The schedule “Office hours” is no longer on."


def test_it_is_dropped_when_another_schedule_matches_first(filed: Edit) -> None:
    make_schedule(name="Night shift", position=0, stop=time(23))
    assert message_of(filed) == (
        "The schedule “Office hours” no longer applies to the instance."
    )


def test_it_is_dropped_when_an_override_covers_its_moment(
    filed: Edit, operator: User
) -> None:
    Override.objects.create(
        instance=filed.instance, kind="keep", until=at(22), created_by=operator
    )
    assert message_of(filed) == "An override of the instance skips this moment."


def test_it_is_dropped_when_another_run_has_begun(filed: Edit) -> None:
    Instance.objects.update(run_started_at=at(19, 2))
    assert message_of(filed) == (
        "A new run has started; this stop was meant for the previous one."
    )


def test_a_start_is_dropped_when_the_instance_runs(
    morning: Schedule, clock: time_machine.Traveller
) -> None:
    stopped = make_stopped()
    clock.move_to(at(8) + timedelta(days=1))
    tasks.run_schedules()
    Instance.objects.filter(pk=stopped.pk).update(status="STARTING")
    assert message_of(Edit.objects.get()) == "The instance is not stopped any more."


def test_the_catch_up_is_never_shorter_than_a_task_may_wait(
    settings: Any,
) -> None:
    assert schedule_runner.catch_up() == timedelta(minutes=30)
