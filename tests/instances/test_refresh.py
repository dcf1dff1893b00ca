"""The mirror's refresh, against the emulator over HTTP."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from dashboard.emulator import CANARIES, Behavior, Emulator, Fault
from dashboard.instances import observations, refresh, upstream, worker_liveness
from dashboard.instances.models import (
    Cloud,
    FleetVersion,
    Instance,
    InstanceEvent,
)
from dashboard.instances.refresh import due_clouds, refresh_cloud
from dashboard.web.stored_messages import Message


@pytest.fixture
def running(cloud: Emulator) -> Instance:
    instances = Instance.objects.filter(
        status="RUNNING", stops_at__gt=timezone.now() + timedelta(minutes=10)
    )
    return instances.order_by("pk")[0]


def test_everything_is_mirrored(cloud: Emulator) -> None:
    assert Instance.objects.count() == 40
    for row in Instance.objects.all():
        there = cloud.fleet.get(row.instance_id)
        assert (row.name, row.description) == (there.name, there.description)
        assert row.owner_name == there.owner.name
        assert row.auto_stop_enable == there.auto_stop.enable


def test_an_unchanged_fleet_writes_no_row(cloud: Emulator) -> None:
    version = FleetVersion.current()
    with CaptureQueriesContext(
        connection,
    ) as queries:
        outcome = refresh_cloud("demo")
    assert outcome is not None
    assert (outcome.new, outcome.changed, outcome.missing) == (0, 0, 0)
    assert FleetVersion.current() == version
    writes = [
        query["sql"]
        for query in queries
        if query["sql"].startswith(("INSERT", "UPDATE", "DELETE"))
    ]
    assert not [sql for sql in writes if "instances_instance" in sql]


def test_only_what_changed_is_written_and_stamped(
    cloud: Emulator, running: Instance
) -> None:
    version = FleetVersion.current()
    cloud.fleet.force(running.instance_id, description="From the console")
    outcome = refresh_cloud("demo")
    assert outcome is not None
    assert outcome.changed == 1
    news = Instance.objects.filter(version__gt=version)
    assert [row.description for row in news] == ["From the console"]


@pytest.mark.parametrize("empty_cloud", [{}, {"notebooks": 40}], indirect=True)
def test_no_secret_reaches_the_mirror(cloud: Emulator) -> None:
    kept = "".join(str(row.document) for row in Instance.objects.all())
    assert not [canary for canary in CANARIES if canary in kept]
    assert "CREDENTIAL" not in kept.upper()


@pytest.mark.parametrize("skew", [-600, 0, 600])
def test_stops_are_right_whatever_the_clouds_clock_says(
    empty_cloud: Emulator, skew: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Emulator(fleet=40, seed=1, skew_seconds=skew) as cloud:
        described = tmp_path / "skewed.yaml"
        described.write_text(cloud.clouds_yaml("demo"))
        monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(described))
        upstream.forget_clients()
        refresh.ensure_clouds()
        refresh_cloud("demo")
        row = Instance.objects.filter(stops_at__gt=timezone.now()).first()
        assert row is not None
        assert row.stops_at is not None
        there = cloud.fleet.get(row.instance_id)
        assert there.stops_at_ms is not None
        left = (there.stops_at_ms - cloud.clock.now_ms()) / 1000
        remaining = (row.stops_at - timezone.now()).total_seconds()
        assert remaining == pytest.approx(left, abs=2)
        upstream.forget_clients()


def test_what_vanished_is_marked_and_kept(cloud: Emulator, running: Instance) -> None:
    cloud.fleet.force(running.instance_id, status="STOPPED")
    cloud.fleet.delete(running.instance_id)
    outcome = refresh_cloud("demo")
    assert outcome is not None
    assert outcome.missing == 1
    running.refresh_from_db()
    assert running.missing_since is not None
    assert Instance.objects.count() == 40


@pytest.mark.parametrize(
    "fault",
    [
        Fault("total_wrong", route="list"),
        Fault("duplicates", route="list"),
        Fault("status", route="list", nth=2, status=500),
        Fault("drop", route="list", nth=2),
    ],
    ids=lambda fault: fault.kind,
)
def test_an_incomplete_listing_marks_nothing_missing(
    cloud: Emulator,
    running: Instance,
    fault: Fault,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cloud.fleet.force(running.instance_id, status="STOPPED")
    cloud.fleet.delete(running.instance_id)
    monkeypatch.setattr(refresh, "PAGE_SIZE", 10)
    cloud.faults.add(fault)
    refresh_cloud("demo")
    assert not Instance.objects.exclude(missing_since=None).exists()


def test_what_comes_back_is_no_longer_missing(
    cloud: Emulator, running: Instance
) -> None:
    Instance.objects.filter(pk=running.pk).update(missing_since=timezone.now())
    refresh_cloud("demo")
    running.refresh_from_db()
    assert running.missing_since is None


@pytest.mark.parametrize(
    "kind", ["wrong_types", "missing_fields", "unknown_enum", "nan"]
)
def test_one_bad_document_does_not_stop_the_others(
    empty_cloud: Emulator, kind: str
) -> None:
    victim = empty_cloud.fleet.instances()[0].id
    empty_cloud.faults.add(Fault(kind, route="list", instance_id=victim))
    refresh.ensure_clouds()
    outcome = refresh_cloud("demo")
    assert outcome is not None
    assert not outcome.problem
    assert Instance.objects.count() >= 39
    assert outcome.seen == 40


def test_a_document_without_an_id_is_counted(empty_cloud: Emulator) -> None:
    victim = empty_cloud.fleet.instances()[0].id
    empty_cloud.faults.add(
        Fault("missing_fields", route="list", instance_id=victim, fields=("id",))
    )
    refresh.ensure_clouds()
    outcome = refresh_cloud("demo")
    assert outcome is not None
    assert outcome.unreadable == 1
    assert Instance.objects.count() == 39


def test_a_failed_refresh_says_why_and_keeps_what_was_known(cloud: Emulator) -> None:
    before = Cloud.objects.get().refreshed_at
    version = FleetVersion.current()
    cloud.faults.add(Fault("status", route="list", status=500, times=1))
    outcome = refresh_cloud("demo")
    assert outcome is not None
    row = Cloud.objects.get()
    assert row.problem == outcome.problem != Message()
    assert row.refreshed_at == before
    assert row.problem_since is not None
    assert FleetVersion.current() > version, "open pages must get it"
    refresh_cloud("demo")
    row.refresh_from_db()
    assert (row.problem, row.problem_since) == (Message(), None)


def test_two_refreshes_at_once_are_one(cloud: Emulator) -> None:
    soon = timezone.now() + timedelta(seconds=30)
    Cloud.objects.update(refresh_lease_until=soon)
    assert refresh_cloud("demo") is None


def test_what_a_dead_process_was_refreshing_is_taken_over(cloud: Emulator) -> None:
    later = timezone.now() + timedelta(seconds=30)
    Cloud.objects.update(
        refresh_lease_until=later, refresh_lease_owner=worker_liveness.current_worker()
    )
    assert refresh_cloud("demo") is None, "we live"
    Cloud.objects.update(refresh_lease_owner=4711)
    assert refresh_cloud("demo") is not None
    assert Cloud.objects.values_list("refresh_lease_owner", flat=True).get() is None


def test_a_lease_from_before_the_clock_was_set_back_is_nobodys(
    cloud: Emulator,
) -> None:
    """Who held it was killed; it would bind for those ten minutes and its own time."""
    Cloud.objects.update(
        refresh_lease_until=timezone.now() + timedelta(minutes=10) + refresh.LEASE
    )
    assert refresh_cloud("demo") is not None


def test_a_listing_does_not_overwrite_a_newer_refresh(
    cloud: Emulator, running: Instance
) -> None:
    Instance.objects.filter(pk=running.pk).update(
        description="Just written", looked_at=timezone.now() + timedelta(seconds=30)
    )
    cloud.fleet.force(running.instance_id, description="Older")
    refresh_cloud("demo")
    running.refresh_from_db()
    assert running.description == "Just written"


def test_an_older_answer_does_not_overwrite_a_newer_one(
    cloud: Emulator, running: Instance
) -> None:
    client = upstream.client_for("demo").demanager
    older = client.show_instance(running.instance_id)
    cloud.fleet.force(running.instance_id, description="Newer")
    newer = client.show_instance(running.instance_id)
    with transaction.atomic():
        observations.apply_observation(running.cloud, newer)
        looked_at = Instance.objects.get(pk=running.pk).looked_at
        row = observations.apply_observation(running.cloud, older)
    assert (row.description, row.looked_at) == ("Newer", looked_at)


def test_a_clock_that_was_set_back_does_not_delay_the_mirror(
    cloud: Emulator, running: Instance
) -> None:
    for minutes, due in ((-5, ["demo"]), (0, []), (5, ["demo"])):
        at = timezone.now() + timedelta(minutes=minutes)
        Cloud.objects.update(attempted_at=at)
        clouds = due_clouds(list(Cloud.objects.all()), timedelta(minutes=2))
        assert [cloud.name for cloud in clouds] == due
    Instance.objects.filter(pk=running.pk).update(
        looked_at=timezone.now() + timedelta(minutes=5)
    )
    cloud.fleet.force(running.instance_id, description="Newer")
    refresh_cloud("demo")
    running.refresh_from_db()
    assert running.description == "Newer"


@pytest.mark.django_db
def test_the_cloud_that_has_waited_longest_is_read_first() -> None:
    now = timezone.now()
    for name, minutes in (("a", 3), ("b", 9), ("c", None), ("d", 1)):
        at = None if minutes is None else now - timedelta(minutes=minutes)
        Cloud.objects.create(name=name, attempted_at=at)
    due = due_clouds(list(Cloud.objects.all()), timedelta(minutes=2))
    assert [cloud.name for cloud in due] == ["c", "b", "a"]


def test_an_auto_stop_is_distinguished_from_other_stops(cloud: Emulator) -> None:
    auto, other = Instance.objects.filter(
        status="RUNNING", stops_at__gt=timezone.now() + timedelta(minutes=10)
    )[:2]
    past = timezone.now() - timedelta(seconds=30)
    Instance.objects.filter(pk=auto.pk).update(stops_at=past)
    for row in (auto, other):
        cloud.fleet.force(row.instance_id, status="STOPPED")
    refresh_cloud("demo")
    reasons = dict(InstanceEvent.objects.values_list("instance_id", "reason"))
    assert reasons == {auto.pk: "auto_stop", other.pk: "unknown"}
    auto.refresh_from_db()
    assert auto.status_since == past
    assert auto.stops_at is None


def test_a_run_is_remembered_from_its_start(cloud: Emulator, running: Instance) -> None:
    assert running.run_started_at is not None
    assert running.stops_at is not None
    assert running.auto_stop_duration is not None
    length = running.stops_at - running.run_started_at
    assert length == timedelta(seconds=running.auto_stop_duration)
    cloud.fleet.force(running.instance_id, auto_stop={"duration_seconds": 86_400})
    refresh_cloud("demo")
    again = Instance.objects.get(pk=running.pk)
    assert again.auto_stop_duration == 86_400
    assert (again.run_started_at, again.stops_at) == (
        running.run_started_at,
        running.stops_at,
    )


def test_instances_that_expect_a_change_are_read_on_their_own(
    cloud: Emulator, running: Instance
) -> None:
    row = Cloud.objects.get()
    Instance.objects.update(stops_at=None, status="STOPPED")
    just_due = timezone.now() - timedelta(seconds=1)
    Instance.objects.filter(pk=running.pk).update(stops_at=just_due, status="RUNNING")
    assert observations.instances_expecting_change(row) == [running]
    cloud.fleet.force(running.instance_id, status="STOPPING")
    observations.read_instance(running)
    running.refresh_from_db()
    assert running.status == "STOPPING"
    assert observations.instances_expecting_change(row) == [], (
        "not again within seconds"
    )


def test_reading_a_deleted_instance_marks_it_missing(
    cloud: Emulator, running: Instance
) -> None:
    cloud.fleet.force(running.instance_id, status="STOPPED")
    cloud.fleet.delete(running.instance_id)
    observations.read_instance(running)
    running.refresh_from_db()
    assert running.missing_since is not None


@pytest.mark.parametrize(
    "empty_cloud", [{"behavior": Behavior(update_answer="no_spec")}], indirect=True
)
def test_an_answer_without_spec_keeps_what_was_known(
    cloud: Emulator, running: Instance
) -> None:
    cloud.faults.add(Fault("missing_fields", route="show", fields=("spec",)))
    observations.read_instance(running)
    again = Instance.objects.get(pk=running.pk)
    assert again.auto_stop_duration == running.auto_stop_duration
    assert again.stops_at == running.stops_at


def test_the_command_prints_counts(cloud: Emulator, capsys: Any) -> None:
    call_command("refresh")
    assert "demo: 40 instances, 0 new, 0 changed" in capsys.readouterr().out


def test_the_command_fails_when_a_cloud_cannot_be_read(
    cloud: Emulator, capsys: Any
) -> None:
    cloud.faults.add(Fault("status", route="list", status=500))
    with pytest.raises(CommandError):
        call_command("refresh", cloud="demo")
    assert "demo: " in capsys.readouterr().err


def test_the_command_names_the_clouds_there_are(cloud: Emulator) -> None:
    with pytest.raises(CommandError, match="there is demo"):
        call_command("refresh", cloud="nowhere")
