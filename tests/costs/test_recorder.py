"""Runs, as the events of the emulated cloud tell them."""

from datetime import timedelta

import pytest
from django.utils import timezone

from dashboard.accounts.models import User
from dashboard.costs.models import Gap, Run
from dashboard.emulator import Emulator
from dashboard.instances.models import Cloud, Instance
from dashboard.instances.refresh import refresh_cloud
from tests.instances.pages import add_edit

Known, EndedBy = Run.Known, Run.EndedBy


@pytest.fixture
def running(cloud: Emulator) -> Instance:
    row = Instance.objects.filter(status="RUNNING", auto_stop_enable=True)[0]
    cloud.fleet.force(row.instance_id, stops_in_seconds=3 * 3_600)
    refresh_cloud("demo")
    # The later end looks like another run.
    Run.objects.exclude(ended_at=None).delete()
    return row


def runs(instance: Instance) -> list[Run]:
    return list(Run.objects.filter(instance=instance).order_by("started_at"))


def test_each_running_instance_has_one_open_run(cloud: Emulator) -> None:
    running = Instance.objects.filter(status__in=["RUNNING", "SNAPSHOTTING"])
    open_runs = Run.objects.filter(ended_at=None)
    assert running.exists()
    assert set(open_runs.values_list("instance", flat=True)) == set(
        running.values_list("pk", flat=True)
    )
    run = open_runs.select_related("allocation", "instance")[0]
    for name in ("owner_name", "flavor", "workspace_id", "tags", "generation"):
        assert getattr(run.allocation, name) == getattr(run.instance, name)


def test_a_stop_by_a_person_and_the_next_start(
    cloud: Emulator, running: Instance, operator: User
) -> None:
    add_edit(running, operator, kind="stop", state="sending")
    cloud.fleet.force(running.instance_id, status="STOPPED")
    refresh_cloud("demo")
    (run,) = runs(running)
    assert (run.ended_by, run.ended_by_person) == (EndedBy.PERSON, operator)
    assert (run.ended_known, run.end_status) == (Known.OBSERVED, "STOPPED")
    cloud.fleet.force(running.instance_id, status="RUNNING")
    refresh_cloud("demo")
    first, second = runs(running)
    assert first.next_started_at == second.started_at >= first.ended_at
    assert second.is_open


def test_a_refresh_without_news_writes_no_run(
    cloud: Emulator, running: Instance
) -> None:
    before = list(Run.objects.order_by("pk").values())
    refresh_cloud("demo")
    assert list(Run.objects.order_by("pk").values()) == before


def test_after_a_gap_nothing_is_assumed(cloud: Emulator, running: Instance) -> None:
    long_ago = timezone.now() - timedelta(hours=5)
    Cloud.objects.update(read_at=long_ago)
    Instance.objects.update(looked_at=None)
    cloud.fleet.force(running.instance_id, status="STOPPED")
    refresh_cloud("demo")
    (run,) = runs(running)
    assert (run.ended_known, run.ended_by) == (Known.BETWEEN, EndedBy.UNKNOWN)
    (gap,) = Gap.objects.all()
    assert gap.since == long_ago
    assert gap.until >= run.ended_at


def test_a_missing_instance_ends_its_run(cloud: Emulator, running: Instance) -> None:
    with cloud.fleet._lock:
        del cloud.fleet._instances[running.instance_id]
    refresh_cloud("demo")
    (run,) = runs(running)
    assert not run.is_open
    assert run.ended_by == EndedBy.UNKNOWN


def test_no_run_begins_before_a_look_that_saw_none(
    cloud: Emulator, running: Instance
) -> None:
    cloud.fleet.force(running.instance_id, status="STOPPED")
    refresh_cloud("demo")
    Cloud.objects.update(read_at=timezone.now())
    looked_at = timezone.now()
    # The cloud tells only the end, from which eight hours lead to a wrong start.
    cloud.fleet.force(running.instance_id, status="RUNNING", stops_in_seconds=60)
    refresh_cloud("demo")
    _, second = runs(running)
    assert second.started_at >= looked_at - timedelta(seconds=1)
    assert second.instance.run_started_at < looked_at - timedelta(minutes=30)
