"""A PUT that is answered with 504 and applied later: rows U19 and U20 of the matrix.

Everything that may happen to the change in between is tried, with and without a newer
change by somebody else; the checker reads what is said in the end.
"""

from collections.abc import Callable
from itertools import product

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


def cancelled(world: World, edit: Edit) -> None:
    world.cancel(edit, edit.actor)


def in_conflict(world: World, edit: Edit) -> None:
    world.strange_change(edit.instance, "from the console")
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


ENDS = (cancelled, in_conflict, failed, demoted, retried)


@pytest.mark.parametrize(
    ("end", "is_followed"),
    product(ENDS, (False, True)),
    ids=lambda value: getattr(value, "__name__", str(value)),
)
@pytest.mark.parametrize(
    "patch", [{"description": "late"}, {"auto_stop_duration": 7200}]
)
def test_fault_u19_lands_after_the_end(
    world: World,
    operator: User,
    admin: User,
    end: Callable[[World, Edit], None],
    is_followed: bool,
    patch: dict[str, object],
) -> None:
    instance = world.instances.popleft()
    world.cloud.faults.add(Fault("late", method="PUT", seconds=3600, times=1))
    edit = world.submit(instance, operator, **patch)
    world.deliver()
    end(world, edit)
    if is_followed:
        world.submit(instance, admin, description="newer")
        _try_again(world, instance)
    world.cloud.land_late_writes()
    world.finish()
    assert violations(world.evidence()) == []


def test_fault_u20_older_values_land_again_and_again(
    world: World, operator: User
) -> None:
    instance = world.instances.popleft()
    for number in range(4):
        world.cloud.faults.add(Fault("late", method="PUT", seconds=3600, times=1))
        world.submit(instance, operator, description=f"late {number}")
        world.deliver()
        world.pass_time(5)
    world.submit(instance, operator, description="newest")
    _try_again(world, instance)
    world.cloud.land_late_writes()
    world.finish()
    assert world.cloud.fleet.get(instance.instance_id).description == "newest"
    assert violations(world.evidence()) == []
