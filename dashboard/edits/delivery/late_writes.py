"""Which values in the cloud are late writes of ours, and what is done about each.

The rules work on rows that the caller reads and saves; they do no SQL. See
``docs/decisions/0013-late-writes.md``.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from dashboard.edits import authority, merge
from dashboard.edits.models import Attempt, Edit, EditQueue
from dashboard.modelarts import schemas
from dashboard.modelarts.schemas import InstanceStatus

WATCH_FOR = timedelta(seconds=60)
"""How long a write without a known end may still take effect. The gateway's own timeout
is not published; this is our assumption."""

RECHECK = timedelta(seconds=15)

POWER = "power"
"""Name, beside the fields of ``Edit.patch``, of whether an instance is up or down."""

Desired = dict[str, tuple[Any, int]]
"""By field: the value that should be in the cloud, the attempt that saw or set it."""

ALREADY_THERE = {
    Edit.Kind.START: frozenset(
        {
            InstanceStatus.RUNNING,
            InstanceStatus.STARTING,
            InstanceStatus.RESTARTING,
            InstanceStatus.START_QUEUING,
            InstanceStatus.READY_TO_START,
        }
    ),
    Edit.Kind.STOP: frozenset({InstanceStatus.STOPPED, InstanceStatus.STOPPING}),
}
"""Statuses in which a start or a stop has nothing left to do."""

State = Edit.State


@dataclass
class LateWrite:
    """A field that holds what an attempt of unknown end has sent.

    Attributes:
        field: Name in ``Edit.patch``, or ``POWER``.
        value: What the cloud holds.
        desired: What it should hold.
        desired_since: The attempt that saw or set ``desired``.
        attempt: The newest that sent ``value``.
        edits: The changes that ask for it and for which it was sent, oldest first.
        supporting_edits: Changes in whose name ``desired`` may be put back, the best
            first.
        applied: The newest applied change that wants ``desired``, if there is one.
        accepted: Whether the value stays; else ``desired`` is put back.
        given_up: Whether it stays only because it could not be put back.
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
        """The newest change of which this is the value."""
        return self.edits[-1] if self.edits else None


@dataclass
class Watch:
    """What a worker knows of the late writes of one queue, for one delivery.

    Attributes:
        desired: As the queue holds it.
        unconfirmed: Attempts that may still be applied, oldest first.
        before: What the cloud showed before the last request of this delivery.
    """

    desired: Desired = field(default_factory=dict)
    unconfirmed: list[Attempt] = field(default_factory=list)
    before: dict[str, Any] = field(default_factory=dict)

    def find(
        self, now: Mapping[str, Any], recent: Callable[[], Sequence[Edit]]
    ) -> list[LateWrite]:
        """The fields that hold a late write.

        Args:
            now: ``cloud_values``.
            recent: Reads the queue's recent changes, oldest first; called if need be.
        """
        writes: list[LateWrite] = []
        changes: Sequence[Edit] | None = None
        for name, (desired, since) in self.desired.items():
            value = now.get(name)
            attempt = self._sender(name, value)
            if attempt is None or value is None or same(value, desired):
                continue
            changes = recent() if changes is None else changes
            sent_for = set(attempt.edits.all())
            carried = [edit for edit in changes if edit in sent_for]
            wanting = [edit for edit in carried if wants(edit, name, value)]
            applied = [edit for edit in changes if is_why(edit, name, desired)]
            supporting_edits = [*applied[-1:], *reversed(wanting), *reversed(carried)]
            writes.append(
                LateWrite(
                    *(name, value, desired, since, attempt, wanting),
                    supporting_edits=supporting_edits or list(changes[-1:]),
                    applied=applied[-1] if applied else None,
                )
            )
        return writes

    def desired_after(
        self, number: int, now: Mapping[str, Any], decided: Collection[str]
    ) -> Desired:
        """Return the desired values once a delivery has ended.

        A value that was neither desired nor sent by us was set by somebody else: it is
        the new desired one.

        Args:
            number: The delivery's attempt.
            now: What the cloud showed last; empty if it could not be read.
            decided: Fields whose value this delivery has decided.
        """
        desired = initial(self.before, number) | self.desired
        for name, value in now.items():
            if value is None:
                continue
            before = desired.get(name)
            if before is not None and same(before[0], value):
                continue
            late = before is not None and self._sender(name, value) is not None
            if not late or name in decided:
                desired[name] = (value, number)
        return desired

    def _sender(self, name: str, value: Any) -> Attempt | None:
        for attempt in reversed(self.unconfirmed):
            sent = sent_values(attempt.body)
            if name in sent and same(sent[name], value):
                return attempt
        return None


def initial(before: Mapping[str, Any], number: int) -> Desired:
    """The desired values when only the values before an attempt are known."""
    return {
        name: (value, number) for name, value in before.items() if value is not None
    }


def from_row(stored: Mapping[str, Any]) -> Desired:
    """``EditQueue.desired`` as it was before JSON."""
    return {name: (value, number) for name, (value, number) in stored.items()}


def to_row(desired: Desired) -> dict[str, Any]:
    """For ``EditQueue.desired``."""
    return {name: list(entry) for name, entry in desired.items()}


def cloud_values(wire: schemas.Instance) -> dict[str, Any]:
    """Everything in a response that a write of ours may change."""
    return merge.cloud_values(wire) | {POWER: power_of(wire.status)}


