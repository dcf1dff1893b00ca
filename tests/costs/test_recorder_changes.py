"""Runs under every change of status that the emulated cloud knows, and their cost."""

import random
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from dashboard.costs.models import Run
from dashboard.emulator import Emulator
from dashboard.instances.models import Cloud, Instance, InstanceEvent
from dashboard.instances.observations import read_instance
from dashboard.instances.refresh import refresh_cloud
from tests.instances.pages import add_edit

Known, EndedBy, Reason = Run.Known, Run.EndedBy, InstanceEvent.Reason

BOTH = pytest.mark.parametrize(
    "empty_cloud", [{"notebooks": 0}, {"notebooks": 1.0}], indirect=True
)


def force(cloud: Emulator, instance: Instance, **state: Any) -> None:
    is_notebook = instance.generation == "notebooks"
    fleet: Any = cloud.notebooks if is_notebook else cloud.fleet
    fleet.force(instance.instance_id, **state)
    refresh_cloud("demo")


def runs(instance: Instance) -> list[Run]:
    return list(Run.objects.filter(instance=instance).order_by("started_at", "pk"))


@pytest.fixture
def running(cloud: Emulator) -> Instance:
    """Its end is hours away."""
    row = Instance.objects.filter(
        status="RUNNING", auto_stop_enable=True, lease_type__in=["", "timing"]
    ).earliest("pk")
    force(cloud, row, stops_in_seconds=3 * 3_600)
    Run.objects.filter(instance=row).exclude(ended_at=None).delete()
    return Instance.objects.get(pk=row.pk)


@pytest.fixture
def stopped(cloud: Emulator) -> Instance:
    row = Instance.objects.filter(status="STOPPED", auto_stop_enable=True).earliest(
        "pk"
    )
    assert not runs(row)
    return row


@BOTH
def test_a_whole_life(cloud: Emulator, stopped: Instance) -> None:
    before = timezone.now()
    for status in ("STARTING", "RUNNING"):
        force(cloud, stopped, status=status)
    (run,) = runs(stopped)
    assert run.is_open
    assert before - timedelta(seconds=5) < run.started_at < timezone.now()
    assert run.started_known == Known.OBSERVED
    assert run.has_end is True
    for status in ("STOPPING", "STOPPED"):
        force(cloud, stopped, status=status)
    (run,) = runs(stopped)
    assert (run.ended_by, run.end_status) == (EndedBy.UNKNOWN, "STOPPING")
    assert run.ended_known == Known.OBSERVED
    assert run.started_at <= run.ended_at <= timezone.now()


