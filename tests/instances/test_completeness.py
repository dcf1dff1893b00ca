"""What a refresh may say of itself: complete, partly read, interrupted, failed."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from celery.exceptions import SoftTimeLimitExceeded
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.utils import timezone

from dashboard.emulator import Emulator, Fault
from dashboard.instances import messages, refresh, tasks
from dashboard.instances.models import Cloud, Instance, PartialListing
from dashboard.instances.refresh import ensure_clouds, refresh_cloud
from dashboard.modelarts.demanager import DemanagerApi
from dashboard.modelarts.results import UNUSABLE_ID_PREFIX
from dashboard.web.stored_messages import Message
from tests import factories

LONG = "x" * 5_000
WIDE = "\N{PILE OF POO}" * 5_000


@pytest.fixture
def unforeseen(empty_cloud: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Something in the listing goes wrong that no error of the client stands for."""

    def fail(self: Any, **_: Any) -> Any:
        raise TypeError("'NoneType' object is not iterable")

    monkeypatch.setattr(DemanagerApi, "list_instances", fail)


@pytest.fixture
def refuses_one(cloud: Emulator) -> str:
    """The name of an instance that the database will not store."""
    name = "refused-by-the-database"
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute(
                "CREATE TRIGGER refuse BEFORE UPDATE ON instances_instance WHEN "
                f"NEW.name = '{name}' BEGIN SELECT RAISE(ABORT, 'refused'); END"
            )
        else:
            # No table is altered while a check of its rows is put off.
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            cursor.execute(
                "ALTER TABLE instances_instance ADD CONSTRAINT refuse "
                f"CHECK (name <> '{name}')"
            )
    return name


@pytest.mark.usefixtures("unforeseen")
def test_an_unexpected_error_is_recorded_as_a_failure() -> None:
    ensure_clouds()
    Cloud.objects.update(failures=9, held_since=timezone.now())
    outcome = refresh_cloud("demo")
    assert outcome is not None
    row = Cloud.objects.get()
    assert row.problem == outcome.problem != Message()
    assert row.refreshed_at is None
    assert row.problem_since is not None
    assert row.failures == 9, "nothing says that the cloud answers"
    assert row.refresh_lease_until is None


