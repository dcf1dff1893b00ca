"""Clocks that are wrong: the rows C2 and C4 of the fault matrix.

What each row means stands in ``docs/reliability.md``. The checker goes over all of it
when the stack is taken down.
"""

import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dashboard.ops.managed_process import PROJECT, ManagedProcess
from tests.ops.processes import wait_until

from .stack import Stack

pytestmark = [pytest.mark.stack, pytest.mark.timeout(900)]

MOVED_CLOCK = Path(__file__).with_name("moved_clock")


class Clocks:
    """The clocks of the processes of a stack, ours to set."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._ruled: list[ManagedProcess] = []

    def set(self, seconds: float, *children: ManagedProcess) -> None:
        """Have the clocks of these so far ahead of the true one, at once."""
        if not self._ruled:
            self._rule()
        for child in children:
            fresh = self._file(child).with_suffix(".new")
            fresh.write_text(str(seconds))
            fresh.rename(self._file(child))

    def set_right(self) -> None:
        """Have all of them show the true time."""
        if self._ruled:
            self.set(0, *self._ruled)

    def end(self) -> None:
        """Restart the processes with the machine's clock."""
        for child in self._ruled:
            self._stack.kill(child)
            del child.env["PYTHONPATH"]
        self._ruled.clear()
        self._stack.mend()

    def _rule(self) -> None:
        """Restart the processes with clocks that can be set; at first they are true."""
        self._ruled = [self._stack.web, self._stack.beat, *self._stack.workers]
        for child in self._ruled:
            self._stack.kill(child)
            self._file(child).write_text("0")
            child.env |= {
                "PYTHONPATH": os.pathsep.join([str(MOVED_CLOCK), str(PROJECT)]),
                "CURFEW_TEST_CLOCK": str(self._file(child)),
            }
        self._stack.mend()

    def _file(self, child: ManagedProcess) -> Path:
        return self._stack.folder / f"{child.name}.clock"


@pytest.fixture(scope="module")
def all_clocks(one_stack: Stack) -> Iterator[Clocks]:
    """Started once for all tests of this module."""
    clocks = Clocks(one_stack)
    yield clocks
    clocks.end()


@pytest.fixture
def clocks(stack: Stack, all_clocks: Clocks) -> Iterator[Clocks]:
    """They are true at first, and again afterwards."""
    yield all_clocks
    all_clocks.set_right()


@pytest.mark.parametrize("seconds", [600, -600])
def test_fault_c2_our_clock_is_wrong(
    stack: Stack, clocks: Clocks, seconds: float
) -> None:
    if stack.postgres is None:
        pytest.skip("SQLite's clock is ours: then it is the cloud's that is wrong, C1.")
    clocks.set(seconds, stack.web, stack.beat, *stack.workers)
    wait_until(lambda: abs(_skew(stack) + seconds) < 5)
    instance = _running(stack)
    person = stack.sign_in("oskar")

    def is_right() -> bool:
        page = person.browser.get(f"/instances/demo/{instance}/").raise_for_status()
        return abs(_left(page.text) - _left_in_cloud(stack, instance)) < 5

    # The refresh that finds the skew writes what follows from it a moment later.
    wait_until(is_right, seconds=30)
    # Only the sweep reports it, and it goes by the database's clock.
    form = person.open(instance)
    stack.kill_broker(empty=True)
    stack.accepted.append(form.save(description="C2"))
    stack.broker.start()
    (edit,) = stack.ask("edits_of", instance=instance)
    stack.wait_for(edit, "applied", seconds=60)


def _skew(stack: Stack) -> float:
    seconds: float = stack.ask("cloud")["skew_ms"] / 1000
    return seconds


def _running(stack: Stack) -> str:
    """One that stops by itself, in a while."""
    while True:
        instance = stack.take_instance()
        found = stack.cloud.get(f"instances/{instance}").json()
        if found["status"] == "RUNNING" and found["auto_stop"]["enable"]:
            return instance


def _left(page: str) -> float:
    """Seconds that a page counts down from: its moment by its own clock."""
    now = re.search(r'<html[^>]* data-now="(\d+)"', page)
    stops = re.search(r'data-stops-at="(\d+)"', page)
    assert now
    assert stops
    return (int(stops[1]) - int(now[1])) / 1000


def _left_in_cloud(stack: Stack, instance: str) -> float:
    found = stack.cloud.get(f"instances/{instance}").json()
    now: int = stack.cloud.get("clock").json()["now_ms"]
    seconds: float = (found["stops_at_ms"] - now) / 1000
    return seconds


def test_fault_c4_clock_steps_back_in_the_worker(stack: Stack, clocks: Clocks) -> None:
    if stack.postgres is None:
        pytest.skip("Only Python's clock is moved: the same on both, tried once.")
    clocks.set(0, *stack.workers)
    busy, failing = stack.take_instance(), stack.take_instance()
    stack.fault("delay", route="show", instance_id=busy, latency_seconds=1, times=1)
    stack.fault("status", status=503, route="update", instance_id=failing, times=1)
    edits = [
        stack.ask("submit", instance=one, actor="oskar", patch={"description": "C4"})
        for one in (busy, failing)
    ]
    stack.wait_for_strike()
    clocks.set(-300, *stack.workers)
    began = time.monotonic()
    for edit in edits:
        stack.wait_for(edit, "applied", seconds=60)
    # Far from the five minutes: neither a pause nor a lease is longer by them.
    assert time.monotonic() - began < 60
    assert len(stack.puts(busy)) == 1
    later = stack.take_instance()
    edit = stack.ask(
        "submit", instance=later, actor="oskar", patch={"description": "C4, later"}
    )
    stack.wait_for(edit, "applied", seconds=60)
