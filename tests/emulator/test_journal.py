"""The journal has each change of status with its moment, however late one looks."""

import dataclasses

import pytest

from dashboard.emulator import Emulator, Fault
from dashboard.emulator.journal import Journal

from .conftest import START_MS, STILL, Api, NotebookApi

HOUR_MS = 3_600_000


def moves(
    cloud: Emulator, instance_id: str, after: int = 0
) -> list[tuple[float, str | None, str | None]]:
    """Return the changes of an instance: seconds since the start, before and after."""
    return [
        ((change.at_ms - START_MS) / 1000, change.before, change.after)
        for change in cloud.journal(instance_id=instance_id, after=after)
    ]


def test_a_run_seen_by_nobody_is_recorded_with_its_planned_moments(
    cloud: Emulator, api: Api
) -> None:
    instance_id = api.id_of("weekend-job")
    cloud.fleet.force(
        instance_id, auto_stop={"enable": True, "duration_seconds": 3_600}
    )
    cloud.clock.advance(10)
    assert api.act(instance_id, "start").status == 200
    cloud.clock.advance(30 * 86_400)
    assert moves(cloud, instance_id) == [
        (10, "STOPPED", "STARTING"),
        (18, "STARTING", "RUNNING"),
        (3_618, "RUNNING", "STOPPING"),
        (3_623, "STOPPING", "STOPPED"),
    ]


def test_a_notebook_s_run_is_recorded_likewise(
    notebook_cloud: Emulator, notebooks: NotebookApi
) -> None:
    notebook_id = notebooks.id_of("customer-segments")
    query = f"?duration={HOUR_MS}&type=timing"
    assert notebooks.start(notebook_id, query).status == 200
    notebook_cloud.clock.advance(60)
    later = {"duration": 2 * HOUR_MS, "type": "timing"}
    assert notebooks.renew(notebook_id, later).status == 200
    notebook_cloud.clock.advance(30 * 86_400)
    assert moves(notebook_cloud, notebook_id) == [
        (0, "STOPPED", "STARTING"),
        (8, "STARTING", "RUNNING"),
        (7_260, "RUNNING", "STOPPING"),
        (7_265, "STOPPING", "STOPPED"),
    ]


def test_a_manual_stop_replaces_the_planned_one(cloud: Emulator, api: Api) -> None:
    instance_id = api.id_of("weekend-job")
    cloud.fleet.force(instance_id, status="RUNNING", stops_in_seconds=600)
    cloud.clock.advance(60)
    api.act(instance_id, "stop")
    cloud.clock.advance(3_600)
    assert moves(cloud, instance_id) == [
        (0, "STOPPED", "RUNNING"),
        (60, "RUNNING", "STOPPING"),
        (65, "STOPPING", "STOPPED"),
    ]


def test_new_and_deleted_instances_have_no_status_before_or_after(
    cloud: Emulator, api: Api
) -> None:
    instance_id = api.create().json["id"]
    cloud.clock.advance(20)
    api.act(instance_id, "stop")
    cloud.clock.advance(20)
    assert api.send("DELETE", f"{api.base}/{instance_id}").status == 200
    assert moves(cloud, instance_id) == [
        (0, None, "CREATING"),
        (10, "CREATING", "RUNNING"),
        (20, "RUNNING", "STOPPING"),
        (25, "STOPPING", "STOPPED"),
        (40, "STOPPED", None),
    ]


@pytest.mark.parametrize(("deleted", "last"), [("vanish", None), ("linger", "DELETED")])
def test_new_and_deleted_notebooks_likewise(
    notebook_cloud: Emulator, notebooks: NotebookApi, deleted: str, last: str | None
) -> None:
    notebooks.behave(deleted=deleted)
    notebook_id = notebooks.create().json["id"]
    notebook_cloud.clock.advance(20)
    notebook_cloud.notebooks.force(notebook_id, status="STOPPED")
    assert notebooks.delete(notebook_id).status == 200
    notebook_cloud.clock.advance(20)
    assert moves(notebook_cloud, notebook_id) == [
        (0, None, "INIT"),
        (2, "INIT", "CREATING"),
        (10, "CREATING", "RUNNING"),
        (20, "RUNNING", "STOPPED"),
        (20, "STOPPED", "DELETING"),
        (25, "DELETING", last),
    ]


def test_what_changes_nothing_is_not_recorded(cloud: Emulator, api: Api) -> None:
    instance_id = api.id_of("weekend-job")
    before = len(cloud.journal())
    cloud.faults.add(Fault("not_changed", route="action", times=1))
    cloud.faults.add(Fault("drop", route="action", times=1))
    assert api.act(instance_id, "start").status == 200
    with pytest.raises(ConnectionError):
        api.act(instance_id, "start")
    assert api.act(instance_id, "stop").status == 400
    assert api.update(instance_id, {"description": "new"}).status == 200
    assert len(cloud.journal()) == before


def test_a_late_write_is_recorded_when_it_takes_effect(
    cloud: Emulator, api: Api
) -> None:
    instance_id = api.id_of("weekend-job")
    cloud.faults.add(Fault("late", route="action", seconds=3_600, times=1))
    assert api.act(instance_id, "start").status == 504
    cloud.clock.advance(5)
    assert moves(cloud, instance_id) == []
    cloud.land_late_writes()
    assert moves(cloud, instance_id) == [(5, "STOPPED", "STARTING")]


def test_the_changes_of_the_whole_fleet_agree_with_its_statuses() -> None:
    with Emulator(fleet=400, notebooks=200, speed=STILL, start_ms=START_MS) as cloud:
        first = {
            each.id: each.status
            for each in (*cloud.fleet.instances(), *cloud.notebooks.notebooks())
        }
        reached = dict(first)
        # A look in between must not change what a later one tells.
        for seconds in (60, 7_000, 4 * 86_400):
            cloud.clock.advance(seconds)
            cloud.fleet.instances()
        changes = cloud.journal()
        assert [change.at_ms for change in changes] == sorted(
            change.at_ms for change in changes
        )
        assert all(change.at_ms > START_MS for change in changes)
        assert len({change.instance_id for change in changes}) > 100
        for change in changes:
            assert reached[change.instance_id] == change.before
            if change.after is None:
                del reached[change.instance_id]
            else:
                reached[change.instance_id] = change.after
        last = (*cloud.fleet.instances(), *cloud.notebooks.notebooks())
        assert reached == {each.id: each.status for each in last}
        numbers = sorted(change.number for change in changes)
        assert numbers == list(range(1, len(changes) + 1))


def test_the_journal_is_read_over_http(cloud: Emulator, api: Api) -> None:
    instance_id = api.id_of("weekend-job")
    cloud.fleet.force(instance_id, status="RUNNING", stops_in_seconds=600)
    cloud.clock.advance(3_600)
    path = f"/_emulator/journal?instance_id={instance_id}"
    entries = api.send("GET", path).json
    assert entries == [
        dataclasses.asdict(change) for change in cloud.journal(instance_id=instance_id)
    ]
    assert [entry["after"] for entry in entries] == ["RUNNING", "STOPPING", "STOPPED"]
    newer = api.send("GET", f"{path}&after={entries[0]['number']}").json
    assert newer == entries[1:]
    assert len(api.send("GET", "/_emulator/journal").json) > len(entries)
    assert api.send("GET", "/_emulator/journal?after=x").status == 400


def test_a_full_journal_forgets_the_oldest_and_shows_it() -> None:
    journal = Journal(max_changes=3)
    for moment in range(5):
        journal.record("DE-1", moment, f"{moment}", f"{moment + 1}")
    assert [change.number for change in journal.changes()] == [3, 4, 5]
