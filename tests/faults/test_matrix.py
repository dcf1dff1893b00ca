"""Processes and stores that die: the rows P, R and D of the fault matrix.

What each row means stands in ``docs/reliability.md``.
"""

from collections.abc import Callable

import pytest

from .stack import Stack

Row = Callable[[Stack], None]
ROWS: dict[str, Row] = {}


def row(name: str) -> Callable[[Row], Row]:
    """Enter a row of the matrix."""

    def enter(function: Row) -> Row:
        ROWS[name] = function
        return function

    return enter


@row("P3")
def worker_killed_before_put(stack: Stack) -> None:
    instance = stack.take_instance()
    stack.fault("hang", route="show", instance_id=instance, times=1)
    edit = stack.ask("submit", instance=instance, actor="oskar", patch=wish("P3"))
    stack.wait_for(edit, "sending")
    stack.wait_for_strike()
    stack.kill(stack.worker)
    stack.start_workers()
    stack.wait_for(edit, "applied")
    assert len(stack.puts(instance)) == 1


@row("P4")
def worker_killed_between_put_and_record(stack: Stack) -> None:
    instance = stack.take_instance()
    stack.fault("hang", route="update", instance_id=instance, applied=True, times=1)
    edit = stack.ask("submit", instance=instance, actor="oskar", patch=wish("P4"))
    stack.wait_for_put(instance)
    stack.kill(stack.worker)
    stack.start_workers()
    stack.wait_for(edit, "applied")
    assert len(stack.puts(instance)) == 1
    assert stack.edit(edit)["interrupted"] == 1


def wish(text: str) -> dict[str, str]:
    return {"description": f"{text} was here"}


@pytest.mark.stack
@pytest.mark.parametrize("name", sorted(ROWS))
def test_fault(name: str, stack: Stack) -> None:
    ROWS[name](stack)
