"""Refreshes of a cloud with both generations of the API."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from dashboard.emulator import Emulator
from dashboard.instances import mapping, messages, refresh, upstream
from dashboard.instances.models import (
    Cloud,
    FleetVersion,
    Instance,
    InstanceEvent,
    PartialListing,
)
from dashboard.instances.observations import read_instance
from dashboard.instances.refresh import Outcome, refresh_cloud
from dashboard.modelarts.errors import NotServedError
from dashboard.modelarts.messages import Problem
from dashboard.modelarts.requests import RenewLeaseRequest
from dashboard.web.stored_messages import Message

MIXED = pytest.mark.parametrize(
    "empty_cloud", [{"fleet": 24, "notebooks": 12}], indirect=True
)
pytestmark = MIXED

BOTH = {"demanager": "served", "notebooks": "served"}


def read() -> Outcome:
    outcome = refresh_cloud("demo")
    assert outcome is not None
    return outcome


def present(generation: str) -> Any:
    return Instance.objects.filter(generation=generation, missing_since=None)


def listings(cloud: Emulator) -> list[str]:
    """The listings that the next refresh asks for."""
    before = len(cloud.log.entries())
    read()
    entries = cloud.log.entries(after=before)
    return [entry.route for entry in entries if "list" in entry.route]


def remove(cloud: Emulator, instance: Instance) -> None:
    for fleet, rows in (
        (cloud.fleet, cloud.fleet._instances),
        (cloud.notebooks, cloud.notebooks._notebooks),
    ):
        with fleet._lock:
            rows.pop(instance.instance_id, None)
    cloud.notebooks._ordered = None


def configure(cloud: Emulator, tmp_path: Any, **keys: str) -> None:
    """Add settings to the cloud in clouds.yaml, which has its final newline."""
    lines = "".join(f"    {key}: {value}\n" for key, value in keys.items())
    (tmp_path / "clouds.yaml").write_text(cloud.clouds_yaml("demo") + lines)
    upstream.forget_clients()


def test_both_are_read(cloud: Emulator) -> None:
    assert (present("demanager").count(), present("notebooks").count()) == (12, 12)
    row = Cloud.objects.get()
    assert (row.generations, row.notebooks_scope) == (BOTH, "all")
    assert row.generations_checked_at is not None
    for notebook in present("notebooks"):
        there = cloud.notebooks.get(notebook.instance_id)
        assert (notebook.name, notebook.status) == (there.name, there.status)
        assert notebook.owner_name == there.owner.name
        assert notebook.tags == there.tags


def test_an_unchanged_fleet_is_hardly_parsed_and_not_written(
    cloud: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    parsed: list[str] = []
    columns = mapping.columns

    def count(wire: Any, **how: Any) -> dict[str, Any]:
        parsed.append(wire.id)
        return columns(wire, **how)

    monkeypatch.setattr(mapping, "columns", count)
    version = FleetVersion.current()
    outcome = read()
    assert (outcome.seen, outcome.counted) == (24, 24)
    assert (outcome.new, outcome.changed, outcome.missing) == (0, 0, 0)
    assert FleetVersion.current() == version
    notebooks = set(present("notebooks").values_list("instance_id", flat=True))
    assert not notebooks & set(parsed), "no listing of them tells the time"


def test_what_vanished_from_either_is_missing(cloud: Emulator) -> None:
    notebook, older = present("notebooks")[0], present("demanager")[0]
    remove(cloud, notebook)
    remove(cloud, older)
    assert read().missing == 2
    gone = Instance.objects.exclude(missing_since=None)
    assert {row.pk for row in gone} == {notebook.pk, older.pk}


def test_a_listing_continues_in_the_generation_where_it_stopped(
    empty_cloud: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refresh, "PAGE_SIZE", 10)
    monkeypatch.setattr(refresh, "READ_SECONDS", 0.000_001)
    refresh.ensure_clouds()
    places = []
    while (outcome := read()).is_partial:
        saved = PartialListing.objects.get()
        places.append((saved.generation, saved.next_offset))
        assert outcome.missing == 0
        assert len(places) < 10, "it must come to an end"
    assert places == [
        ("notebooks", 10),
        ("demanager", 0),
        ("demanager", 10),
    ]
    assert (outcome.seen, outcome.adds_up) == (24, True)
    assert Instance.objects.count() == 24
    assert Cloud.objects.get().generations == BOTH


def test_a_listing_saved_by_an_older_release_begins_again(cloud: Emulator) -> None:
    now = timezone.now()
    PartialListing.objects.create(
        cloud=Cloud.objects.get(),
        begun_at=now,
        saved_at=now,
        next_offset=100,
        totals=[200],
        seen=["DE-1"],
        anonymous=0,
    )
    assert (read().seen, read().adds_up) == (24, True)


class TestNotServed:
    def test_it_is_no_empty_fleet(self, cloud: Emulator) -> None:
        cloud.behavior.change({"served": "notebooks"})
        outcome = read()
        assert outcome.missing == 0
        assert present("demanager").count() == 12
        row = Cloud.objects.get()
        assert row.generations == BOTH | {"demanager": "not_served"}
        assert row.problem == messages.GENERATION_LOST(
            generation="demanager",
            count=12,
            key="modelarts_generations",
            rest="notebooks",
        )
        assert row.incomplete == ""

    def test_the_other_one_is_read_all_the_same(self, cloud: Emulator) -> None:
        cloud.behavior.change({"served": "demanager"})
        older = present("demanager")[0]
        remove(cloud, older)
        assert read().missing == 1
        older.refresh_from_db()
        assert older.missing_since is not None
        assert present("notebooks").count() == 12

    def test_one_with_instances_is_asked_for_each_time(self, cloud: Emulator) -> None:
        cloud.behavior.change({"served": "notebooks"})
        read()
        cloud.behavior.change({"served": "both"})
        assert not read().problem
        row = Cloud.objects.get()
        assert (row.generations, row.problem) == (BOTH, Message())

    def test_one_without_instances_is_asked_for_hourly(
        self, empty_cloud: Emulator
    ) -> None:
        empty_cloud.behavior.change({"served": "demanager"})
        refresh.ensure_clouds()
        assert listings(empty_cloud) == ["notebooks.list_all", "list"]
        checked_at = Cloud.objects.get().generations_checked_at
        assert listings(empty_cloud) == ["list"]
        assert Cloud.objects.get().generations_checked_at == checked_at
        assert Cloud.objects.get().problem == Message()
        empty_cloud.behavior.change({"served": "both"})
        hour_ago = timezone.now() - timedelta(hours=1, seconds=1)
        Cloud.objects.update(generations_checked_at=hour_ago)
        assert read().new == 12

    def test_without_any_the_cloud_has_a_problem(
        self, cloud: Emulator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(*_: Any, **__: Any) -> Any:
            raise NotServedError(Problem.NO_MODELARTS)

        with monkeypatch.context() as patch:
            client = upstream.client_for("demo")
            for api in (client.demanager, client.notebooks):
                patch.setattr(api, "list_instances", refuse)
            outcome = read()
            assert outcome.problem.code == Problem.NO_MODELARTS.code
            assert Instance.objects.filter(missing_since=None).count() == 24
            assert read().problem, "it is asked for each time"
        assert not read().problem


class TestConfigured:
    def test_only_the_configured_one_is_listed(
        self, cloud: Emulator, tmp_path: Any
    ) -> None:
        """So an operator says that the other one was switched off."""
        configure(cloud, tmp_path, modelarts_generations="notebooks")
        assert listings(cloud) == ["notebooks.list_all"]
        assert not present("demanager").exists()
        assert Cloud.objects.get().generations == {"notebooks": "served"}

    def test_it_must_be_served(self, cloud: Emulator, tmp_path: Any) -> None:
        configure(cloud, tmp_path, modelarts_generations="demanager, notebooks")
        cloud.behavior.change({"served": "notebooks"})
        outcome = read()
        assert outcome.code == "APIG.0101"
        assert "modelarts_generations in clouds.yaml" in str(outcome.problem)
        assert Instance.objects.filter(missing_since=None).count() == 24
        assert Cloud.objects.get().problem_code == "APIG.0101"

    def test_what_is_allowed_is_copied_to_the_row(
        self, cloud: Emulator, tmp_path: Any
    ) -> None:
        version = FleetVersion.current()
        keys = {"modelarts_max_run_hours": "48", "modelarts_no_auto_stop": "true"}
        configure(cloud, tmp_path, **keys, modelarts_tags="true")
        read()
        row = Cloud.objects.get()
        assert (row.max_run_hours, row.allows_no_auto_stop, row.has_tags) == (
            48,
            True,
            True,
        )
        assert FleetVersion.current() > version


class TestWithoutAdministratorRights:
    @pytest.fixture
    def foreign(self, cloud: Emulator) -> list[Instance]:
        """Notebooks of others, which were listed while the account had the rights."""
        cloud.behavior.change({"list_all": "refuse"})
        others = present("notebooks").exclude(owner_name=cloud.service_user.name)
        return list(others)

    def test_nothing_is_missing_because_the_listing_is_smaller(
        self, cloud: Emulator, foreign: list[Instance]
    ) -> None:
        assert foreign
        outcome = read()
        assert (outcome.missing, outcome.problem) == (0, Message())
        assert Cloud.objects.get().notebooks_scope == "own"
        assert present("notebooks").count() == 12

    def test_what_is_not_listed_is_read_on_its_own(
        self, cloud: Emulator, foreign: list[Instance]
    ) -> None:
        changed, gone = foreign[:2]
        cloud.notebooks.force(changed.instance_id, description="From the console")
        remove(cloud, gone)
        read()
        changed.refresh_from_db()
        gone.refresh_from_db()
        assert changed.description == "From the console"
        assert gone.missing_since is not None
        assert present("notebooks").count() == 11

    def test_a_few_at_a_time_those_read_longest_ago_first(
        self,
        cloud: Emulator,
        foreign: list[Instance],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(refresh, "MAX_REFRESHES", 2)
        read()
        read()
        shown = cloud.log.entries(route="notebooks.show")
        asked = [entry.instance_id for entry in shown]
        assert len(asked) == len(set(asked)) == min(4, len(foreign))


class TestTheSameId:
    @pytest.fixture
    def twin(self, cloud: Emulator) -> Instance:
        """A notebook whose id is in the old listing, too."""
        older = cloud.fleet.instances()[0]
        notebook = cloud.notebooks.notebooks()[0]
        with cloud.notebooks._lock:
            del cloud.notebooks._notebooks[notebook.id]
        notebook.id = older.id
        cloud.notebooks.add(notebook)
        read()
        return Instance.objects.get(instance_id=older.id)

    def test_it_is_one_notebook(self, twin: Instance) -> None:
        assert twin.generation == "notebooks"
        assert twin.auto_stop_duration is None
        version = FleetVersion.current()
        outcome = read()
        assert (outcome.seen, outcome.counted, outcome.adds_up) == (23, 23, True)
        assert outcome.changed == 0
        assert FleetVersion.current() == version


class TestRuns:
    @pytest.fixture
    def running(self, cloud: Emulator) -> Instance:
        row = present("notebooks").filter(status="RUNNING", lease_type="timing")[0]
        cloud.notebooks.force(row.instance_id, stops_in_seconds=7_200)
        read_instance(row)
        InstanceEvent.objects.all().delete()
        row.refresh_from_db()
        return row

    def test_a_lease_that_was_renewed_is_the_same_run(
        self, cloud: Emulator, running: Instance
    ) -> None:
        client = upstream.client_for("demo").notebooks
        client.renew_lease(running.instance_id, RenewLeaseRequest(seconds=4 * 3_600))
        read()
        now = Instance.objects.get(pk=running.pk)
        assert now.stops_at > running.stops_at + timedelta(minutes=90)
        assert now.run_started_at == running.run_started_at
        assert not now.events.exists()
