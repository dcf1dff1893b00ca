"""Runs of the time before they were recorded, from the status changes."""

import importlib
import uuid
from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from dashboard.accounts.models import User
from dashboard.audit.services import record_event
from dashboard.costs import backfill as module
from dashboard.costs.backfill import backfill, reconcile
from dashboard.costs.models import Allocation, RollUp, Run
from dashboard.emulator import Emulator
from dashboard.instances.models import Instance, InstanceEvent
from tests.factories import make_instance, make_notebook, make_run
from tests.instances.pages import add_edit

pytestmark = pytest.mark.django_db

Known, EndedBy, Reason = Run.Known, Run.EndedBy, InstanceEvent.Reason
MIGRATION = importlib.import_module("dashboard.costs.migrations.0002_backfill_runs")


@pytest.fixture
def now() -> datetime:
    return timezone.now().replace(microsecond=0)


def migrate() -> None:
    """Do what the migration does, with the models of its time."""
    nodes = MIGRATION.Migration.dependencies
    state = MigrationLoader(connection).project_state(nodes)
    MIGRATION.backfill_runs(state.apps, None)


def changes(instance: Instance, *steps: tuple[Any, ...]) -> None:
    """Store events: hours ago, status after, reason, and further fields."""
    before, now = steps[0], timezone.now().replace(microsecond=0)
    status = before[0]
    for hours, after, *rest in steps[1:]:
        fields: dict[str, Any] = rest[1] if len(rest) > 1 else {}
        InstanceEvent.objects.create(
            instance=instance,
            at=now - timedelta(hours=hours),
            from_status=status,
            to_status=after,
            reason=rest[0] if rest else Reason.UNKNOWN,
            **fields,
        )
        status = after


def runs(instance: Instance) -> list[Run]:
    return list(Run.objects.filter(instance=instance).order_by("started_at", "pk"))


def ago(run: Run, now: datetime) -> tuple[float, float | None]:
    """Start and end of a run, in hours ago."""
    hour = timedelta(hours=1)
    ended = run.ended_at and round((now - run.ended_at) / hour, 2)
    return round((now - run.started_at) / hour, 2), ended


def stopped(now: datetime, **fields: Any) -> Instance:
    return make_instance(
        status="STOPPED", first_seen_at=now - timedelta(hours=100), **fields
    )


def running(now: datetime, **fields: Any) -> Instance:
    defaults = {"first_seen_at": now - timedelta(hours=100), "run_started_at": None}
    return make_instance(**(defaults | fields))


def test_starts_and_ends(now: datetime) -> None:
    instance = stopped(now)
    changes(
        instance,
        ("STOPPED",),
        (90, "STARTING"),
        (89, "RUNNING"),
        (80, "STOPPING", Reason.AUTO_STOP),
        (79, "STOPPED", Reason.AUTO_STOP),
        (50, "START_QUEUING"),
        (49, "STARTING"),
        (48, "RUNNING"),
        (40, "RESTARTING", Reason.RESTARTED),
        (39, "RUNNING"),
        (30, "UNAVAILABLE"),
        (29, "STOPPED"),
    )
    migrate()
    first, second, third = runs(instance)
    assert [ago(run, now) for run in (first, second, third)] == [
        (89, 80),
        (48, 40),
        (39, 30),
    ]
    assert [run.ended_by for run in (first, second, third)] == [
        EndedBy.AUTO_STOP,
        EndedBy.UNKNOWN,
        EndedBy.CLOUD,
    ]
    assert (first.has_end, second.has_end) == (True, None)
    assert second.reason == Reason.RESTARTED
    assert [run.end_status for run in (first, third)] == ["STOPPING", "UNAVAILABLE"]
    assert first.next_started_at == second.started_at
    assert second.next_started_at == third.started_at
    assert third.next_started_at is None
    assert {run.started_known for run in (first, second, third)} == {Known.OBSERVED}
    assert {run.ended_known for run in (first, second, third)} == {Known.OBSERVED}


