"""Processes and stores that die: the rows P, R and D of the fault matrix.

What each row means stands in ``docs/reliability.md``. The checker goes over all of it
when the stack is taken down.
"""

import os
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import httpx
import pytest

from tests.ops.processes import wait_until

from .evidence import RENEW, Acceptance
from .person import SaveError
from .stack import Stack

Row = Callable[[Stack], None]
ROWS: dict[str, Row] = {}

PATIENCE_SECONDS = 5
"""Far more than a save takes, and less than when one waits for something."""

MAX_SECONDS_TO_END = 25
"""Less than the 30 s after which a worker that was asked to stop is killed."""


def row(name: str) -> Callable[[Row], Row]:
    """Enter a row of the matrix."""

    def enter(function: Row) -> Row:
        ROWS[name] = function
        return function

    return enter


def submit(stack: Stack, instance: str, text: str) -> str:
    """Have the operator describe an instance; the form's page is not the point."""
    edit: str = stack.ask(
        "submit", instance=instance, actor="oskar", patch={"description": text}
    )
    return edit


# -- processes ------------------------------------------------------------------------


@row("P1")
def web_killed_before_commit(stack: Stack) -> None:
    instance = stack.take_instance()
    form = stack.sign_in("oskar").open(instance)
    stack.ask("hold_writes")
    with ThreadPoolExecutor(1) as pool:
        reply = pool.submit(form.save, description="P1")
        wait_until(lambda: stack.ask("somebody_waits"))
        stack.kill(stack.web)
        with pytest.raises(httpx.TransportError):
            reply.result()
    stack.ask("release_writes")
    assert stack.ask("edits_of", instance=instance) == []
    stack.mend()
    stack.accepted.append(form.save(description="P1"))
    assert len(stack.ask("edits_of", instance=instance)) == 1


@row("P2")
def web_killed_after_commit(stack: Stack) -> None:
    instance = stack.take_instance()
    form = stack.sign_in("oskar").open(instance)
    # The message, between commit and reply, waits 0.3 s for a frozen broker.
    stack.freeze(stack.broker.child)
    with ThreadPoolExecutor(1) as pool:
        reply = pool.submit(form.save, description="P2")
        wait_until(lambda: stack.ask("edits_of", instance=instance) != [])
        stack.kill(stack.web)
        with suppress(httpx.TransportError):
            reply.result()
    stack.thaw(stack.broker.child)
    with stack.recovery("P2"):
        stack.mend()
        stack.accepted.append(form.save(description="P2"))
        (edit,) = stack.ask("edits_of", instance=instance)
        stack.wait_for(edit, "applied")


@row("P3")
def worker_killed_before_put(stack: Stack) -> None:
    instance = stack.take_instance()
    stack.fault("hang", route="show", instance_id=instance, times=1)
    edit = submit(stack, instance, "P3")
    stack.wait_for_strike()
    stack.kill(stack.worker)
    with stack.recovery("P3"):
        stack.start_workers()
        stack.wait_for(edit, "applied")
    assert len(stack.puts(instance)) == 1


@row("P4")
def worker_killed_between_put_and_record(stack: Stack) -> None:
    instance = stack.take_instance()
    stack.fault("hang", route="update", instance_id=instance, applied=True, times=1)
    edit = submit(stack, instance, "P4")
    stack.wait_for_put(instance)
    stack.kill(stack.worker)
    with stack.recovery("P4"):
        stack.start_workers()
        stack.wait_for(edit, "applied")
    assert len(stack.puts(instance)) == 1
    assert stack.edit(edit)["interrupted"] == 1


@row("P5")
def worker_killed_before_acknowledging(stack: Stack) -> None:
    instance = stack.take_instance()
    stack.armed.touch()
    edit = submit(stack, instance, "P5")
    stack.wait_for(edit, "applied")
    wait_until(lambda: not stack.armed.exists())
    with stack.recovery("P5"):
        second = submit(stack, instance, "P5, later")
        stack.wait_for(second, "applied")
    assert len(stack.puts(instance)) == 2


@row("P6")
def pool_child_killed_three_times(stack: Stack) -> None:
    instance, other = stack.take_instance(), stack.take_instance()
    stack.fault("hang", route="show", instance_id=instance)
    edit = submit(stack, instance, "P6")
    struck = 0
    while stack.edit(edit)["state"] != "failed":
        # Another turn hangs, or this was the last.
        wait_until(
            lambda before=struck: (
                stack.struck() > before or stack.edit(edit)["state"] == "failed"
            )
        )
        struck = stack.struck()
        for pid in stack.pool_children(stack.worker):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    stack.wait_for(edit, "failed")
    assert "fault in Curfew" in stack.edit(edit)["message"]
    assert stack.puts(instance) == []
    with stack.recovery("P6"):
        stack.wait_for(submit(stack, other, "P6, other"), "applied")


