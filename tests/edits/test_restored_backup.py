"""A database that was restored from a backup, while Redis has not forgotten."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.core.management import call_command
from django.utils import timezone

from dashboard.audit.models import AuditEvent
from dashboard.edits import services, tasks
from dashboard.edits.models import Edit, EditQueue
from dashboard.emulator import Emulator
from dashboard.instances.models import FleetVersion, Instance
from dashboard.livepoll import state
from dashboard.web.redis_clients import quick_redis

pytestmark = pytest.mark.usefixtures("_fresh_news")


@pytest.fixture
def open_edit(cloud: Emulator, operator: Any) -> Edit:
    """An edit that is open in the backup."""
    one = Instance.objects.filter(status="RUNNING").order_by("pk")[0]
    values = {"description": "Open in the backup"}
    base = {"description": one.description}
    return services.submit_edit(instance=one, actor=operator, patch=values, base=base)


def restore() -> None:
    """As if this database were that of an hour ago, and Redis still the same."""
    state.put_version(FleetVersion.current())
    FleetVersion.objects.update(version=FleetVersion.current() - 3_600_000)


def test_what_was_open_waits_for_a_person(cloud: Emulator, open_edit: Edit) -> None:
    # It was delivered after the backup, and somebody has put the old value back since:
    # nothing in the cloud's values tells.
    restore()
    tasks.drain_instance(open_edit.instance_id)
    open_edit.refresh_from_db()
    assert open_edit.state == "failed"
    assert "restored from a backup" in str(open_edit.message)
    assert open_edit.may_be_retried
    there = cloud.fleet.get(open_edit.instance.instance_id)
    assert there.description == open_edit.base["description"]
    event = AuditEvent.objects.get(action="database.restored")
    assert event.after == {"failed_edits": 1}


def test_no_late_write_is_looked_for(cloud: Emulator, open_edit: Edit) -> None:
    moment = open_edit.deadline_at
    EditQueue.objects.update(recheck_at=moment, late_write_until=moment)
    restore()
    tasks.sweep_due_edits()
    assert EditQueue.objects.filter(recheck_at=None, late_write_until=None).count() == 1


def test_it_is_noticed_once(cloud: Emulator, open_edit: Edit, operator: Any) -> None:
    restore()
    tasks.sweep_due_edits()
    again = services.submit_edit(
        instance=Instance.objects.get(pk=open_edit.instance_id),
        actor=operator,
        patch={"description": "After the restore"},
        base={"description": open_edit.base["description"]},
    )
    tasks.sweep_due_edits()
    tasks.drain_instance(again.instance_id)
    again.refresh_from_db()
    assert again.state == "applied"


def test_a_new_database_with_an_old_redis_is_none(
    cloud: Emulator, open_edit: Edit
) -> None:
    state.put_version(2**52)
    FleetVersion.objects.update(version=0)
    tasks.drain_instance(open_edit.instance_id)
    open_edit.refresh_from_db()
    assert open_edit.state == "applied"


def test_without_redis_the_command_says_so(
    cloud: Emulator, open_edit: Edit, capsys: Any
) -> None:
    restore()
    quick_redis().flushdb()
    call_command("restored")
    assert "1 open changes failed" in capsys.readouterr().out
    open_edit.refresh_from_db()
    assert open_edit.state == "failed"


def test_a_restored_database_gives_no_version_twice(cloud: Emulator) -> None:
    backup = FleetVersion.current()
    with time_machine.travel(timezone.now(), tick=False) as clock:
        given = {FleetVersion.stamp() for _ in range(5)}
        FleetVersion.objects.update(version=backup)
        clock.shift(timedelta(seconds=1))
        again = {FleetVersion.stamp() for _ in range(5)}
    assert len(given | again) == 10


def test_a_list_from_before_the_restore_is_not_called_unchanged(
    cloud: Emulator, client: Any, viewer: Any
) -> None:
    client.force_login(viewer)
    FleetVersion.objects.update(version=100)
    changes = 3
    with time_machine.travel(timezone.now(), tick=False) as clock:
        for _ in range(changes):
            before = FleetVersion.stamp()
        assert client.get(f"/instances/changes?since={before}").status_code == 204
        FleetVersion.objects.update(version=100)
        clock.shift(timedelta(seconds=1))
        for _ in range(changes):
            FleetVersion.stamp()
        assert client.get(f"/instances/changes?since={before}").status_code == 200
