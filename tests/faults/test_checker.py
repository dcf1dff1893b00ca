"""The checker is checked: planted bugs, each of which it has to notice.

All go through the same gauntlet, which a sound Curfew leaves without a violation.
"""

import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from dashboard.accounts.models import User
from dashboard.edits import authority, leases, merge, outcome_text, services
from dashboard.edits.delivery import (
    authorization,
    due_queues,
    group,
    late_writes,
    record,
    writer,
)
from dashboard.edits.delivery.queue import Delivery
from dashboard.edits.delivery.record import Report
from dashboard.edits.models import Edit
from dashboard.emulator import Emulator, Fault
from dashboard.modelarts.demanager import DemanagerApi
from dashboard.modelarts.results import Observation

from .checker import violations
from .evidence import RENEW
from .world import KilledError, World

Patch = pytest.MonkeyPatch


@pytest.fixture
def world(cloud: Emulator) -> World:
    """All of it in this process."""
    return World(cloud)


@pytest.fixture
def run(
    world: World, operator: User, scientist: User, monkeypatch: Patch
) -> Callable[[], list[str]]:
    """The gauntlet: everything that the bugs would spoil."""

    def gauntlet() -> list[str]:
        take = world.instances.popleft
        lost, twice, merged, many = take(), take(), take(), take()
        world.submit(lost, operator, is_enqueued=False, description="message lost")
        for _ in range(2):
            world.submit(twice, operator, form="twice", description="sent twice")
        world.submit(merged, operator, description="one field")
        world.submit(merged, operator, auto_stop_duration=5 * 3600)
        for number in range(8):
            world.submit(many, operator, description=f"fast {number}")
        _killed_after_put(world, operator, monkeypatch)
        _demoted(world, scientist)
        _overtaken_by_a_stranger(world, operator)
        _not_taken(world, operator)
        _landing_late(world, operator)
        _ended_and_landing_late(world, operator)
        _merged(world, operator)
        _extended(world, operator, monkeypatch)
        _together(world, operator, monkeypatch)
        world.finish()
        return violations(world.evidence())

    return gauntlet


def _killed_after_put(world: World, actor: User, monkeypatch: Patch) -> None:
    def killed(delivery: Delivery, report: Report) -> bool:
        raise KilledError

    world.deliver()
    world.submit(world.instances.popleft(), actor, description="killed")
    with monkeypatch.context() as patch:
        patch.setattr(record, "record", killed)
        world.deliver()


def _demoted(world: World, scientist: User) -> None:
    instance = world.instances.popleft()
    type(instance).objects.filter(pk=instance.pk).update(owner_name="anna.schmidt")
    world.submit(instance, scientist, description="demoted")
    world.demote(scientist)
    world.deliver()


def _overtaken_by_a_stranger(world: World, actor: User) -> None:
    instance = world.instances.popleft()
    world.cloud.faults.add(
        Fault("drop", method="PUT", instance_id=instance.instance_id, times=1)
    )
    world.submit(instance, actor, description="overtaken")
    world.deliver()
    world.strange_change(instance, "from the console")


def _not_taken(world: World, actor: User) -> None:
    instance = world.instances.popleft()
    world.cloud.faults.add(
        Fault("not_changed", method="PUT", instance_id=instance.instance_id, echo=True)
    )
    world.submit(instance, actor, description="not taken")


def _landing_late(world: World, actor: User) -> None:
    instance = world.instances.popleft()
    there = instance.instance_id
    world.cloud.faults.add(
        Fault("late", method="PUT", instance_id=there, seconds=3600, times=1)
    )
    world.submit(instance, actor, description="late")
    world.deliver()
    world.submit(instance, actor, description="newest")
    world.pass_time(5)
    world.queue.append(instance.pk)
    world.deliver()
    world.cloud.land_late_writes()
    assert world.cloud.fleet.get(there).description == "late"


def _ended_and_landing_late(world: World, actor: User) -> None:
    """Cancelled, in conflict and failed, after an attempt that lands later."""
    ended = []
    for name in ("cancelled", "conflict", "failed"):
        instance = world.instances.popleft()
        there = instance.instance_id
        world.cloud.faults.add(
            Fault("late", method="PUT", instance_id=there, seconds=3600, times=1)
        )
        ended.append(world.submit(instance, actor, description=name))
    world.deliver()
    cancelled, conflict, failed = ended
    world.cancel(cancelled, actor)
    world.strange_change(conflict.instance, "faster")
    world.pass_time(5)
    world.queue.append(conflict.instance_id)
    world.deliver()
    world.miss_deadline(failed)
    world.cloud.land_late_writes()
    world.queue.extend([cancelled.instance_id, conflict.instance_id])


