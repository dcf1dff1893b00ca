"""Find late writes in the values of the cloud, and decide what to do about each.

The caller reads and saves the rows; nothing here does SQL. See
``docs/decisions/0013-late-writes.md``.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from dashboard.edits import authority, leases, merge
from dashboard.edits.leases import LEASE
from dashboard.edits.models import Attempt, Edit, EditQueue
from dashboard.modelarts.instance_state import IDLE
from dashboard.modelarts.results import WireInstance
from dashboard.modelarts.statuses import InstanceStatus

WATCH_FOR = timedelta(seconds=60)
"""How long a write without a known result may still be applied. The gateway's timeout
is not published; this is our assumption."""

RECHECK = timedelta(seconds=15)

POWER = "power"
"""The field, besides those of ``Edit.patch``, that says whether an instance is up."""

Desired = dict[str, list[Any]]
"""By field: the desired value, and the number of the attempt that saw or set it."""

ALREADY_THERE = {
    Edit.Kind.START: frozenset(
        {
            InstanceStatus.RUNNING,
            InstanceStatus.STARTING,
            InstanceStatus.RESTARTING,
            InstanceStatus.START_QUEUING,
            InstanceStatus.READY_TO_START,
            InstanceStatus.INIT,
            InstanceStatus.SNAPSHOTTING,
        }
    ),
    Edit.Kind.STOP: frozenset({InstanceStatus.STOPPED, InstanceStatus.STOPPING}),
}
"""Statuses in which a start or a stop has nothing left to do."""

State = Edit.State


@dataclass
class LateWrite:
    """A field with the value of an attempt whose result is unknown.

    Attributes:
        field: Name in ``Edit.patch``, ``POWER`` or ``LEASE``.
        value: The value in the cloud.
        desired: The value that should be there.
        desired_since: The attempt that saw or set ``desired``.
        attempt: The newest attempt that sent ``value``.
        edits: The edits that request ``value`` and were part of an attempt, oldest
            first.
        supporting_edits: Edits in whose name ``desired`` may be put back, the best
            first.
        applied: The newest applied edit that requests ``desired``.
        accepted: Whether the value stays; otherwise ``desired`` is put back.
        given_up: Whether it stays only because it could not be undone.
    """

    field: str
    value: Any
    desired: Any
    desired_since: int
    attempt: Attempt
    edits: list[Edit]
    supporting_edits: list[Edit]
    applied: Edit | None = None
    accepted: bool = False
    given_up: bool = False

    @property
    def edit(self) -> Edit | None:
        """The newest edit that requests the value."""
        return self.edits[-1] if self.edits else None


@dataclass
class Watch:
    """The late-write watch of one queue, during one delivery.

    Attributes:
        desired: ``EditQueue.desired``.
        unconfirmed: Attempts that may still be applied, oldest first.
        before: What the cloud showed before the last request of this delivery.
    """

    desired: Desired = field(default_factory=dict)
    unconfirmed: list[Attempt] = field(default_factory=list)
    before: dict[str, Any] = field(default_factory=dict)

    def find(
        self, current: Mapping[str, Any], recent: Callable[[], Sequence[Edit]]
    ) -> list[LateWrite]:
        """Return the late writes among the cloud's values.

        Args:
            current: ``cloud_values``.
            recent: Reads the queue's recent edits, oldest first.
        """
        writes: list[LateWrite] = []
        edits: Sequence[Edit] | None = None
        for name, (desired, since) in self.desired.items():
            value = current.get(name)
            attempt = self._sender(name, value)
            if attempt is None or value is None or is_same(name, value, desired):
                continue
            edits = recent() if edits is None else edits
            attempted = set(attempt.edits.all())
            sent = [edit for edit in edits if edit in attempted]
            requesting = [edit for edit in sent if requests(edit, name, value)]
            applied = [
                edit
                for edit in edits
                if edit.state == State.APPLIED and requests(edit, name, desired)
            ]
            supporting = [*applied[-1:], *reversed(requesting), *reversed(sent)]
            writes.append(
                LateWrite(
                    *(name, value, desired, since, attempt, requesting),
                    supporting_edits=supporting or list(edits[-1:]),
                    applied=applied[-1] if applied else None,
                )
            )
        return writes

    def desired_after(
        self, number: int, current: Mapping[str, Any], decided: Collection[str]
    ) -> Desired:
        """Return the desired values after a delivery.

        A value that was neither desired nor sent by us was set outside Curfew, and
        becomes the desired one.

        Args:
            number: The delivery's attempt.
            current: What the cloud showed last; empty if it could not be read.
            decided: Fields whose value this delivery has decided.
        """
        desired = initial(self.before, number) | self.desired
        for name, value in current.items():
            if value is None or name in leases.FIELDS:
                continue
            before = desired.get(name)
            if before is not None and is_same(name, before[0], value):
                continue
            late = before is not None and self._sender(name, value) is not None
            if not late or name in decided:
                desired[name] = [value, number]
        return desired

    def _sender(self, name: str, value: Any) -> Attempt | None:
        for attempt in reversed(self.unconfirmed):
            sent = sent_values(attempt.body)
            if name in sent and is_effect(name, sent[name], value):
                return attempt
        return None


def initial(before: Mapping[str, Any], number: int) -> Desired:
    """Return the desired values when only those before an attempt are known."""
    return {
        name: [value, number]
        for name, value in before.items()
        if value is not None and name not in leases.FIELDS
    }


def cloud_values(wire: WireInstance) -> dict[str, Any]:
    """Return every value in a response that a write of ours may change."""
    values = merge.cloud_values(wire)
    watched: dict[str, Any] = {POWER: power_of(wire.state().status)}
    if lease := leases.lease_of(values):
        watched[LEASE] = lease
    return values | watched


def power_of(status: str | None) -> str | None:
    """Return ``start`` for an instance that is up, ``stop`` for one that is down."""
    for kind, statuses in ALREADY_THERE.items():
        if status in statuses:
            return str(kind)
    return None


def sent_values(body: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the values in a request, by field, companions included."""
    body = body or {}
    auto_stop = (body.get("spec") or {}).get("auto_stop") or {}
    values = {f"auto_stop_{name}": value for name, value in auto_stop.items()}
    for name in ("name", "description", "tags"):
        if name in body:
            values[name] = body[name]
    if "action" in body:
        values[POWER] = body["action"]
    elif "type" in body:
        values[LEASE] = _requested_lease(body)
    return values


