"""Random fleets are repeatable, varied and valid."""

from collections import Counter

import pytest

from dashboard.emulator import CANARIES, STATUSES, Behavior, Emulator
from dashboard.emulator.lifecycle import catch_up
from dashboard.emulator.seeding import seed_fleet
from dashboard.emulator.validation import FORBIDDEN

from .conftest import START_MS


def test_the_same_seed_gives_the_same_fleet() -> None:
    fleet = seed_fleet(300, 7, START_MS)
    assert fleet == seed_fleet(300, 7, START_MS)
    assert fleet != seed_fleet(300, 8, START_MS)


def test_a_larger_fleet_begins_with_the_smaller() -> None:
    assert seed_fleet(200, 7, START_MS)[:90] == seed_fleet(90, 7, START_MS)


@pytest.mark.parametrize("count", [0, 1, 39, 41])
def test_any_size(count: int) -> None:
    assert len(seed_fleet(count, 1, START_MS)) == count


def test_sixty_instances_contain_every_variant() -> None:
    fleet = seed_fleet(60, 1, START_MS)
    assert {i.status for i in fleet} == set(STATUSES)
    assert len({i.owner.name for i in fleet}) >= 12
    assert {"anna.schmidt", "li.wei", "tom.becker"} <= {i.owner.name for i in fleet}
    assert "curfew-service" not in {i.owner.name for i in fleet}
    assert {i.flavor.kind for i in fleet} == {"CPU", "GPU", "Ascend", "ASCEND"}
    assert {i.storage["type"] for i in fleet} == {"obs", "evs", "efs"}
    assert {"", 512} <= {i.description or "" for i in fleet} | {
        len(i.description) for i in fleet
    }
    left = {(i.stops_at_ms - START_MS) // 1000 for i in fleet if i.stops_at_ms}
    assert {120, 420, 1_200} <= left
    assert any(i.auto_stop.duration_seconds == 5_000 for i in fleet)
    forgotten = [i for i in fleet if i.status == "RUNNING" and not i.auto_stop.enable]
    started = [i.run_started_ms or START_MS for i in forgotten]
    assert min(started) == START_MS - 3 * 86_400_000


def test_ten_thousand_keep_the_rules() -> None:
    fleet = seed_fleet(10_000, 1, START_MS)
    assert len({i.id for i in fleet}) == 10_000
    counts = Counter(i.status for i in fleet)
    assert counts.keys() == set(STATUSES)
    assert counts["RUNNING"] + counts["STOPPED"] > 8_000
    for instance in fleet:
        assert len(instance.name) <= 64
        assert len(instance.description) <= 512
        assert not set(instance.description) & set(FORBIDDEN)
        assert 3_600 <= instance.auto_stop.duration_seconds <= 86_400
        assert instance.created_ms <= instance.updated_ms < START_MS
        if instance.run_started_ms is not None:
            assert instance.created_ms < instance.run_started_ms <= START_MS
        assert (instance.queue is not None) == instance.status.endswith("_QUEUING")
        assert (instance.failure is not None) == instance.status.endswith("_FAILED")
        catch_up(instance, START_MS + 3 * 86_400_000, Behavior())
        assert not instance.plan


def test_every_secret_has_a_canary() -> None:
    with Emulator(fleet=120, notebooks=60, start_ms=START_MS) as cloud:
        documents = [
            str(instance.document(START_MS, cloud.project_id))
            for instance in cloud.fleet.instances()
        ]
        documents += [
            str(notebook.document(START_MS, cloud.behavior))
            for notebook in cloud.notebooks.notebooks()
        ]
    assert len(CANARIES) == 11
    for canary in CANARIES:
        assert any(canary in document for document in documents)
