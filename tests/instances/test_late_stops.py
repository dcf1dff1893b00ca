"""Late stops: due at the end of a run or at a request, and not seen yet."""

from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
import time_machine
from django.utils import timezone

from dashboard.emulator import Emulator
from dashboard.instances import run_state
from dashboard.instances.countdown import State, this_run
from dashboard.instances.models import Cloud, Instance
from dashboard.instances.observations import instances_expecting_change
from dashboard.instances.refresh import refresh_cloud
from dashboard.instances.sync import mark_missing
from tests.factories import make_instance

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@time_machine.travel(NOON, tick=False)
def test_the_query_and_the_function_agree(cloud_row: Cloud) -> None:
    moments = (None, NOON - 11 * MINUTE, NOON - 10 * MINUTE, NOON - 9 * MINUTE, NOON)
    statuses = ("RUNNING", "STOPPING", "STOPPED", "STARTING")
    for status, ends, asked, gone in product(statuses, moments, moments, (None, NOON)):
        make_instance(
            status=status,
            stops_in=None,
            stops_at=ends,
            stop_requested_at=asked,
            missing_since=gone,
        )
    late = set(Instance.objects.filter(run_state.late_stop(NOON)))
    for instance in Instance.objects.all():
        assert instance.stop_due_at == run_state.stop_due_at(instance)
        assert bool(run_state.late_since(instance, NOON)) is (instance in late)
        assert (this_run(instance, NOON).stops_at == instance.stop_due_at) or (
            instance not in late
        )
    # Running: one of both moments is 10 min ago; stopping: the request.
    assert len(late) == 16 + 10


@pytest.fixture
def running(cloud: Emulator) -> Instance:
    instances = Instance.objects.filter(
        status="RUNNING", stops_at__gt=timezone.now() + timedelta(minutes=30)
    )
    return instances.order_by("pk")[0]


def now_there(cloud: Emulator, instance: Instance, status: str) -> Instance:
    """Force a status, and return the row after a refresh."""
    cloud.fleet.force(instance.instance_id, status=status)
    refresh_cloud("demo")
    return Instance.objects.get(pk=instance.pk)


def test_a_stop_is_watched_until_the_cloud_shows_it(
    cloud: Emulator, running: Instance
) -> None:
    stopping = now_there(cloud, running, "STOPPING")
    assert stopping.stop_requested_at == stopping.stop_due_at
    assert stopping.stop_due_at is not None
    late = stopping.stop_due_at + 10 * MINUTE
    assert this_run(stopping, late - MINUTE).state == State.STOPPING
    assert this_run(stopping, late).state == State.OVERDUE
    # Nothing restarts the clock.
    cloud.fleet.force(running.instance_id, description="Changed meanwhile")
    refresh_cloud("demo")
    again = Instance.objects.get(pk=running.pk)
    assert again.stop_due_at == stopping.stop_due_at
    stopped = now_there(cloud, running, "STOPPED")
    assert (stopped.stop_requested_at, stopped.stop_due_at) == (None, None)


def test_an_auto_stop_that_hangs_is_due_since_the_end_of_the_run(
    cloud: Emulator, running: Instance
) -> None:
    cloud.fleet.force(running.instance_id, stops_in_seconds=-600, late_seconds=3_600)
    refresh_cloud("demo")
    ended = Instance.objects.get(pk=running.pk).stop_due_at
    assert ended == Instance.objects.get(pk=running.pk).stops_at
    assert now_there(cloud, running, "STOPPING").stop_due_at == ended


@pytest.mark.parametrize(("read_ago", "is_watched"), [(1, True), (10, False)])
def test_a_stop_that_the_cloud_gives_up_stays_due(
    cloud: Emulator, running: Instance, read_ago: int, is_watched: bool
) -> None:
    """Unless nobody looked for so long that it may be another run."""
    due_at = now_there(cloud, running, "STOPPING").stop_due_at
    read_at = timezone.now() - read_ago * MINUTE
    Instance.objects.filter(pk=running.pk).update(looked_at=read_at)
    again = now_there(cloud, running, "RUNNING")
    assert again.stop_requested_at == (due_at if is_watched else None)
    assert (again.stop_due_at == due_at) is is_watched


def test_a_missing_instance_owes_no_stop(cloud: Emulator, running: Instance) -> None:
    now_there(cloud, running, "STOPPING")
    mark_missing(Instance.objects.filter(pk=running.pk))
    gone = Instance.objects.get(pk=running.pk)
    assert (gone.stop_requested_at, gone.stop_due_at) == (None, None)


def test_a_late_stop_is_read_twice_a_minute_however_long_it_takes(
    cloud_row: Cloud,
) -> None:
    now = timezone.now()
    for hours, seconds in [(0, 5), (5, 5), (5, 31)]:
        make_instance(
            status="STOPPING",
            status_since=now - timedelta(hours=hours),
            stop_requested_at=now - timedelta(hours=hours),
            looked_at=now - timedelta(seconds=seconds),
            name=f"{hours} h, {seconds} s",
        )
    read = instances_expecting_change(cloud_row)
    assert [instance.name for instance in read] == ["5 h, 31 s", "0 h, 5 s"]