def test_who_stopped_it(now: datetime, operator: User) -> None:
    instance = stopped(now)
    actors: list[dict[str, Any]] = [
        {"actor": operator},
        {"actor": None, "schedule_name": "Office hours"},
        {"actor": None, "policy_name": "Quiet nights"},
    ]
    steps: list[tuple[Any, ...]] = [("STOPPED",)]
    edits = []
    for number, fields in enumerate(actors):
        edit = add_edit(
            instance,
            fields.pop("actor"),
            f"{number}",
            seq=number + 1,
            kind="stop",
            state="applied",
            **fields,
        )
        edits.append(edit)
        told = {"edit_id": edit.pk, "actor": edit.actor}
        steps.append((90 - 10 * number, "RUNNING"))
        steps.append((85 - 10 * number, "STOPPED", Reason.REQUESTED, told))
    # Of an edit that was deleted since.
    lost = {"edit_id": uuid.uuid4()}
    steps += [(50, "RUNNING"), (45, "STOPPED", Reason.REQUESTED, lost)]
    steps += [(40, "RUNNING"), (35, "STOPPED", Reason.UNDONE)]
    changes(instance, *steps)
    migrate()
    found = runs(instance)
    assert [run.ended_by for run in found] == [
        EndedBy.PERSON,
        EndedBy.SCHEDULE,
        EndedBy.POLICY,
        EndedBy.UNKNOWN,
        EndedBy.CURFEW,
    ]
    assert [run.ended_by_person for run in found[:2]] == [operator, None]
    names = ["", "Office hours", "Quiet nights", "", ""]
    assert [run.ended_by_name for run in found] == names
    assert [run.end_edit_id for run in found[:3]] == [edit.pk for edit in edits]


def test_a_start_that_no_event_tells_is_unknown(now: datetime) -> None:
    instance = stopped(now)
    changes(instance, ("RUNNING",), (90, "STOPPED", Reason.AUTO_STOP))
    migrate()
    (run,) = runs(instance)
    assert ago(run, now) == (100, 90)
    assert (run.started_known, run.ended_known) == (Known.UNKNOWN, Known.OBSERVED)


@pytest.mark.parametrize("status", ["RUNNING", "SNAPSHOTTING"])
def test_what_is_running_has_an_open_run(now: datetime, status: str) -> None:
    never_changed = running(now, status=status)
    told = running(now, status=status, run_started_at=now - timedelta(hours=120))
    started = running(
        now, status=status, run_started_at=now - timedelta(hours=9.5), stops_in=60
    )
    changes(started, ("STOPPED",), (20, "RUNNING"), (15, "STOPPED"), (9, "RUNNING"))
    migrate()
    (run,) = runs(never_changed)
    assert (ago(run, now), run.started_known) == ((100, None), Known.UNKNOWN)
    (run,) = runs(told)
    assert (ago(run, now), run.started_known) == ((120, None), Known.OBSERVED)
    first, second = runs(started)
    assert (ago(second, now), second.started_known) == ((9.5, None), Known.OBSERVED)
    assert first.next_started_at == second.started_at
    assert second.has_end is (True if status == "RUNNING" else None)


def test_a_run_that_is_saved_goes_on(now: datetime) -> None:
    notebook = make_notebook(first_seen_at=now - timedelta(hours=100), stops_in=60)
    Instance.objects.update(run_started_at=None)
    changes(
        notebook,
        ("STOPPED",),
        (50, "RUNNING"),
        (40, "SNAPSHOTTING"),
        (39, "RUNNING"),
        (30, "A_NEW_STATUS"),
        (29, "RUNNING"),
    )
    migrate()
    (run,) = runs(notebook)
    assert ago(run, now) == (50, None)


def test_a_missing_instance_has_no_open_run(now: datetime) -> None:
    gone = running(now, missing_since=now - timedelta(hours=7))
    changes(gone, ("STOPPED",), (20, "RUNNING"))
    never_changed = running(now, missing_since=now - timedelta(hours=7))
    migrate()
    (run,) = runs(gone)
    assert ago(run, now) == (20, 7)
    assert (run.ended_by, run.end_status) == (EndedBy.UNKNOWN, "")
    (run,) = runs(never_changed)
    assert ago(run, now) == (100, 7)


def vanish(instance: Instance, at: datetime, status: str = "RUNNING") -> None:
    """Record that a running instance was found missing, as the audit trail tells."""
    with time_machine.travel(at, tick=False):
        record_event(
            None,
            "instance.stopped",
            instance,
            instance=instance.reference,
            before={"status": status},
            after={"status": "missing", "cause": "unknown"},
        )


def test_the_time_in_which_it_was_missing_is_no_run(now: datetime) -> None:
    """Only the audit trail tells when; nothing tells when it was back."""
    back_and_stopped, goes_on = stopped(now), running(now)
    changes(back_and_stopped, ("STOPPED",), (50, "RUNNING"), (10, "STOPPED"))
    changes(goes_on, ("STOPPED",), (50, "RUNNING"))
    for instance in (back_and_stopped, goes_on):
        vanish(instance, now - timedelta(hours=40))
    migrate()
    first, second = runs(back_and_stopped)
    assert ago(first, now) == (50, 40)
    # Its end counts, its time is unknown.
    assert ago(second, now) == (10, 10)
    assert second.started_known == Known.UNKNOWN
    first, second = runs(goes_on)
    assert [ago(first, now), ago(second, now)] == [(50, 40), (40, None)]
    assert second.started_known == Known.UNKNOWN


