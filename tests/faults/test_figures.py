"""What a fault costs, measured by itself, with nothing else going wrong.

The tests hold what happens; how long it took is shown at their end.
``CURFEW_FIGURES_ROUNDS`` (2) says how often each is done.
"""

import os
import time

import pytest

from dashboard.ops.managed_process import ManagedProcess

from .figures import figures
from .stack import Stack

ROUNDS = int(os.environ.get("CURFEW_FIGURES_ROUNDS", "2"))

pytestmark = [pytest.mark.stack, pytest.mark.timeout(900 + ROUNDS * 120)]


def test_recovery_after_kill_9(stack: Stack) -> None:
    seconds = _recoveries(stack, [stack.worker])
    _show(stack, "kill -9 of the worker to the PUT", seconds)


@pytest.mark.skipif(ROUNDS < 6, reason="A second worker is only for figures.")
def test_recovery_while_another_worker_lives(stack: Stack) -> None:
    second = stack.new_worker("second", "edits", 2)
    stack.workers.append(second)
    try:
        stack.start_workers()
        seconds = _recoveries(stack, [stack.worker, second])
    finally:
        stack.workers.remove(second)
        stack.kill(second)
    _show(stack, "kill -9 of one of two workers to the PUT", seconds)


def _recoveries(stack: Stack, workers: list[ManagedProcess]) -> list[float]:
    """Kill the worker that is at work, again and again; return seconds to the PUT."""
    instance = stack.take_instance()
    seconds = []
    for number in range(ROUNDS):
        stack.fault("hang", route="show", instance_id=instance, times=1)
        edit = stack.ask(
            "submit",
            instance=instance,
            actor="oskar",
            patch={"description": f"kill -9, {number}"},
        )
        stack.wait_for_strike()
        (at_work,) = [one for one in workers if edit in "".join(one.last_lines(50))]
        killed_ms = time.time() * 1000
        stack.kill(at_work)
        at_work.start()
        stack.wait_for(edit, "applied")
        stack.clear_faults()
        put = stack.puts(instance)[-1]
        assert put["wall_ms"] > killed_ms
        seconds.append((put["wall_ms"] - killed_ms) / 1000)
    assert len(stack.puts(instance)) == ROUNDS
    return seconds


def _show(stack: Stack, what: str, seconds: list[float]) -> None:
    load = os.getloadavg()[0]
    stack.figures.append(f"{what} {figures(seconds)}, {len(seconds)}x, load {load:.1f}")


def test_saving_while_the_broker_is_dead(stack: Stack) -> None:
    person = stack.sign_in("oskar")
    instances = [stack.take_instance() for _ in range(4)]
    stack.kill_broker()
    seconds = []
    for number in range(ROUNDS * 10):
        form = person.open(instances[number % len(instances)])
        began = time.monotonic()
        stack.accepted.append(form.save(description=f"broker dead, {number}"))
        seconds.append(time.monotonic() - began)
    stack.mend()
    stack.wait_until_all_ended()
    _show(stack, "save while the broker is dead", seconds)
