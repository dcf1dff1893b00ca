"""A cloud that misbehaves: rows U, E and A of the matrix where processes add nothing.

More of these rows are in ``tests/edits`` and ``tests/modelarts``; which, stands in
``docs/reliability.md``.
"""

from typing import Any

import pytest

from dashboard.accounts.models import User
from dashboard.edits.models import Edit
from dashboard.emulator import Emulator, Fault
from dashboard.instances.models import Instance

from .checker import violations
from .world import World

State = Edit.State


@pytest.fixture
def world(cloud: Emulator) -> World:
    """All of it in this process."""
    return World(cloud)


@pytest.fixture
def instance(world: World) -> Instance:
    """One that can be edited."""
    return world.instances.popleft()


def end(world: World, edit: Edit) -> str:
    """Finish, check everything, and return how the edit ended."""
    world.finish()
    assert violations(world.evidence()) == []
    return Edit.objects.get(pk=edit.pk).state


def puts(world: World, instance: Instance) -> list[Any]:
    return world.cloud.log.entries(route="update", instance_id=instance.instance_id)


PASSING: dict[str, list[Fault]] = {
    "U2": [Fault("status", status=401, code="APIG.0301", route="show", times=1)],
    "U7": [
        Fault("status", method="PUT", status=429, retry_after=value, times=1)
        for value in ("30", "1e9", "-1", "Wed, 21 Oct 2099 07:28:00 GMT", "soon")
    ],
    "U8": [
        Fault("status", method="PUT", status=status, applied=applied, times=1)
        for status in (500, 502, 503, 504)
        for applied in (False, True)
    ],
    "U10": [
        Fault("truncate", method="PUT", times=1),
        Fault("empty", method="PUT", times=1),
        Fault("html", method="PUT", times=1),
        Fault("content_type", method="PUT", times=1),
    ],
    "U11": [
        Fault(kind, route=route, times=1)
        for kind in ("wrong_types", "missing_fields", "unknown_enum", "nan")
        for route in ("show", "update")
    ],
    "U12": [
        Fault("big_body", method="PUT", times=1),
        Fault("gzip_bomb", method="PUT", times=1),
        Fault("big_header", method="PUT", times=1),
    ],
}


@pytest.mark.parametrize(
    ("row", "fault"),
    [(row, fault) for row, faults in PASSING.items() for fault in faults],
    ids=lambda value: value if isinstance(value, str) else value.kind,
)
def test_fault_that_passes(
    row: str, fault: Fault, world: World, instance: Instance, operator: User
) -> None:
    world.cloud.faults.add(fault)
    edit = world.submit(instance, operator, description=row)
    assert end(world, edit) == State.APPLIED
    if fault.applied:
        assert len(puts(world, instance)) == 1


@pytest.mark.parametrize(
    ("row", "status", "code"),
    [
        ("U1", 400, "ModelArts.6347"),
        ("U4", 403, "ModelArts.6204"),
        ("U5", 404, "ModelArts.6309"),
        ("U6", 409, "ModelArts.6404"),
    ],
)
def test_fault_that_stays(
    row: str,
    status: int,
    code: str,
    world: World,
    instance: Instance,
    operator: User,
) -> None:
    world.cloud.faults.add(Fault("status", method="PUT", status=status, code=code))
    edit = world.submit(instance, operator, description=row)
    assert end(world, edit) == State.FAILED
    assert len(puts(world, instance)) == 1


@pytest.mark.parametrize("echo", [False, True])
def test_fault_u16_accepted_but_not_changed(
    echo: bool, world: World, instance: Instance, operator: User
) -> None:
    world.cloud.faults.add(Fault("not_changed", method="PUT", echo=echo))
    edit = world.submit(instance, operator, description="U16")
    assert end(world, edit) == State.FAILED
    assert "but still shows the old value" in str(Edit.objects.get(pk=edit.pk).message)
    assert world.values()[instance.instance_id]["description"] != "U16"


def test_fault_e3_changed_in_the_console(
    world: World, instance: Instance, operator: User
) -> None:
    edit = world.submit(instance, operator, description="E3")
    world.strange_change(instance, "from the console")
    assert end(world, edit) == State.CONFLICT


def test_fault_e5_ten_fast_edits(
    world: World, instance: Instance, operator: User
) -> None:
    edits = [
        world.submit(instance, operator, description=f"E5 {number}")
        for number in range(10)
    ]
    assert end(world, edits[-1]) == State.APPLIED
    assert Edit.objects.filter(state=State.SUPERSEDED).count() == 9
    assert len(puts(world, instance)) <= 2


def test_fault_a1_demoted_while_waiting(
    world: World, instance: Instance, operator: User
) -> None:
    edit = world.submit(instance, operator, description="A1")
    world.demote(operator)
    assert end(world, edit) == State.CANCELLED
    assert puts(world, instance) == []
