"""What a worker asks again before it sends an edit of a schedule."""

from datetime import time, timedelta

import pytest
import time_machine

from dashboard.accounts.models import User
from dashboard.edits import tasks
from dashboard.edits.delivery import queue
from dashboard.edits.models import Edit
from dashboard.instances.models import Instance
from dashboard.schedules.models import Override, Schedule
from tests.edits.schedules import at, make_schedule, make_stopped


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