def test_events_that_an_autostop_dates_back_do_not_overlap(now: datetime) -> None:
    instance = stopped(now)
    changes(
        instance,
        ("STOPPED",),
        (20, "RUNNING"),
        (21, "STOPPED", Reason.AUTO_STOP),
        (22, "RUNNING"),
        (15, "STOPPED"),
    )
    migrate()
    assert [ago(run, now) for run in runs(instance)] == [(20, 20), (20, 15)]


def test_recorded_runs_stay(now: datetime) -> None:
    """The recorder may have been at work before the migration, and after it."""
    instance = running(now)
    changes(
        instance,
        ("RUNNING",),
        (90, "STOPPED", Reason.AUTO_STOP),
        (80, "RUNNING"),
        (70, "STOPPED"),
        (60, "RUNNING"),
        (50, "STOPPED"),
        (40, "RUNNING"),
    )
    hours = timedelta(hours=1)
    recorded = make_run(
        instance=instance,
        started_at=now - 80 * hours,
        ended_at=now - 70 * hours,
        ended_by=EndedBy.PERSON,
    )
    migrate()
    first, second, third, fourth = runs(instance)
    assert [ago(run, now) for run in (first, second, third, fourth)] == [
        (100, 90),
        (80, 70),
        (60, 50),
        (40, None),
    ]
    assert (second.pk, second.ended_by) == (recorded.pk, EndedBy.PERSON)
    assert first.next_started_at == second.started_at
    assert second.next_started_at == third.started_at
    before = list(Run.objects.order_by("pk").values())
    migrate()
    assert list(Run.objects.order_by("pk").values()) == before


def test_a_run_that_no_event_ends_is_over_at_the_recorded_one(now: datetime) -> None:
    instance = running(now)
    changes(instance, ("STOPPED",), (90, "RUNNING"))
    make_run(instance=instance, started_at=now - timedelta(hours=5), ended_at=None)
    migrate()
    first, _ = runs(instance)
    assert ago(first, now) == (90, 5)
    assert (first.ended_known, first.ended_by) == (Known.UNKNOWN, EndedBy.UNKNOWN)


def test_allocated_by_what_the_instance_is_now(now: datetime) -> None:
    first, second = (running(now, owner_name="li.wei", tags={"a": "b"}) for _ in "12")
    migrate()
    (allocation,) = Allocation.objects.all()
    assert (allocation.owner_name, allocation.tags) == ("li.wei", {"a": "b"})
    assert {run.allocation_id for run in runs(first) + runs(second)} == {allocation.pk}


def test_many_events_take_little_memory_and_few_statements(
    now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_INSTANCES", 4)
    monkeypatch.setattr(module, "_ROWS", 50)
    instances = [stopped(now) for _ in range(10)]
    InstanceEvent.objects.bulk_create(
        InstanceEvent(
            instance=instance,
            at=now - timedelta(minutes=5_000 - minute),
            from_status="RUNNING" if minute % 2 else "STOPPED",
            to_status="STOPPED" if minute % 2 else "RUNNING",
        )
        for instance in instances
        for minute in range(100)
    )
    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert backfill(Instance.objects.all()) == 500
    # Of 1,000 events.
    assert len(queries) < 80
    for instance in instances:
        found = runs(instance)
        assert len(found) == 50
        assert all(run.ended_at for run in found)
        following = [run.started_at for run in found[1:]]
        assert [run.next_started_at for run in found] == [*following, None]


def test_what_the_former_release_saw_during_an_upgrade(
    now: datetime, cloud: Emulator
) -> None:
    """Its workers go on for a moment after the migration, and write events alone."""
    started = Instance.objects.filter(status="STOPPED")[0]
    ended = Instance.objects.filter(status="RUNNING")[0]
    assert reconcile() == 0
    stored = timezone.now()
    InstanceEvent.objects.create(
        instance=started, at=stored, from_status="STOPPED", to_status="RUNNING"
    )
    InstanceEvent.objects.create(
        instance=ended,
        at=stored,
        from_status="RUNNING",
        to_status="STOPPED",
        reason=Reason.AUTO_STOP,
    )
    Instance.objects.filter(pk=started.pk).update(status="RUNNING")
    Instance.objects.filter(pk=ended.pk).update(status="STOPPED")
    RollUp.objects.create(
        cloud=started.cloud,
        done_until=stored.date() + timedelta(days=2),
        time_zone="UTC",
        most_hours=16,
    )
    assert reconcile() == 1
    (run,) = runs(started)
    assert run.is_open
    (run,) = runs(ended)
    assert (run.ended_at, run.ended_by) == (stored, EndedBy.AUTO_STOP)
    # The day of that run's start has to be summed up again.
    assert RollUp.objects.get().done_until <= stored.date()
    assert reconcile() == 0
