"""How long a notebook runs that a schedule starts, and which starts are refused."""

from datetime import time, timedelta
from typing import Any

import time_machine
from django.utils import timezone

from dashboard.edits import tasks
from dashboard.edits.models import Edit, EditBatch
from dashboard.instances.models import Cloud, Instance
from dashboard.policies.models import Rule
from dashboard.schedules.models import Schedule, ScheduleRun, WorkingTime
from tests import factories
from tests.edits.schedules import at, make_stopped


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