def test_a_refresh_cut_short_is_recorded_as_a_failure(
    cloud: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by a signal in the middle of it, which no handler there catches."""
    before = Cloud.objects.get().refreshed_at

    def interrupt(self: Any, *_: Any, **__: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(DemanagerApi, "list_instances", interrupt)
    with pytest.raises(KeyboardInterrupt):
        refresh_cloud("demo")
    row = Cloud.objects.get()
    assert row.problem == messages.REFRESH_INTERRUPTED()
    assert (row.refreshed_at, row.refresh_lease_until) == (before, None)


def test_a_time_limit_is_recorded_and_what_was_read_is_kept(
    empty_cloud: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refresh, "PAGE_SIZE", 10)
    ensure_clouds()
    listing = DemanagerApi.list_instances

    with time_machine.travel(timezone.now(), tick=False) as clock:

        def out_of_time(self: Any, **how: Any) -> Any:
            yield next(listing(self, **how))
            clock.shift(timedelta(seconds=100))
            raise SoftTimeLimitExceeded

        with monkeypatch.context() as patch:
            patch.setattr(DemanagerApi, "list_instances", out_of_time)
            outcome = refresh_cloud("demo")
    assert outcome is not None
    assert outcome.problem == messages.REFRESH_TOOK_TOO_LONG()
    assert Cloud.objects.get().refreshed_at is None
    assert PartialListing.objects.get().next_offset == 10
    after = refresh_cloud("demo")
    assert after is not None
    assert (after.problem, after.adds_up) == (Message(), True)
    assert Instance.objects.count() == 40


@pytest.mark.usefixtures("unforeseen")
def test_an_unexpected_error_shows_on_page_probe_metrics_and_command(
    client: Client, viewer: Any, capsys: Any
) -> None:
    with pytest.raises(CommandError):
        call_command("refresh")
    assert "demo: " in capsys.readouterr().err
    probe = client.get("/readyz")
    assert probe.status_code == 503
    assert any("demo" in notice for notice in probe.json()["notices"])
    assert 'curfew_mirror_problem{cloud="demo"} 1.0' in client.get("/metrics").text
    client.force_login(viewer)
    assert str(Cloud.objects.get().problem)[:40] in client.get("/instances/").text


def test_a_configuration_that_cannot_be_read_fails_the_command(
    db: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty = tmp_path / "empty.yaml"
    empty.write_text("clouds:\n  lab:\n\tauth:\n")
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(empty))
    with pytest.raises(CommandError, match=r"No cloud|cannot be read"):
        call_command("refresh")


@pytest.mark.parametrize("size", [-30, 7])
def test_a_listing_that_does_not_add_up_is_incomplete_everywhere(
    cloud: Emulator, client: Client, viewer: Any, size: int, capsys: Any
) -> None:
    complete_at = Cloud.objects.get().refreshed_at
    cloud.faults.add(Fault("total_wrong", route="list", size=size))
    outcome = refresh_cloud("demo")
    assert outcome is not None
    assert (outcome.seen, outcome.problem) == (40, Message())
    row = Cloud.objects.get()
    assert (row.incomplete, row.listed) == ("wrong_count", 40)
    assert row.counted == 40 + size
    assert row.refreshed_at == complete_at, "its age grows until it adds up"
    assert not Instance.objects.exclude(missing_since=None).exists()

    assert any(
        "incomplete" in notice for notice in client.get("/readyz").json()["notices"]
    )
    assert 'curfew_mirror_incomplete{cloud="demo"} 1.0' in client.get("/metrics").text
    with pytest.raises(CommandError):
        call_command("refresh")
    assert "incomplete" in capsys.readouterr().err
    client.force_login(viewer)
    assert "The list has been incomplete since" in client.get("/instances/").text

    cloud.faults.clear()
    refresh_cloud("demo")
    row.refresh_from_db()
    assert (row.incomplete, row.incomplete_since, row.listed) == ("", None, None)
    assert row.refreshed_at is not None
    assert complete_at is not None
    assert row.refreshed_at > complete_at


@pytest.mark.parametrize("size", [-30, -20])
def test_a_total_of_one_page_marks_nothing_missing(
    cloud: Emulator, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(refresh, "PAGE_SIZE", 10)
    cloud.faults.add(Fault("total_wrong", route="list", size=size))
    refresh_cloud("demo")
    assert not Instance.objects.exclude(missing_since=None).exists()


def test_a_slow_listing_continues_where_it_stopped(
    empty_cloud: Emulator, monkeypatch: pytest.MonkeyPatch, client: Client, viewer: Any
) -> None:
    monkeypatch.setattr(refresh, "PAGE_SIZE", 10)
    # No time for more than what was begun: each task reads as much as one page.
    monkeypatch.setattr(refresh, "READ_SECONDS", 0.000_001)
    ensure_clouds()
    offsets = []
    while True:
        outcome = refresh_cloud("demo")
        assert outcome is not None
        assert not outcome.problem
        saved = PartialListing.objects.first()
        offsets.append(saved.next_offset if saved else None)
        row = Cloud.objects.get()
        if not outcome.is_partial:
            break
        assert (row.incomplete, row.refreshed_at) == ("partly_read", None)
        assert (row.listed, row.counted) == (outcome.seen, 40)
        client.force_login(viewer)
        Cloud.objects.update(refreshed_at=timezone.now())
        page = client.get("/instances/").text
        assert f"{outcome.seen} of 40 instances synced" in page
        Cloud.objects.update(refreshed_at=None)
        assert len(offsets) < 10, "it must come to an end"
    assert offsets == [10, 20, 30, 40, None], "a full page is followed by another"
    assert (row.incomplete, row.listed) == ("", None)
    assert row.refreshed_at is not None
    assert Instance.objects.count() == 40


def test_the_command_reads_a_slow_listing_to_its_end(
    empty_cloud: Emulator, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setattr(refresh, "PAGE_SIZE", 15)
    monkeypatch.setattr(refresh, "READ_SECONDS", 0.000_001)
    call_command("refresh")
    output = capsys.readouterr().out
    assert "demo: 15 of 40 instances read" in output
    assert "demo: 40 instances, " in output


def test_what_vanished_is_missing_after_a_resumed_listing(
    cloud: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refresh, "PAGE_SIZE", 10)
    monkeypatch.setattr(refresh, "READ_SECONDS", 0.000_001)
    victim = Instance.objects.filter(status="STOPPED").first()
    assert victim is not None
    cloud.fleet.delete(victim.instance_id)
    outcome = refresh_cloud("demo")
    while outcome is not None and outcome.is_partial:
        assert outcome.missing == 0
        outcome = refresh_cloud("demo")
    victim.refresh_from_db()
    assert victim.missing_since is not None
    assert Instance.objects.filter(missing_since=None).count() == 39


def test_one_document_that_cannot_be_stored_stops_no_other(
    cloud: Emulator, refuses_one: str
) -> None:
    bad, good = Instance.objects.filter(status="STOPPED").order_by("pk")[:2]
    cloud.fleet.force(bad.instance_id, name=refuses_one)
    cloud.fleet.force(good.instance_id, description="From the console")
    outcome = refresh_cloud("demo")
    assert outcome is not None
    assert not outcome.problem
    assert (outcome.unreadable, outcome.seen) == (1, 40)
    good.refresh_from_db()
    assert good.description == "From the console"
    before = bad.name
    bad.refresh_from_db()
    assert (bad.name, bad.problems) == (before, ["document"])
    assert bad.missing_since is None


@pytest.mark.parametrize("text", [LONG, WIDE], ids=["long", "wide"])
def test_texts_longer_than_their_columns_stop_nothing(
    empty_cloud: Emulator, text: str
) -> None:
    victim = empty_cloud.fleet.instances()[0].id
    patch = {
        "name": text,
        "status": text,
        "description": text,
        "flavor": text,
        "error_code": text,
        "user": {"id": text, "name": text},
        "flavor_details": {"type": text, "name": text},
        "workspace": {"id": text},
    }
    empty_cloud.faults.add(
        Fault("patch", route="list", instance_id=victim, patch=patch)
    )
    ensure_clouds()
    outcome = refresh_cloud("demo")
    assert outcome is not None
    assert (outcome.problem, outcome.adds_up) == (Message(), True)
    assert Instance.objects.count() == 40
    assert Instance.objects.get(instance_id=victim).name in text


ODD_IDS = ["a/b", "..", "line\nbreak", "lone\ud800", LONG, "x?y#z"]


@pytest.mark.parametrize("odd", ODD_IDS, ids=lambda odd: ascii(odd[:12]))
def test_an_odd_id_takes_down_no_page(
    empty_cloud: Emulator, client: Client, operator: Any, odd: str
) -> None:
    victim = empty_cloud.fleet.instances()[0].id
    patch = {"id": odd, "name": ""}
    empty_cloud.faults.add(
        Fault("patch", route="list", instance_id=victim, patch=patch)
    )
    ensure_clouds()
    outcome = refresh_cloud("demo")
    assert outcome is not None
    assert (outcome.problem, outcome.adds_up) == (Message(), True)
    usable = odd == "x?y#z"
    row = (
        Instance.objects.get(instance_id=odd)
        if usable
        else Instance.objects.get(instance_id__startswith=UNUSABLE_ID_PREFIX)
    )
    again = refresh_cloud("demo")
    assert again is not None
    assert (again.new, again.changed, again.missing) == (0, 0, 0)
    client.force_login(operator)
    for address in ("/instances/?per_page=100", "/due/", row.get_absolute_url()):
        assert client.get(address).status_code == 200, address
    if not usable:
        page = client.get(row.get_absolute_url()).text
        assert "under an id that cannot be used" not in page
        assert "edit-button" not in page
        requests = len(empty_cloud.log.entries())
        tasks.refresh_instance(row.pk)
        assert len(empty_cloud.log.entries()) == requests, "it cannot be asked about"


def test_a_bad_instance_stops_no_refresh_of_the_others(
    cloud: Emulator, refuses_one: str
) -> None:
    bad, good = Instance.objects.filter(status="RUNNING").order_by("pk")[:2]
    Instance.objects.exclude(pk__in=[bad.pk, good.pk]).update(status="STOPPED")
    Instance.objects.filter(pk__in=[bad.pk, good.pk]).update(
        status="STOPPING", status_since=timezone.now()
    )
    for instance in (bad, good):
        cloud.fleet.force(instance.instance_id, status="STOPPED")
    cloud.fleet.force(bad.instance_id, name=refuses_one)
    tasks.refresh_expected_changes("demo")
    good.refresh_from_db()
    assert good.status == "STOPPED"


def test_reads_that_can_wait_take_no_turn_of_an_edit(
    cloud: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    Instance.objects.update(status="STOPPING", status_since=timezone.now())
    answers = iter([True, True, False])
    monkeypatch.setattr(tasks.upstream, "is_free", lambda _: next(answers))
    before = len(cloud.log.entries())
    tasks.refresh_expected_changes("demo")
    assert len(cloud.log.entries()) - before == 2


def test_a_code_longer_than_its_column_is_cut(cloud: Emulator) -> None:
    code = "ModelArts." + "9" * 200
    cloud.faults.add(Fault("status", route="list", status=500, code=code))
    outcome = refresh_cloud("demo")
    assert outcome is not None
    assert outcome.problem
    assert len(Cloud.objects.get().problem_code) <= 64


def test_an_instance_of_no_name_is_shown_by_its_received_id(
    db: None, client: Client, viewer: Any
) -> None:
    row = factories.make_instance(
        instance_id=f"{UNUSABLE_ID_PREFIX}0", document={"received_id": "a/b<i>"}
    )
    client.force_login(viewer)
    assert "a/b&lt;i&gt;" in client.get(row.get_absolute_url()).text


@pytest.mark.parametrize(
    "empty_cloud", [{"hostile": True, "notebooks": 0.5}], indirect=True
)
def test_a_hostile_fleet_is_listed_whole_and_shown(
    empty_cloud: Emulator, client: Client, operator: Any
) -> None:
    ensure_clouds()
    outcome = refresh_cloud("demo")
    assert outcome is not None
    assert not outcome.problem
    assert (outcome.adds_up, outcome.seen) == (True, 40)
    again = refresh_cloud("demo")
    assert again is not None
    assert (again.new, again.missing) == (0, 0)
    client.force_login(operator)
    addresses = [row.get_absolute_url() for row in Instance.objects.all()]
    for address in ("/instances/?per_page=100", "/due/", *addresses):
        assert client.get(address).status_code == 200, address
    for row in Instance.objects.filter(instance_id__startswith="x?y#z"):
        tasks.refresh_instance(row.pk)
        row.refresh_from_db()
        assert row.missing_since is None