def _requested_lease(body: Mapping[str, Any]) -> leases.Lease:
    """Return the lease that a renewal asked for."""
    if body["type"] == IDLE:
        return {"lease_type": IDLE, "idle_seconds": body["duration"] // 1000}
    names = ("lease_type", "stop_timestamp_ms")
    return {name: body[name] for name in names}


def fields_of(edit: Edit) -> Collection[str]:
    """Return the fields of a request that an edit decides."""
    if edit.kind == Edit.Kind.UPDATE:
        return list(edit.patch)
    return [LEASE if edit.kind == Edit.Kind.EXTEND else POWER]


def requests(edit: Edit, name: str, value: Any) -> bool:
    """Whether an edit requests this value of this field."""
    if name not in fields_of(edit):
        return False
    if name == POWER:
        return bool(edit.kind == value)
    if name == LEASE:
        return leases.is_effect(leases.requested_lease(edit.patch), value)
    return is_same(name, edit.patch[name], value)


def is_sent(edit: Edit, body: Mapping[str, Any] | None) -> bool:
    """Whether a request carries a value of an edit."""
    return any(requests(edit, name, value) for name, value in sent_values(body).items())


def is_same(name: str, left: Any, right: Any) -> bool:
    """Whether two values of a field are the same to the cloud."""
    if name == LEASE:
        return leases.is_same(left, right)
    return merge.is_same(left, right)


def is_effect(name: str, sent: Any, value: Any) -> bool:
    """Whether a value of a field may be what the cloud made of a request."""
    if name == LEASE:
        return leases.is_effect(sent, value)
    return merge.is_same(sent, value)


def decide(writes: Sequence[LateWrite], *, may_undo: bool) -> list[LateWrite]:
    """Decide which late writes stay, and return those that the next request undoes.

    Settings come before an extension and a start, since one request carries only one
    of these.

    Args:
        writes: Each gets ``accepted`` and ``given_up``; ``supporting_edits`` keeps
            the edits that are still permitted.
        may_undo: Whether late writes have not been undone too often.
    """
    for write in writes:
        write.supporting_edits = [
            edit for edit in write.supporting_edits if not authority.why_withdrawn(edit)
        ]
        _decide(write, may_undo=may_undo and bool(write.supporting_edits))
    undoing = [write for write in writes if not write.accepted]
    for special in ({POWER, LEASE}, {POWER}):
        if first := [write for write in undoing if write.field not in special]:
            return first
    return undoing


def _decide(late: LateWrite, *, may_undo: bool) -> None:
    edit = late.edit
    undecided = late.desired_since <= late.attempt.number
    if edit is not None and edit.state == State.FAILED and undecided:
        late.accepted = True
    elif late.field == LEASE and leases.is_met(late.desired, late.value):
        # Curfew shortens no run on its own.
        late.accepted = True
    elif (late.field, late.value) == (POWER, Edit.Kind.STOP) or not may_undo:
        # Curfew starts no instance on its own: a run costs money, and policies may
        # forbid it by now.
        late.accepted = late.given_up = True


def corrections(
    writes: Collection[LateWrite], current: Mapping[str, Any]
) -> dict[Edit, dict[str, Any]]:
    """Return the fields to write, by edit, for the edits that late writes concern.

    Args:
        writes: Late writes, after ``decide``.
        current: The cloud's values after this delivery.
    """
    changes: dict[Edit, dict[str, Any]] = {}
    for late in writes:
        for edit in late.edits:
            if edit.is_open or edit.state == State.APPLIED:
                continue
            if late.accepted and edit is late.edit:
                changes[edit] = _applied_late(edit, current)
            else:
                changes.setdefault(edit, {"outcome": Edit.Outcome.UNDONE})
        if late.given_up and late.applied is not None:
            changes[late.applied] = {"outcome": Edit.Outcome.OVERWRITTEN}
    return changes


def _applied_late(edit: Edit, current: Mapping[str, Any]) -> dict[str, Any]:
    if edit.kind == Edit.Kind.EXTEND:
        result = {name: current.get(name) for name in leases.FIELDS}
        return {"outcome": Edit.Outcome.APPLIED_LATE, "result": result}
    if edit.kind != Edit.Kind.UPDATE:
        return {"outcome": Edit.Outcome.APPLIED_LATE, "result": {}}
    values = {name: current.get(name) for name in edit.patch}
    replaced_outside: dict[str, Any] = {
        name: {}
        for name, value in edit.patch.items()
        if not merge.is_same(values[name], value)
    }
    return {
        "outcome": Edit.Outcome.APPLIED_LATE,
        "result": values,
        "newer_by_field": {**replaced_outside, **edit.newer_by_field},
    }


def begin_watch(queue: EditQueue, now: datetime) -> None:
    """Start the late-write watch of a locked queue; the caller saves it."""
    queue.late_write_until = now + WATCH_FOR
    queue.recheck_at = now + RECHECK


def continue_watch(
    queue: EditQueue, now: datetime, *, restart: bool, failed: bool, soon: bool
) -> None:
    """Plan the next recheck, or end the watch when its time is over.

    Args:
        queue: Locked; the caller saves it.
        now: The database's time.
        restart: Whether the watch starts again: the delivery left an unconfirmed write,
            or found a late one.
        failed: Whether the delivery could not read the instance.
        soon: Whether a late write is not dealt with yet.
    """
    if restart:
        begin_watch(queue, now)
        if soon:
            queue.recheck_at = now
    elif failed and queue.recheck_at:
        queue.recheck_at = now + RECHECK
    elif queue.late_write_until is None or queue.late_write_until <= now:
        queue.late_write_until = queue.recheck_at = None
        queue.undo_count = 0
    else:
        queue.recheck_at = min(now + RECHECK, queue.late_write_until)