@row("P7")
def worker_asked_to_stop_at_work(stack: Stack) -> None:
    stack.fault("delay", route="show", latency_seconds=0.5)
    edits = [submit(stack, stack.take_instance(), f"P7 {n}") for n in range(4)]
    stack.wait_for_strike()
    stack.worker.ask_to_stop()
    started = time.monotonic()
    wait_until(lambda: stack.worker.exit_code is not None, seconds=MAX_SECONDS_TO_END)
    took = time.monotonic() - started
    stack.figures.append(f"worker ended {took:.1f} s after SIGTERM")
    assert stack.worker.exit_code == 0
    with stack.recovery("P7"):
        stack.mend()
        for edit in edits:
            stack.wait_for(edit, "applied")
    for edit in edits:
        assert stack.edit(edit)["interrupted"] == 0


@row("P8")
def sweeper_killed_and_message_lost(stack: Stack) -> None:
    stack.kill(stack.beat)
    instance = stack.take_instance()
    enqueued = submit(stack, instance, "P8, enqueued")

    def applied() -> bool:
        # A message gives up after 0.3 s, which a busy machine may need.
        stack.ask("enqueue", instance=instance)
        return bool(stack.edit(enqueued)["state"] == "applied")

    wait_until(applied)
    stack.kill_broker(empty=True)
    edit = submit(stack, stack.take_instance(), "P8, not enqueued")
    with stack.recovery("P8"):
        stack.mend()
        stack.wait_for(edit, "applied")


@row("P9")
def two_sweepers(stack: Stack) -> None:
    second = stack.new_beat("second-beat")
    second.start()
    try:
        said = second.log_path
        wait_until(lambda: said.exists() and "scheduler ->" in said.read_text())
        instances = [stack.take_instance() for _ in range(3)]
        for instance in instances:
            stack.wait_for(submit(stack, instance, "P9"), "applied")
            assert len(stack.puts(instance)) == 1
    finally:
        stack.kill(second)


@row("P10")
def worker_killed_at_a_refresh(stack: Stack) -> None:
    stack.fault("hang", route="list", times=1)
    stack.wait_for_strike()
    stack.kill(stack.refresher)
    with stack.recovery("P10"):
        stack.start_workers()
        before = stack.ask("refreshed_ms")
        # Its lease alone would hold the mirror up for two minutes.
        wait_until(lambda: stack.ask("refreshed_ms") > before, seconds=60)


@row("P11")
def worker_killed_before_renewal(stack: Stack) -> None:
    notebook = stack.take_notebook()
    stack.fault("hang", route="notebooks.show", instance_id=notebook, times=1)
    edit = stack.ask("extend", instance=notebook, actor="oskar", hours=40)
    stack.wait_for_strike()
    stack.kill(stack.worker)
    with stack.recovery("P11"):
        stack.start_workers()
        stack.wait_for(edit, "applied")
    assert len(stack.renewals(notebook)) == 1


@row("P12")
def worker_killed_between_renewal_and_record(stack: Stack) -> None:
    notebook = stack.take_notebook()
    stack.fault("hang", route=RENEW, instance_id=notebook, applied=True, times=1)
    edit = stack.ask("extend", instance=notebook, actor="oskar", hours=40)
    wait_until(lambda: stack.renewals(notebook))
    stack.kill(stack.worker)
    with stack.recovery("P12"):
        stack.start_workers()
        stack.wait_for(edit, "applied")
    assert len(stack.renewals(notebook)) == 1
    assert stack.edit(edit)["interrupted"] == 1


# -- broker ---------------------------------------------------------------------------


@row("R1")
def broker_refuses(stack: Stack) -> None:
    person = stack.sign_in("oskar")
    instance = stack.take_instance()
    form = person.open(instance)
    stack.kill_broker()
    took = _saved(stack, lambda: form.save(description="R1"))
    stack.figures.append(f"broker dead: saved in {took:.2f} s")
    with stack.recovery("R1"):
        stack.mend()
        stack.wait_until_all_ended()


