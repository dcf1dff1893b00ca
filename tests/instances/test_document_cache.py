"""Documents that a refresh need not read again."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dashboard.emulator import Emulator
from dashboard.instances import document_cache, mapping
from dashboard.instances.models import Cloud, Instance
from dashboard.instances.refresh import refresh_cloud


@pytest.fixture
def read(cloud: Emulator, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Ids of the documents that are turned into rows from now on."""
    ids: list[str] = []
    original = mapping.columns

    def columns(wire: Any, **how: Any) -> dict[str, Any]:
        ids.append(wire.id)
        return original(wire, **how)

    monkeypatch.setattr(mapping, "columns", columns)
    return ids


@pytest.fixture
def quiet() -> Instance:
    """Not among those that are read for their clock."""
    return Instance.objects.filter(status="STOPPED").order_by("pk")[0]


def test_a_fleet_at_rest_is_hardly_read(read: list[str]) -> None:
    outcome = refresh_cloud("demo")
    assert outcome is not None
    assert (outcome.seen, outcome.changed, outcome.missing) == (40, 0, 0)
    # Those that tell the clock, and those with a document that cannot be trusted.
    assert len(read) < 15


@pytest.mark.parametrize("empty_cloud", [{"notebooks": 30}], indirect=True)
def test_notebooks_at_rest_are_not_read(read: list[str]) -> None:
    at_rest = Instance.objects.filter(
        generation="notebooks", status__in=["RUNNING", "STOPPED"]
    )
    ids = set(at_rest.values_list("instance_id", flat=True))
    assert len(ids) > 15
    outcome = refresh_cloud("demo")
    assert outcome is not None
    assert outcome.seen == 40
    assert not ids & set(read)


def test_what_changed_there_is_read(
    cloud: Emulator, read: list[str], quiet: Instance
) -> None:
    cloud.fleet.force(quiet.instance_id, description="From the console")
    refresh_cloud("demo")
    assert quiet.instance_id in read
    quiet.refresh_from_db()
    assert quiet.description == "From the console"


@pytest.mark.parametrize(
    "change",
    [
        {"content_hash": "other", "description": "Not so"},
        {"missing_since": datetime(2026, 1, 1, tzinfo=UTC)},
    ],
)
def test_what_changed_here_is_read(
    read: list[str], quiet: Instance, change: dict[str, Any]
) -> None:
    Instance.objects.filter(pk=quiet.pk).update(**change)
    refresh_cloud("demo")
    before, quiet = quiet, Instance.objects.get(pk=quiet.pk)
    assert quiet.instance_id in read
    assert quiet.description == before.description
    assert quiet.missing_since is None


def test_another_clock_has_everything_read(read: list[str]) -> None:
    hour_ms = timedelta(hours=1) // timedelta(milliseconds=1)
    Cloud.objects.update(skew_ms=hour_ms)
    refresh_cloud("demo")
    refresh_cloud("demo")
    assert len(set(read)) == 40


def test_the_memory_is_no_larger_than_the_fleet(
    cloud: Emulator, quiet: Instance
) -> None:
    memory = document_cache._memories[Cloud.objects.get().pk]
    assert quiet.instance_id in memory
    cloud.fleet.delete(quiet.instance_id)
    refresh_cloud("demo")
    assert quiet.instance_id not in memory
    assert len(memory) <= 39
