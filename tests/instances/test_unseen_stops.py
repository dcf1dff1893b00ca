"""A stop between two refreshes has its answer, too."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from dashboard.accounts.models import User
from dashboard.audit.models import AuditEvent
from dashboard.emulator import Emulator
from dashboard.instances import causes, messages
from dashboard.instances.models import Instance, InstanceEvent
from dashboard.instances.observations import read_instance
from dashboard.instances.refresh import refresh_cloud

from .pages import add_edit

Reason = InstanceEvent.Reason


@pytest.fixture
def running(cloud: Emulator) -> Instance:
    """It runs for an hour now, and has seven to go."""
    row = Instance.objects.filter(status="RUNNING", auto_stop_enable=True)[0]
    duration = {"enable": True, "duration_seconds": 8 * 3600}
    cloud.fleet.force(row.instance_id, auto_stop=duration)
    cloud.fleet.force(row.instance_id, stops_in_seconds=7 * 3600)
    read_instance(row)
    InstanceEvent.objects.all().delete()
    return Instance.objects.get(pk=row.pk)


def steps(instance: Instance) -> list[tuple[str, str, str]]:
    """Events of an instance, oldest first."""
    return [
        (event.from_status, event.to_status, event.reason)
        for event in reversed(instance.events.all())
    ]


def stops(instance: Instance) -> list[AuditEvent]:
    return list(
        AuditEvent.objects.filter(
            action="instance.stopped", target_id=instance.instance_id
        )
    )


def test_a_restart_between_two_refreshes(cloud: Emulator, running: Instance) -> None:
    cloud.fleet.force(running.instance_id, status="RUNNING")
    refresh_cloud("demo")
    assert steps(running) == [
        ("RUNNING", "RESTARTING", Reason.RESTARTED),
        ("RESTARTING", "RUNNING", Reason.RESTARTED),
    ]
    (stop,) = stops(running)
    assert stop.after == {"status": "RESTARTING", "cause": "restarted"}
    assert stop.reason == messages.RESTARTED()
    now = Instance.objects.get(pk=running.pk)
    assert now.run_started_at is not None
    assert running.run_started_at is not None
    assert now.run_started_at > running.run_started_at + timedelta(minutes=50)
    assert now.status_since == now.run_started_at
    refresh_cloud("demo")
    assert len(stops(running)) == 1, "once"


def test_for_a_new_setting(cloud: Emulator, running: Instance, operator: User) -> None:
    edit = {"state": "applied", "finished_at": datetime.now(UTC)}
    patch = {"auto_stop_duration": running.auto_stop_duration}
    add_edit(running, operator, applied_while_running=True, patch=patch, **edit)
    cloud.fleet.force(running.instance_id, status="RUNNING")
    refresh_cloud("demo")
    (stop,) = stops(running)
    assert stop.after["cause"] == Reason.NEW_SETTING


def test_its_time_was_over_and_someone_started_it(
    cloud: Emulator, running: Instance
) -> None:
    due = datetime.now(UTC) - timedelta(minutes=1)
    Instance.objects.filter(pk=running.pk).update(stops_at=due)
    cloud.fleet.force(running.instance_id, status="RUNNING")
    refresh_cloud("demo")
    assert steps(running) == [
        ("RUNNING", "STOPPED", Reason.AUTO_STOP),
        ("STOPPED", "RUNNING", Reason.UNKNOWN),
    ]
    assert running.events.get(to_status="STOPPED").at == due
    assert stops(running)[0].actor_label == causes.CLOUD


def test_a_stop_and_a_start_of_ours(
    cloud: Emulator, running: Instance, operator: User, admin: User
) -> None:
    fields: dict[str, Any] = {"state": "applied", "patch": {}}
    now = datetime.now(UTC)
    stop = add_edit(
        running, operator, kind="stop", key="stop", finished_at=now, **fields
    )
    later = now + timedelta(minutes=1)
    start = add_edit(
        running, admin, kind="start", key="start", seq=2, finished_at=later, **fields
    )
    cloud.fleet.force(running.instance_id, status="STARTING")
    refresh_cloud("demo")
    assert steps(running) == [
        ("RUNNING", "STOPPED", Reason.REQUESTED),
        ("STOPPED", "STARTING", Reason.REQUESTED),
    ]
    assert [event.edit_id for event in running.events.all()] == [start.pk, stop.pk]
    assert stops(running)[0].actor == operator


@pytest.mark.parametrize("status", ["START_QUEUING", "STARTING", "START_FAILED"])
def test_stopped_and_at_a_start_again(
    cloud: Emulator, running: Instance, status: str
) -> None:
    cloud.fleet.force(running.instance_id, status=status)
    refresh_cloud("demo")
    assert steps(running)[0] == ("RUNNING", "RESTARTING", Reason.RESTARTED)
    assert len(stops(running)) == 1


@pytest.mark.parametrize(
    ("status", "words"), [("UNAVAILABLE", "unavailable"), ("DELETED", "Deleted")]
)
def test_other_ends_of_a_run(
    cloud: Emulator, running: Instance, status: str, words: str
) -> None:
    cloud.fleet.force(running.instance_id, status=status)
    refresh_cloud("demo")
    assert words in str(stops(running)[0].reason)
    cloud.fleet.force(running.instance_id, status="STOPPED")
    refresh_cloud("demo")
    assert len(stops(running)) == 1, "it did not run any more"


@pytest.mark.parametrize("status", ["CREATING", "CREATE_FAILED", "START_FAILED"])
def test_what_did_not_run_does_not_stop(
    cloud: Emulator, running: Instance, status: str
) -> None:
    Instance.objects.filter(pk=running.pk).update(status=status)
    cloud.fleet.force(running.instance_id, status="STOPPED")
    refresh_cloud("demo")
    assert stops(running) == []


def test_what_vanished_while_it_ran(cloud: Emulator, running: Instance) -> None:
    with cloud.fleet._lock:
        del cloud.fleet._instances[running.instance_id]
    refresh_cloud("demo")
    (stop,) = stops(running)
    assert (stop.reason, stop.after["status"]) == (messages.VANISHED(), "missing")
    refresh_cloud("demo")
    assert len(stops(running)) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"auto_stop": {"duration_seconds": 3600}},
        {"auto_stop": {"enable": False}},
        {"stops_in_seconds": 7 * 3600 + 3},
        {"description": "Another"},
        # Granted an hour more, as other clouds may: the run's beginning stays.
        {"auto_stop": {"duration_seconds": 9 * 3600}, "stops_in_seconds": 8 * 3600},
    ],
    ids=["duration", "off", "wobble", "text", "longer"],
)
def test_a_change_within_a_run_is_no_stop(
    cloud: Emulator, running: Instance, change: dict[str, Any]
) -> None:
    cloud.fleet.force(running.instance_id, **change)
    refresh_cloud("demo")
    assert steps(running) == []
    assert stops(running) == []


def test_the_page_shows_it(
    client: Client, cloud: Emulator, running: Instance, viewer: User
) -> None:
    cloud.fleet.force(running.instance_id, status="RUNNING")
    refresh_cloud("demo")
    client.force_login(viewer)
    page = client.get(running.get_absolute_url()).text.partition('id="activity"')[2]
    assert "<strong>Restarting</strong>, restarted" in page
