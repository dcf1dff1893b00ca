"""Extensions of notebooks: the rows N of the matrix where processes add nothing.

A renewal that is answered with 504 and applied later has every fate in between, with
and without a newer request; the checker reads what is said in the end, and how long the
run lasts.
"""

from collections.abc import Callable
from typing import Any

import pytest

from dashboard.accounts.models import User
from dashboard.edits.delivery import authorization, record
from dashboard.edits.models import Edit
from dashboard.emulator import Emulator, Fault
from dashboard.instances.models import Instance

from .checker import violations
from .evidence import RENEW
from .world import KilledError, World

State = Edit.State


@pytest.fixture
def world(cloud: Emulator) -> World:
    """All of it in this process."""
    return World(cloud)


@pytest.fixture
def notebook(world: World) -> Instance:
    return world.notebooks.popleft()


def end(world: World, edit: Edit) -> str:
    """Finish, check everything, and return how the edit ended."""
    world.finish()
    assert violations(world.evidence()) == []
    return Edit.objects.get(pk=edit.pk).state


def renewals(world: World, notebook: Instance) -> list[Any]:
    """The renewals that arrived, late effects aside."""
    entries = world.cloud.log.entries(route=RENEW, instance_id=notebook.instance_id)
    return [entry for entry in entries if entry.late_for is None]


@pytest.mark.parametrize(
    ("module", "name", "number"),
    [(authorization, "authorize_request", 1), (record, "record", 1)],
    ids=["before", "after"],
)
def test_fault_n1_killed_around_the_renewal(
    world: World,
    notebook: Instance,
    operator: User,
    monkeypatch: pytest.MonkeyPatch,
    module: Any,
    name: str,
    number: int,
) -> None:
    def killed(*_: Any) -> bool:
        raise KilledError

    edit = world.extend(notebook, operator, 40)
    with monkeypatch.context() as patch:
        patch.setattr(module, name, killed)
        world.deliver()
    assert end(world, edit) == State.APPLIED
    assert len(renewals(world, notebook)) == number


@pytest.mark.parametrize("applied", [False, True])
def test_fault_n2_killed_during_the_renewal(
    world: World,
    notebook: Instance,
    operator: User,
    monkeypatch: pytest.MonkeyPatch,
    applied: bool,
) -> None:
    def killed(*_: Any) -> None:
        raise KilledError

    world.cloud.faults.add(Fault("drop", route=RENEW, applied=applied, times=1))
    edit = world.extend(notebook, operator, 40)
    with monkeypatch.context() as patch:
        patch.setattr(record, "record", killed)
        world.deliver()
    assert end(world, edit) == State.APPLIED
    assert len(renewals(world, notebook)) == (1 if applied else 2)


@pytest.mark.parametrize(
    "fault",
    [
        Fault("status", route=RENEW, status=429, retry_after="30", times=1),
        Fault("status", route=RENEW, status=504, times=1),
        Fault("status", route=RENEW, status=504, applied=True, times=1),
        Fault("truncate", route=RENEW, times=1),
        Fault("empty", route=RENEW, times=1),
        Fault("not_changed", route=RENEW, times=1),
        Fault("missing_fields", route="notebooks.show", fields=("lease",), times=1),
        Fault("wrong_types", route="notebooks.show", times=1),
        Fault("unknown_enum", route="notebooks.show", times=1),
        Fault("nan", route="notebooks.show", times=1),
    ],
    ids=lambda fault: f"{fault.kind}-{fault.status}-{fault.applied}",
)
def test_fault_n3_that_passes(
    world: World, notebook: Instance, operator: User, fault: Fault
) -> None:
    world.cloud.faults.add(fault)
    edit = world.extend(notebook, operator, 40)
    assert end(world, edit) == State.APPLIED


def test_fault_n4_without_the_permission(
    world: World, notebook: Instance, operator: User
) -> None:
    world.cloud.behavior.change({"renew": "refuse"})
    edit = world.extend(notebook, operator, 40)
    assert end(world, edit) == State.FAILED
    message = str(Edit.objects.get(pk=edit.pk).message)
    assert "modelarts:notebook:updateStopPolicy" in message
    assert len(renewals(world, notebook)) == 1


def test_fault_n5_changed_in_the_console(
    world: World, notebook: Instance, operator: User
) -> None:
    edit = world.extend(notebook, operator, 40)
    world.strange_end(notebook, 5_000)
    assert end(world, edit) == State.CONFLICT
    assert renewals(world, notebook) == []


def cancelled(world: World, edit: Edit) -> None:
    world.cancel(edit, edit.actor)


def in_conflict(world: World, edit: Edit) -> None:
    world.strange_end(edit.instance, 5_000)
    _try_again(world, edit.instance)


def failed(world: World, edit: Edit) -> None:
    world.miss_deadline(edit)


def demoted(world: World, edit: Edit) -> None:
    world.demote(edit.actor)
    _try_again(world, edit.instance)


def retried(world: World, edit: Edit) -> None:
    _try_again(world, edit.instance)


def _try_again(world: World, instance: Instance) -> None:
    world.pass_time(5)
    world.queue.append(instance.pk)
    world.deliver()


@pytest.mark.parametrize("then", [cancelled, in_conflict, failed, demoted, retried])
@pytest.mark.parametrize("newer_hours", [None, 20, 60])
def test_fault_n6_lands_after_the_end(
    world: World,
    notebook: Instance,
    operator: User,
    admin: User,
    then: Callable[[World, Edit], None],
    newer_hours: float | None,
) -> None:
    world.cloud.faults.add(Fault("late", route=RENEW, seconds=3600, times=1))
    edit = world.extend(notebook, operator, 40)
    world.deliver()
    then(world, edit)
    if newer_hours:
        newer = world.extend(notebook, admin, newer_hours)
        _try_again(world, notebook)
    world.cloud.land_late_writes()
    end(world, edit)
    if newer_hours:
        assert Edit.objects.get(pk=newer.pk).state == State.APPLIED