def _merged(world: World, actor: User) -> None:
    instance = world.instances.popleft()
    world.submit(instance, actor, description="mine", auto_stop_duration=3 * 3600)
    world.submit(instance, actor, auto_stop_duration=20 * 3600)
    world.deliver()


def _extended(world: World, actor: User, monkeypatch: Patch) -> None:
    """Extended, killed after it, and landing late after a cancel."""

    def killed(delivery: Delivery, report: Report) -> bool:
        raise KilledError

    plain, twice, late = (world.notebooks.popleft() for _ in range(3))
    world.extend(plain, actor, 40)
    world.deliver()
    world.extend(twice, actor, 40)
    with monkeypatch.context() as patch:
        patch.setattr(record, "record", killed)
        world.deliver()
    there = late.instance_id
    world.cloud.faults.add(
        Fault("late", route=RENEW, instance_id=there, seconds=3600, times=1)
    )
    edit = world.extend(late, actor, 40)
    world.deliver()
    with suppress(services.EditClosedError):  # where a bug calls it applied
        world.cancel(edit, actor)
    world.cloud.land_late_writes()


def _together(world: World, actor: User, monkeypatch: Patch) -> None:
    """Two groups: one change is not taken, and one worker dies before recording."""
    world.deliver()
    world.pass_time(5)
    members = [world.instances.popleft() for _ in range(due_queues.MIN_GROUP + 1)]
    there = members[0].instance_id
    world.cloud.faults.add(
        Fault("not_changed", method="PUT", instance_id=there, echo=True, times=1)
    )
    for instance in members:
        world.submit(instance, actor, is_enqueued=False, description="together")
    world.pass_time(5)
    world.deliver_groups()

    def killed(results: Any) -> None:
        raise KilledError

    for instance in members[1:]:
        world.submit(instance, actor, is_enqueued=False, description="killed together")
    world.pass_time(5)
    with monkeypatch.context() as patch:
        patch.setattr(record, "record_results", killed)
        world.deliver_groups()


def test_a_sound_curfew_passes(run: Callable[[], list[str]], world: World) -> None:
    assert run() == []
    # The refresh, and before and after the writes of the group that nobody killed.
    assert len(world.cloud.log.entries(route="list")) >= 4, "there was no group"


def early_ack_without_sweeper(patch: Patch, world: World) -> None:
    patch.setattr(world, "ack_late", False)
    patch.setattr(due_queues, "_free_queues_of_dead_workers", lambda: None)
    patch.setattr(world, "sweep", lambda: None)


def sweeper_off(patch: Patch, world: World) -> None:
    patch.setattr(world, "sweep", lambda: None)


def claim_after_put(patch: Patch, world: World) -> None:
    owed: list[Any] = []
    patch.setattr(due_queues, "generations_to_group", list)
    announce, send = authorization.authorize_request, DemanagerApi.update_instance

    def first_send(*arguments: Any) -> Observation:
        answer = send(*arguments)
        announce(*owed.pop())
        return answer

    patch.setattr(
        authorization, "authorize_request", lambda *what: owed.append(what) or True
    )
    patch.setattr(DemanagerApi, "update_instance", first_send)


def no_compare_before_sending_again(patch: Patch, world: World) -> None:
    patch.setattr(merge, "differences", lambda *_: [])


def no_late_write_watch(patch: Patch, world: World) -> None:
    patch.setattr(late_writes, "begin_watch", lambda *_: None)


def seq_by_id(patch: Patch, world: World) -> None:
    create = Edit.objects.bulk_create

    def numbered(edits: list[Edit], **options: Any) -> list[Edit]:
        for edit in edits:
            edit.id = uuid.uuid4()
            edit.seq = edit.id.int >> 80
        return create(edits, **options)

    patch.setattr(Edit.objects, "bulk_create", numbered)


def supersede_regardless_of_fields(patch: Patch, world: World) -> None:
    patch.setattr(merge, "superseded", lambda edits: dict.fromkeys(*_split(edits)))


def _split(edits: list[Edit]) -> tuple[list[Edit], Edit | None]:
    return edits[:-1], edits[-1] if edits else None