def power_of(status: str | None) -> str | None:
    """Whether an instance is up (``start``) or down (``stop``); None for neither."""
    for kind, statuses in ALREADY_THERE.items():
        if status in statuses:
            return str(kind)
    return None


def sent_values(body: Mapping[str, Any] | None) -> dict[str, Any]:
    """What a request asks for, by field, companions included."""
    body = body or {}
    auto_stop = (body.get("spec") or {}).get("auto_stop") or {}
    values = {f"auto_stop_{name}": value for name, value in auto_stop.items()}
    if "description" in body:
        values["description"] = body["description"]
    if "action" in body:
        values[POWER] = body["action"]
    return values


def wants(edit: Edit, name: str, value: Any) -> bool:
    """Whether an edit asks for this value of this field."""
    if name == POWER:
        return bool(edit.kind == value)
    return name in edit.patch and same(edit.patch[name], value)


def is_sent(edit: Edit, body: Mapping[str, Any] | None) -> bool:
    """Whether a request carries a value that an edit asks for."""
    return any(wants(edit, name, value) for name, value in sent_values(body).items())


def is_why(edit: Edit, name: str, value: Any) -> bool:
    """Whether an applied edit is why a field has this value."""
    return edit.state == State.APPLIED and wants(edit, name, value)


def same(one: Any, other: Any) -> bool:
    """Whether two values are the same to the cloud: no description is an empty one."""
    if isinstance(one, str | None):
        one, other = one or "", other or ""
    return bool(one == other)


def decide(writes: Sequence[LateWrite], *, may_repair: bool) -> list[LateWrite]:
    """Decide which late writes stay, and return those that the next request undoes.

    A value that was never ours is somebody else's: it is not fought. Settings come
    before a start: one request carries only one of the two.

    Args:
        writes: Each gets ``accepted`` and ``given_up``; ``supporting_edits`` keeps
            the edits that are still permitted.
        may_repair: Whether repairs have not been tried too often.
    """
    for write in writes:
        write.supporting_edits = [
            edit for edit in write.supporting_edits if not authority.why_withdrawn(edit)
        ]
        _decide(write, may_restore=may_repair and bool(write.supporting_edits))
    restoring = [write for write in writes if not write.accepted]
    return [write for write in restoring if write.field != POWER] or restoring


def _decide(late: LateWrite, *, may_restore: bool) -> None:
    edit = late.edit
    undecided = late.desired_since <= late.attempt.number
    if edit is not None and edit.state == State.FAILED and undecided:
        late.accepted = True
    elif (late.field, late.value) == (POWER, Edit.Kind.STOP) or not may_restore:
        # Curfew alone begins no run: it costs, and policies may forbid it by now.
        late.accepted = late.given_up = True


def corrections(
    writes: Collection[LateWrite], now: Mapping[str, Any]
) -> dict[Edit, dict[str, Any]]:
    """Return the new outcomes of the edits that late writes concern.

    Args:
        writes: Late writes, decided.
        now: What the cloud holds after this delivery.

    Returns:
        By edit: ``outcome``, and ``result`` and ``replaced`` where it is applied late.
    """
    changes: dict[Edit, dict[str, Any]] = {}
    for late in writes:
        for edit in late.edits:
            if edit.is_open or (edit.state == State.APPLIED):
                continue
            if late.accepted and edit is late.edit:
                changes[edit] = _applied_late(edit, now)
            else:
                changes.setdefault(edit, {"outcome": Edit.Outcome.RESTORED})
        if late.given_up and late.applied is not None:
            changes[late.applied] = {"outcome": Edit.Outcome.OVERWRITTEN}
    return changes


def _applied_late(edit: Edit, now: Mapping[str, Any]) -> dict[str, Any]:
    if edit.kind != Edit.Kind.UPDATE:
        return {"outcome": Edit.Outcome.APPLIED_LATE, "result": {}}
    current = {name: now.get(name) for name in edit.patch}
    replaced: dict[str, Any] = {
        name: {} for name, value in edit.patch.items() if not same(current[name], value)
    }
    return {
        "outcome": Edit.Outcome.APPLIED_LATE,
        "result": current,
        "replaced": {**replaced, **edit.replaced},
    }


def begin_watch(queue: EditQueue, now: datetime) -> None:
    """Start the late-write watch of a locked queue; the caller saves it."""
    queue.late_write_until = now + WATCH_FOR
    queue.recheck_at = now + RECHECK


def continue_watch(
    queue: EditQueue, now: datetime, *, again: bool, failed: bool, soon: bool
) -> None:
    """Plan the next recheck, or end the watch when its time is over.

    Args:
        queue: Locked; the caller saves it.
        now: The database's time.
        again: Whether the delivery left another unconfirmed write, or saw one take
            effect: the watch starts again.
        failed: Whether the delivery could not read the instance.
        soon: Whether a late write was seen and is not dealt with yet.
    """
    if again:
        begin_watch(queue, now)
        if soon:
            queue.recheck_at = now
    elif failed and queue.recheck_at:
        # Not seen, so not over.
        queue.recheck_at = now + RECHECK
    elif queue.late_write_until is None or queue.late_write_until <= now:
        queue.late_write_until = queue.recheck_at = None
        queue.repairs = 0
    else:
        queue.recheck_at = min(now + RECHECK, queue.late_write_until)
