"""What Curfew does by itself, under faults: the rows W, O and Q of the fault matrix.

W are the moments of schedules, O the overrides that keep instances running, and Q the
questions that nobody has answered.

What each row means stands in ``docs/reliability.md``. The checker goes over all of it
when the stack is taken down.
"""

from typing import Any

import pytest

from tests.ops.processes import wait_until

from .stack import Stack

pytestmark = [pytest.mark.stack, pytest.mark.timeout(900)]

SOON_SECONDS = 4
"""Until a moment: time enough for the last preparations."""

PATIENCE_SECONDS = 120
"""Beat looks every 15 s; the processes of other tests take their time."""

KEEP = "edits.keep_instances"
POLICIES = "edits.enforce_rules"

MANY = 6
"""Messages of a regular task at once: what a queue holds after a pause."""


def take_running(stack: Stack) -> str:
    """The id of a running instance that no other test has used."""
    states = {one["instance_id"]: one["status"] for one in stack.ask("instances")}
    while states[instance := stack.take_instance()] != "RUNNING":
        pass
    return instance


def stops(stack: Stack, instance: str) -> list[dict[str, Any]]:
    """The stops that arrived in the cloud for an instance."""
    return stack.log(route="action", instance_id=instance)


def wait_for_moment(stack: Stack, schedule: int, state: str = "done") -> None:
    def handled() -> bool:
        stack.supervise()
        return bool(stack.ask("moments_of", schedule=schedule))

    wait_until(handled, seconds=PATIENCE_SECONDS)
    assert stack.ask("moments_of", schedule=schedule) == [state]


def assert_stopped_once(
    stack: Stack, instance: str, task: str = "edits.run_schedules"
) -> None:
    """One edit for the moment, one request for the edit."""
    assert_done_once(stack, instance, task)
    assert len(stops(stack, instance)) == 1


def assert_done_once(stack: Stack, instance: str, task: str) -> None:
    """One edit is applied, and the next look finds nothing more to do."""
    (edit,) = stack.ask("edits_of", instance=instance)
    stack.wait_for(edit, "applied")
    stack.ask("send", task=task, times=1)
    stack.wait_until_all_ended()
    assert stack.ask("edits_of", instance=instance) == [edit]


def wait_for_deaths(stack: Stack, task: str) -> None:
    """Queue a regular task many times until workers have died at all armed lines."""
    stack.ask("send", task=task, times=MANY)

    def have_died() -> bool:
        stack.supervise()
        return not stack.armed.exists()

    wait_until(have_died, seconds=PATIENCE_SECONDS)


def wait_for_edit(stack: Stack, instance: str) -> None:
    def created() -> bool:
        stack.supervise()
        return bool(stack.ask("edits_of", instance=instance))

    wait_until(created, seconds=PATIENCE_SECONDS)


@pytest.mark.parametrize("line", ["EditBatch", "ScheduleRun"])
def test_fault_w1_killed_between_moment_and_edit(stack: Stack, line: str) -> None:
    """At the first and at the last row that the moment writes, before the commit."""
    instance = take_running(stack)
    stack.armed.write_text(line)
    schedule = stack.ask("add_schedule", instance=instance, in_seconds=SOON_SECONDS)
    wait_until(lambda: not stack.armed.exists(), seconds=PATIENCE_SECONDS)
    with stack.recovery(f"W1 ({line})"):
        wait_for_moment(stack, schedule)
        assert_stopped_once(stack, instance)


def test_fault_w2_everything_down_at_the_moment(stack: Stack) -> None:
    instance = take_running(stack)
    schedule = stack.ask("add_schedule", instance=instance, in_seconds=SOON_SECONDS)
    for child in (stack.beat, *stack.workers, stack.web):
        stack.kill(child)
    stack.kill_broker(empty=True)
    wait_until(lambda: stack.ask("is_due", schedule=schedule))
    assert stack.ask("moments_of", schedule=schedule) == []
    with stack.recovery("W2"):
        stack.mend()
        wait_for_moment(stack, schedule)
        assert_stopped_once(stack, instance)


def test_fault_w3_missed_for_too_long(stack: Stack) -> None:
    """Down from before the moment until half an hour after it: reported, not done."""
    instance = take_running(stack)
    schedule = stack.ask(
        "add_schedule", instance=instance, in_seconds=-1_900, behind_seconds=2_000
    )
    wait_for_moment(stack, schedule, "missed")
    assert stack.ask("edits_of", instance=instance) == []
    assert stops(stack, instance) == []


def test_fault_w4_many_workers_at_once(stack: Stack) -> None:
    instance = take_running(stack)
    schedule = stack.ask("add_schedule", instance=instance, in_seconds=1)
    wait_until(lambda: stack.ask("is_due", schedule=schedule))
    stack.ask("send", task="edits.run_schedules", times=12)
    wait_for_moment(stack, schedule)
    assert_stopped_once(stack, instance)


def test_fault_o1_killed_around_an_extension(stack: Stack) -> None:
    """Before the edit of the override is committed, and before its request is."""
    notebook = stack.take_notebook()
    stack.armed.write_text("Edit\nAttempt")
    stack.ask("keep_until", instance=notebook, actor="oskar", hours=40)
    wait_for_deaths(stack, KEEP)
    with stack.recovery("O1"):
        wait_for_edit(stack, notebook)
        assert_done_once(stack, notebook, KEEP)
    assert len(stack.renewals(notebook)) == 1


def test_fault_o2_killed_around_a_start_after_an_auto_stop(stack: Stack) -> None:
    instance = take_running(stack)
    stack.ask("keep_until", instance=instance, actor="oskar", hours=4)
    stack.armed.write_text("Edit\nAttempt")
    stack.force(instance, stops_in_seconds=3)

    def has_stopped() -> bool:
        stack.ask("refresh")
        return bool(stack.ask("last_stop", instance=instance))

    wait_until(has_stopped, seconds=PATIENCE_SECONDS)
    assert stack.ask("last_stop", instance=instance) == "auto_stop"
    wait_for_deaths(stack, KEEP)
    with stack.recovery("O2"):
        wait_for_edit(stack, instance)
        assert_done_once(stack, instance, KEEP)
    assert len(stack.log(route="action", instance_id=instance)) == 1


def test_fault_q1_killed_between_deadline_and_stop(stack: Stack) -> None:
    """At the row that closes the question, and at the batch, before the commit."""
    notebook = stack.take_notebook()
    stack.tag(notebook, asked="q1")

    def is_asked() -> bool:
        # A worker's own reading, from before the tag, may be the last one.
        stack.ask("refresh")
        return bool(stack.ask("ask_about", tag="asked=q1"))

    stack.armed.write_text("Question\nEditBatch")
    wait_until(is_asked, seconds=PATIENCE_SECONDS)
    wait_for_deaths(stack, POLICIES)
    with stack.recovery("Q1"):
        wait_for_edit(stack, notebook)
        assert_done_once(stack, notebook, POLICIES)
    assert len(stack.log(route="notebooks.stop", instance_id=notebook)) == 1
    assert stack.ask("questions_of", instance=notebook) == ["unanswered"]