def permission_not_rechecked(patch: Patch, world: World) -> None:
    patch.setattr(authority, "can_edit", lambda *_: True)


def idempotency_key_ignored(patch: Patch, world: World) -> None:
    patch.setattr(services, "_key", lambda *_: uuid.uuid4().hex)


def applied_on_any_200(patch: Patch, world: World) -> None:
    def believed(report: Report, edits: list[Edit], _: Any) -> Report:
        report.set_state(edits, Edit.State.APPLIED)
        return report

    patch.setattr(record, "accepted_not_applied", believed)


def a_late_write_is_not_said(patch: Patch, world: World) -> None:
    patch.setattr(late_writes, "corrections", lambda *_: {})


def a_cancel_is_no_undo(patch: Patch, world: World) -> None:
    patch.setattr(late_writes.Watch, "find", lambda *_: [])


def what_was_sent_is_denied(patch: Patch, world: World) -> None:
    denied = "Nothing was sent to ModelArts."
    patch.setattr(outcome_text, "sentence", lambda edit: denied)


def replaced_fields_are_not_said(patch: Patch, world: World) -> None:
    real_merge = merge.merge

    def forgetful(*arguments: Any) -> merge.MergeResult:
        merged = real_merge(*arguments)
        merged.newer_by_field.clear()
        return merged

    patch.setattr(merge, "merge", forgetful)


def extends_by_another_clock(patch: Patch, world: World) -> None:
    real_clock = writer._cloud_ms
    patch.setattr(writer, "_cloud_ms", lambda *read: real_clock(*read) - 60_000)


def extends_by_the_duration_that_is_left(patch: Patch, world: World) -> None:
    """A renewal that counts from the present end, and not from now."""
    real_renew = writer.Writer.renew

    def renew(self: Any, lease: Any, current: Any) -> Observation:
        left_ms = current["stop_timestamp_ms"] - time.time() * 1000
        later = {"stop_timestamp_ms": round(lease["stop_timestamp_ms"] + left_ms)}
        return real_renew(self, lease | later, current)

    patch.setattr(writer.Writer, "renew", renew)


def every_run_is_long_enough(patch: Patch, world: World) -> None:
    patch.setattr(leases, "is_met", lambda *_: True)


def a_group_sends_before_it_announces(patch: Patch, world: World) -> None:
    owed: list[authorization.Announcement] = []
    announce, finish = authorization.authorize_requests, group._Group._finish

    def later(
        announcements: list[authorization.Announcement],
    ) -> list[authorization.Announcement]:
        if len(announcements) == 1:
            return announce(announcements)
        owed.extend(announcements)
        return announcements

    def first_finish(self: Any) -> None:
        finish(self)
        announce(owed)
        owed.clear()

    patch.setattr(authorization, "authorize_requests", later)
    patch.setattr(group._Group, "_finish", first_finish)


def a_group_believes_the_answers(patch: Patch, world: World) -> None:
    def believed(self: Any) -> None:
        for write in self._written:
            self._conclude(write, write.answer)
        self._written = []

    patch.setattr(group._Group, "_confirm", believed)


@pytest.mark.parametrize(
    ("bug", "invariant"),
    [
        (early_ack_without_sweeper, "I2"),
        (sweeper_off, "I2"),
        (claim_after_put, "I5"),
        (no_compare_before_sending_again, "I3"),
        (no_late_write_watch, "I3"),
        (seq_by_id, "I3"),
        (supersede_regardless_of_fields, "I3"),
        (permission_not_rechecked, "I7"),
        (idempotency_key_ignored, "I1"),
        (applied_on_any_200, "I4"),
        (replaced_fields_are_not_said, "I4"),
        (a_late_write_is_not_said, "I9"),
        (a_cancel_is_no_undo, "I9"),
        (what_was_sent_is_denied, "I9"),
        (every_run_is_long_enough, "I4"),
        (extends_by_the_duration_that_is_left, "I10"),
        (extends_by_another_clock, "I10"),
        (a_group_sends_before_it_announces, "I5"),
        (a_group_believes_the_answers, "I4"),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_a_planted_bug_is_caught(
    bug: Callable[[Patch, World], None],
    invariant: str,
    run: Callable[[], list[str]],
    world: World,
    monkeypatch: Patch,
) -> None:
    bug(monkeypatch, world)
    found = run()
    assert any(sentence.startswith(invariant) for sentence in found), found
