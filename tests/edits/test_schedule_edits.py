"""The edits of schedules on pages, in the API, and in the cloud."""

from datetime import time, timedelta
from typing import Any
from unittest.mock import Mock

import pytest
from django.test import Client
from django.utils import timezone

from dashboard.accounts.models import User
from dashboard.audit.models import AuditEvent
from dashboard.edits import dispatch, schedule_runner
from dashboard.edits.models import Edit, EditBatch
from dashboard.edits.services import undo_edit
from dashboard.emulator import Emulator
from dashboard.instances.activity import activity
from dashboard.instances.models import Instance
from dashboard.instances.refresh import refresh_cloud
from dashboard.schedules import services
from dashboard.schedules.models import Schedule, ScheduleRun, WorkingTime

from .deliveries import deliver


@pytest.fixture(autouse=True)
def _no_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "enqueue", Mock())


def schedule_that_stops_now(**fields: Any) -> Schedule:
    """One whose stop was a second ago."""
    moment = timezone.now() - timedelta(seconds=1)
    schedule = Schedule.objects.create(
        position=1,
        name="Office hours",
        reason="The GPUs are needed at night.",
        time_zone="UTC",
        mode="on",
        checked_until=moment - timedelta(seconds=5),
        **fields,
    )
    clock = time(moment.hour, moment.minute, moment.second)
    WorkingTime.objects.create(schedule=schedule, weekdays=list(range(7)), stop=clock)
    return schedule


@pytest.fixture
def edit(instance: Instance) -> Edit:
    """The stop of a schedule, waiting."""
    schedule_that_stops_now()
    schedule_runner.run_schedules()
    return Edit.objects.get()


def test_the_pages_name_the_schedule(as_operator: Client, edit: Edit) -> None:
    assert edit.batch
    for page in (edit, edit.batch, edit.instance):
        html = as_operator.get(page.get_absolute_url()).content.decode()
        assert "Schedule “Office hours”" in html, page
    html = as_operator.get(edit.batch.get_absolute_url()).content.decode()
    assert "Scheduled for" in html
    assert "The GPUs are needed at night." in html
    html = as_operator.get("/batches/").content.decode()
    assert "Stop of the schedule “Office hours”" in html


def test_the_list_is_filtered_by_schedule(
    as_operator: Client, edit: Edit, operator: User
) -> None:
    Schedule.objects.create(position=2, name="Nights", time_zone="UTC")

    def shown(name: str) -> list[Edit]:
        return list(as_operator.get("/edits/", {"schedule": name}).context["page"])

    assert shown("Office hours") == [edit]
    assert shown("Nights") == []
    assert 'name="schedule"' in as_operator.get("/edits/").content.decode()


def test_changing_the_schedule_cancels_what_waits(edit: Edit, admin: User) -> None:
    assert edit.schedule
    services.switch(schedule=edit.schedule, mode="off", actor=admin)
    edit.refresh_from_db()
    assert edit.state == "cancelled"
    assert str(edit.message) == "Cancelled by admin, who changed the schedule."


def test_it_stops_the_instance_and_the_trail_says_why(
    cloud: Emulator, running: Instance
) -> None:
    schedule_that_stops_now(instance=running)
    schedule_runner.run_schedules()
    edit = deliver(Edit.objects.get())
    assert edit.state == "applied"
    assert cloud.fleet.get(running.instance_id).status in {"STOPPING", "STOPPED"}
    refresh_cloud("demo")
    stopped = AuditEvent.objects.get(action="instance.stopped")
    assert stopped.actor_name == "Schedule “Office hours”"
    assert str(stopped.reason) == "Stopped by the schedule “Office hours”."
    running.refresh_from_db()
    change = next(item.status for item in activity(running).items if item.status)
    assert change.actor == "Schedule “Office hours”"


def test_a_person_can_start_again_what_it_stopped(
    cloud: Emulator, running: Instance, operator: User
) -> None:
    schedule_that_stops_now(instance=running)
    schedule_runner.run_schedules()
    edit = deliver(Edit.objects.get())
    Instance.objects.filter(pk=running.pk).update(status="STOPPED")
    edit.instance.refresh_from_db()
    undo = undo_edit(edit=edit, actor=operator)
    assert (undo.kind, undo.actor, undo.schedule) == ("start", operator, None)
    schedule_runner.run_schedules()
    assert ScheduleRun.objects.count() == 1
    assert EditBatch.objects.count() == 1