@row("R2")
def broker_frozen(stack: Stack) -> None:
    person = stack.sign_in("oskar")
    forms = [person.open(stack.take_instance()) for _ in range(3)]
    person.browser.timeout = PATIENCE_SECONDS
    stack.freeze(stack.broker.child)
    try:
        for form in forms:
            took = _saved(stack, lambda form=form: form.save(description="R2"))
            stack.figures.append(f"broker frozen: saved in {took:.2f} s")
    finally:
        stack.thaw(stack.broker.child)
    with stack.recovery("R2"):
        stack.wait_until_all_ended()


@row("R3")
def broker_killed_and_emptied_at_work(stack: Stack) -> None:
    busy, waiting = stack.take_instance(), stack.take_instance()
    stack.fault("delay", route="show", instance_id=busy, latency_seconds=2, times=1)
    edits = [submit(stack, busy, "R3, at work")]
    stack.wait_for_strike()
    stack.kill_broker(empty=True)
    edits.append(submit(stack, waiting, "R3, waiting"))
    with stack.recovery("R3"):
        stack.broker.start()
        for edit in edits:
            stack.wait_for(edit, "applied")


@row("R4")
def broker_full(stack: Stack) -> None:
    form = stack.sign_in("oskar").open(stack.take_instance())
    stack.set_broker(maxmemory="1")
    try:
        _saved(stack, lambda: form.save(description="R4"))
    finally:
        stack.set_broker(maxmemory="0")
    with stack.recovery("R4"):
        stack.wait_until_all_ended()


@row("R5")
def broker_holds_garbage(stack: Stack) -> None:
    stack.ask("queue_garbage")
    with stack.recovery("R5"):
        stack.wait_for(submit(stack, stack.take_instance(), "R5"), "applied")


# -- database -------------------------------------------------------------------------


@row("D1")
def database_locked(stack: Stack) -> None:
    instance = stack.take_instance()
    form = stack.sign_in("oskar").open(instance)
    stack.ask("hold_writes")
    with ThreadPoolExecutor(1) as pool:
        reply = pool.submit(form.save, description="D1")
        wait_until(lambda: stack.ask("somebody_waits"))
        stack.ask("release_writes")
        with stack.recovery("D1"):
            stack.accepted.append(reply.result())
            stack.wait_until_all_ended()


@row("D2")
def database_down(stack: Stack) -> None:
    if stack.postgres is None:
        pytest.skip("SQLite is a file.")
    instance = stack.take_instance()
    form = stack.sign_in("oskar").open(instance)
    stack.postgres.crash()
    with pytest.raises(SaveError) as refused:
        form.save(description="D2")
    assert refused.value.status == 503
    assert 'value="D2"' in refused.value.text, "what was typed is kept"
    assert "Traceback" not in refused.value.text
    _crowd_is_told(stack)
    stack.postgres.start()

    def saved() -> bool:
        with suppress(SaveError):
            stack.accepted.append(form.save(description="D2"))
            return True
        return False

    with stack.recovery("D2"):
        wait_until(saved)
        stack.wait_until_all_ended()


def _crowd_is_told(stack: Stack) -> None:
    """Nobody waits for others to find out, nor does who needs no database."""
    with (
        httpx.Client(
            base_url=stack.url,
            cookies={"sessionid": "somebody" * 4},
            timeout=30,
            trust_env=False,
        ) as browser,
        ThreadPoolExecutor(100) as crowd,
    ):
        pages = [crowd.submit(browser.get, "/instances/") for _ in range(100)]
        assert stack.web_answers()
        assert {page.result().status_code for page in pages} == {503}


@row("D3")
def database_restarted_between_put_and_record(stack: Stack) -> None:
    if stack.postgres is None:
        pytest.skip("SQLite is a file.")
    instance = stack.take_instance()
    stack.fault(
        "delay", route="update", instance_id=instance, latency_seconds=3, times=1
    )
    edit = submit(stack, instance, "D3")
    stack.wait_for_strike()
    stack.postgres.crash()
    stack.postgres.start()
    with stack.recovery("D3"):
        stack.wait_for(edit, "applied")
    stack.wait_for_put(instance)
    assert stack.in_cloud(instance)["description"] == "D3"


def _saved(stack: Stack, save: Callable[[], Acceptance]) -> float:
    """Save; return how many seconds that took."""
    began = time.monotonic()
    stack.accepted.append(save())
    return time.monotonic() - began


@pytest.mark.stack
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", sorted(ROWS))
def test_fault(name: str, stack: Stack) -> None:
    ROWS[name](stack)
