"""What a fault costs, measured by itself, with nothing else going wrong.

The tests hold what happens; how long it took is printed (``-s`` shows it).
``CURFEW_FIGURES_ROUNDS`` (2) says how often each is done.
"""

import os
import time

import pytest

from .figures import figures
from .stack import Stack

ROUNDS = int(os.environ.get("CURFEW_FIGURES_ROUNDS", "2"))

pytestmark = [pytest.mark.stack, pytest.mark.timeout(900 + ROUNDS * 120)]


def test_recovery_after_kill_9(
    stack: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
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
        killed_ms = time.time() * 1000
        stack.kill(stack.worker)
        stack.worker.start()
        stack.wait_for(edit, "applied")
        stack.clear_faults()
        put = stack.puts(instance)[-1]
        assert put["wall_ms"] > killed_ms
        seconds.append((put["wall_ms"] - killed_ms) / 1000)
    assert len(stack.puts(instance)) == ROUNDS
    with capsys.disabled():
        print(  # noqa: T201 (measured figures)
            f"\n{stack.kind}: kill -9 of the worker to the PUT {figures(seconds)}, "
            f"{ROUNDS}x"
        )


def test_saving_while_the_broker_is_dead(
    stack: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
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
    with capsys.disabled():
        print(  # noqa: T201 (measured figures)
            f"\n{stack.kind}: save while the broker is dead {figures(seconds)}, "
            f"{len(seconds)}x"
        )