@BOTH
def test_missing_and_back(
    cloud: Emulator, running: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_notebook = running.generation == "notebooks"
    fleet: Any = cloud.notebooks if is_notebook else cloud.fleet
    items = fleet._notebooks if is_notebook else fleet._instances
    with fleet._lock:
        taken, fleet._ordered = items.pop(running.instance_id), None
    refresh_cloud("demo")
    (run,) = runs(running)
    missing_since = Instance.objects.get(pk=running.pk).missing_since
    assert missing_since is not None
    assert (run.ended_at, run.end_status) == (missing_since, "")
    with fleet._lock:
        items[running.instance_id], fleet._ordered = taken, None
    refresh_cloud("demo")
    first, second = runs(running)
    # The cloud says that it is the same run, but nobody saw it meanwhile.
    assert first.next_started_at == second.started_at >= first.ended_at
    assert second.is_open


def test_an_unknown_status_ends_no_run(cloud: Emulator, running: Instance) -> None:
    force(cloud, running, status="LEVITATING")
    assert runs(running)[0].is_open
    force(cloud, running, status="RUNNING", stops_in_seconds=3 * 3_600)
    (run,) = runs(running)
    assert run.is_open
    force(cloud, running, status="LEVITATING")
    force(cloud, running, status="STOPPED")
    (run,) = runs(running)
    assert run.end_status == "STOPPED"


@pytest.mark.parametrize("empty_cloud", [{"notebooks": 1.0}], indirect=True)
def test_a_notebook_whose_image_is_saved_goes_on(
    cloud: Emulator, running: Instance
) -> None:
    for status in ("SNAPSHOTTING", "RUNNING"):
        force(cloud, running, status=status)
        (run,) = runs(running)
        assert run.is_open
    force(cloud, running, status="SNAPSHOTTING")
    force(cloud, running, status="STOPPED")
    assert not runs(running)[0].is_open


def test_a_restart_is_two_runs(cloud: Emulator, running: Instance) -> None:
    force(cloud, running, status="RESTARTING")
    (run,) = runs(running)
    assert (run.ended_by, run.reason) == (EndedBy.UNKNOWN, Reason.RESTARTED)
    force(cloud, running, status="RUNNING", stops_in_seconds=3_600)
    first, second = runs(running)
    assert first.next_started_at == second.started_at


def test_a_stop_between_two_refreshes_is_two_runs_too(
    cloud: Emulator, running: Instance
) -> None:
    """The old API tells it by the end of the run."""
    duration = {"enable": True, "duration_seconds": 8 * 3_600}
    cloud.fleet.force(running.instance_id, auto_stop=duration)
    force(cloud, running, stops_in_seconds=7 * 3_600)
    Run.objects.filter(instance=running).exclude(ended_at=None).delete()
    force(cloud, running, status="RUNNING")
    first, second = runs(running)
    assert (first.ended_at, first.end_status) == (second.started_at, "RESTARTING")
    assert second.is_open


@BOTH
@pytest.mark.parametrize(
    ("fields", "ended_by", "name"),
    [
        ({"schedule_name": "Nights"}, EndedBy.SCHEDULE, "Nights"),
        ({"policy_name": "At most 8 h"}, EndedBy.POLICY, "At most 8 h"),
    ],
)
def test_a_stop_without_a_person(
    cloud: Emulator,
    running: Instance,
    fields: dict[str, str],
    ended_by: str,
    name: str,
) -> None:
    edit = add_edit(running, None, kind="stop", state="sending", **fields)
    force(cloud, running, status="STOPPED")
    (run,) = runs(running)
    assert (run.ended_by, run.ended_by_name) == (ended_by, name)
    assert (run.end_edit_id, run.ended_by_person) == (edit.pk, None)
    assert run.reason == Reason.REQUESTED


def test_auto_stop_that_was_on_time(cloud: Emulator, running: Instance) -> None:
    ends_at = timezone.now() + timedelta(seconds=60)
    Instance.objects.filter(pk=running.pk).update(stops_at=ends_at)
    force(cloud, running, status="STOPPING")
    (run,) = runs(running)
    assert (run.ended_by, run.has_end) == (EndedBy.AUTO_STOP, True)


def test_frozen_is_the_clouds_doing(cloud: Emulator, running: Instance) -> None:
    force(cloud, running, status="FROZEN")
    (run,) = runs(running)
    assert (run.ended_by, run.reason) == (EndedBy.CLOUD, Reason.FROZEN)


@pytest.mark.parametrize("status", ["UNAVAILABLE", "ERROR"])
def test_a_fault_is_the_clouds_doing(
    cloud: Emulator, running: Instance, status: str
) -> None:
    force(cloud, running, status=status)
    assert runs(running)[0].ended_by == EndedBy.CLOUD


def test_deleted_elsewhere(cloud: Emulator, running: Instance) -> None:
    force(cloud, running, status="DELETED")
    (run,) = runs(running)
    assert (run.ended_by, run.end_status) == (EndedBy.UNKNOWN, "DELETED")


@pytest.mark.usefixtures("stopped")
def test_how_well_a_start_is_known(cloud: Emulator, stopped: Instance) -> None:
    first_seen = Run.objects.exclude(instance__run_started_at=None)
    told = first_seen.filter(instance__status="RUNNING", ended_at=None)[0]
    assert told.started_known == Known.OBSERVED
    assert told.started_at == told.instance.run_started_at
    not_told = Run.objects.filter(instance__run_started_at=None)
    assert {run.started_known for run in not_told} == {Known.UNKNOWN}
    assert not_told
    # Nothing says when it began, and no one looked for hours.
    cloud.fleet.force(stopped.instance_id, auto_stop={"enable": False})
    Cloud.objects.update(read_at=timezone.now() - timedelta(hours=3))
    force(cloud, stopped, status="RUNNING")
    (run,) = runs(stopped)
    assert run.started_known == Known.BETWEEN
    assert run.has_end is False


def test_a_crash_leaves_neither_event_nor_run(
    cloud: Emulator, running: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: object, **__: object) -> None:
        raise OperationalError("gone")

    events = InstanceEvent.objects.count()
    with monkeypatch.context() as patch:
        patch.setattr("dashboard.costs.recorder.Run.objects.bulk_update", crash)
        force(cloud, running, status="STOPPED")
    assert Cloud.objects.get().problem
    assert InstanceEvent.objects.count() == events
    assert runs(running)[0].is_open
    assert Instance.objects.get(pk=running.pk).status == "RUNNING"
    refresh_cloud("demo")
    assert InstanceEvent.objects.count() == events + 1
    assert not runs(running)[0].is_open


@pytest.mark.parametrize("empty_cloud", [{"fleet": 8, "notebooks": 0.5}], indirect=True)
@pytest.mark.parametrize("seed", range(3))
def test_whatever_happens_runs_never_overlap(cloud: Emulator, seed: int) -> None:
    rng = random.Random(seed)  # noqa: S311 - not a secret
    statuses = ["RUNNING"] * 4 + ["STOPPED"] * 3 + ["STARTING", "STOPPING", "FLOATING"]
    both: list[tuple[Any, dict[str, Any]]] = [
        (cloud.fleet, cloud.fleet._instances),
        (cloud.notebooks, cloud.notebooks._notebooks),
    ]
    gone: list[tuple[Any, dict[str, Any], str, Any]] = []
    for _ in range(40):
        for _ in range(rng.randrange(1, 4)):
            fleet, items = rng.choice(both)
            key = rng.choice(list(items))
            chance = rng.random()
            with fleet._lock:
                if chance < 0.08 and len(items) > 1:
                    gone.append((fleet, items, key, items.pop(key)))
                    fleet._ordered = None
                elif chance < 0.2 and gone:
                    its_fleet, its_items, its_key, item = gone.pop()
                    its_items[its_key], its_fleet._ordered = item, None
                else:
                    fleet.force(key, status=rng.choice(statuses))
        if rng.random() < 0.3:
            Cloud.objects.update(read_at=timezone.now() - timedelta(hours=1))
        refresh_cloud("demo")
        _check_all()
    assert Run.objects.count() > 20
    assert Run.objects.filter(end_status="").exists()


def _check_all() -> None:
    for instance in Instance.objects.all():
        found = runs(instance)
        for run, following in zip(found, [*found[1:], None], strict=True):
            assert run.is_open <= (following is None), "one open run, the latest"
            assert run.next_started_at == (following and following.started_at)
            if following:
                assert run.started_at <= run.ended_at <= following.started_at
        is_open = bool(found) and found[-1].is_open
        if instance.status in {"RUNNING", "SNAPSHOTTING"} or not is_open:
            is_running = instance.status in {"RUNNING", "SNAPSHOTTING"}
            assert is_open == (is_running and not instance.missing_since)
        else:
            assert instance.status == "FLOATING"
            assert not instance.missing_since


@pytest.mark.parametrize(
    "empty_cloud", [{"fleet": 300, "notebooks": 0.5}], indirect=True
)
def test_unchanged_instances_cost_no_statement(cloud: Emulator) -> None:
    """However many: none of them reaches the recorder."""
    # No one changes its status meanwhile.
    cloud.clock.set_speed(1e-6)
    refresh_cloud("demo")
    with CaptureQueriesContext(connection) as queries:
        refresh_cloud("demo")
    found = [query["sql"] for query in queries]
    assert [sql for sql in found if '"instances_instance"' in sql]
    assert not [sql for sql in found if '"costs_' in sql]


def test_a_start_and_a_stop_cost_a_few(cloud: Emulator, stopped: Instance) -> None:
    numbers = []
    for status in ("RUNNING", "STOPPED", "RUNNING", "STOPPED"):
        cloud.fleet.force(stopped.instance_id, status=status)
        with CaptureQueriesContext(connection) as queries:
            read_instance(stopped)
        found = [query["sql"] for query in queries]
        numbers.append(len([sql for sql in found if '"costs_' in sql]))
    # The first start adds an allocation, later ones change the run before.
    assert numbers == [6, 3, 5, 3]
