"""Schedules act at their moments, once, and leave alone what people do in between."""

from datetime import time, timedelta
from unittest.mock import Mock

import pytest
import time_machine
from django.utils import timezone

from dashboard.accounts.models import User
from dashboard.audit.models import AuditEvent
from dashboard.edits import tasks
from dashboard.edits.models import Edit, EditBatch
from dashboard.instances.models import Instance
from dashboard.schedules.models import (
    Holiday,
    HolidayCalendar,
    Override,
    Schedule,
    ScheduleRun,
    WorkingTime,
)
from tests.edits.schedules import (
    DAYS,
    EVENING,
    at,
    make_running,
    make_schedule,
    make_stopped,
)


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
