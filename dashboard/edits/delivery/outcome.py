"""Record the result of a delivery and return the lease, in one transaction."""

import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db import transaction
from django.db.models.functions import Now

from dashboard.edits import states
from dashboard.edits.models import NEXT_START_FIELDS, Attempt, Edit, EditQueue
from dashboard.instances.models import FleetVersion, Instance
from dashboard.instances.refresh import apply_observation
from dashboard.modelarts.client import Observation
from dashboard.modelarts.errors import InstanceNotFoundError, ModelArtsError

from . import circuit_breaker, late_writes
from .late_writes import LateWrite
from .queue import DELIVERY_FIELDS, Delivery, lock_if_ours

log = structlog.get_logger(__name__)

LONGEST_PAUSE_SECONDS = 60.0
ACCEPTED_NOT_APPLIED = "accepted_not_applied"
MOST_WAITING = 50
"""Edits of one run that are looked at when a later one replaces what they changed."""

State = Edit.State


@dataclass
class Result:
    """The result of a delivery.

    Attributes:
        new_states: The new state of each edit, with the other fields to write.
        found: What the cloud showed before a late start or stop was undone, if it was.
        observation: What the cloud showed last, if it could be read.
        ambiguous: Whether the cloud may have applied a write without our knowing.
        accepted_not_applied: Whether the cloud accepted a change and shows the old
            value.
        late: Late writes that this delivery has found.
    """

    new_states: dict[Edit, tuple[str, dict[str, Any]]] = field(default_factory=dict)
    found: Observation | None = None
    observation: Observation | None = None
    error: ModelArtsError | None = None
    ambiguous: bool = False
    accepted_not_applied: bool = False
    late: list[LateWrite] = field(default_factory=list)

    @property
    def current(self) -> dict[str, Any]:
        """What the cloud showed last of all that a write may change."""
        seen = self.observation
        return late_writes.cloud_values(seen.instance) if seen else {}

    @property
    def status(self) -> str | None:
        """The status that the cloud showed last."""
        return self.observation.instance.status if self.observation else None

    def set_state(self, edits: Iterable[Edit], state: str, **changes: Any) -> None:
        """Give edits a new state, and other fields with it."""
        self.new_states |= {edit: (state, dict(changes)) for edit in edits}


@transaction.atomic
def record(delivery: Delivery, result: Result) -> bool:
    """Write the new states and return the lease.

    Returns:
        False when another worker has taken the queue over: nothing is written.
    """
    locked = lock_if_ours(delivery)
    if locked is None:
        log.warning("delivery overtaken", instance=delivery.instance.instance_id)
        return False
    queue, now = locked
    # Locks in one order: queue, cloud, instance, fleet.
    cloud = delivery.instance.cloud
    health_changed = circuit_breaker.note_health(cloud, result.error, now)
    if result.found:
        apply_observation(cloud, result.found)
    if result.observation:
        seen = apply_observation(cloud, result.observation)
        _mark_replaced(seen, result)
    queue.lease_until = queue.lease_owner = queue.next_at = None
    for edit, (state, changes) in result.new_states.items():
        states.move(
            [edit], state, **_with_outcome(delivery, edit, state, changes, result)
        )
        if state == State.RETRYING:
            queue.next_at = now + _pause(edit, result.error)
    corrected = _update_watch(queue, now, delivery, result)
    queue.save(update_fields=[*DELIVERY_FIELDS, "next_at", "repairs"])
    _finish(delivery.attempt, result)
    if result.new_states or corrected:
        FleetVersion.stamp(Instance.objects.filter(pk=delivery.instance.pk))
    elif health_changed:
        FleetVersion.stamp()
    return True


def _with_outcome(
    delivery: Delivery, edit: Edit, state: str, changes: dict[str, Any], result: Result
) -> dict[str, Any]:
    if state == State.APPLIED:
        return {"outcome": "", **changes}
    # The request carried nothing of an edit in conflict.
    if result.ambiguous and late_writes.is_sent(edit, delivery.attempt.body):
        return {**changes, "outcome": Edit.Outcome.UNCONFIRMED}
    return changes


def _update_watch(
    queue: EditQueue, now: datetime, delivery: Delivery, result: Result
) -> bool:
    """Correct the edits of late writes; continue the late-write watch, or end it.

    Returns:
        Whether pages show an edit differently now.
    """
    current, watch = result.current, delivery.watch
    decided = {
        name
        for edit, (state, _) in result.new_states.items()
        if state == State.APPLIED
        for name in (edit.patch or {late_writes.POWER})
    }
    resolved = [
        late
        for late in result.late
        if late.accepted
        or late.field in decided
        or late_writes.same(current.get(late.field), late.desired)
    ]
    decided |= {late.field for late in resolved}
    corrections = late_writes.corrections(resolved, current)
    for edit, changes in corrections.items():
        states.correct(edit, changes)
    was_watched = queue.late_write_until is not None
    is_gone = isinstance(result.error, InstanceNotFoundError)
    if is_gone:
        # Nothing is left that a write could land on.
        queue.late_write_until = None
    late_writes.continue_watch(
        queue,
        now,
        again=result.ambiguous or bool(result.late),
        failed=result.observation is None and not is_gone,
        # Of fields that the edits of this delivery do not change.
        soon=bool(delivery.edits) and len(resolved) < len(result.late),
    )
    if queue.late_write_until is not None:
        desired = watch.desired_after(delivery.attempt.number, current, decided)
        queue.desired = late_writes.to_row(desired)
        return bool(corrections)
    queue.desired = {}
    return bool(corrections) | (was_watched and _end_watch(queue))


def _end_watch(queue: EditQueue) -> bool:
    """End the watch: no late write is possible any more.

    Returns:
        Whether pages show an edit differently now.
    """
    checked = Edit.objects.filter(
        instance_id=queue.pk, outcome=Edit.Outcome.UNCONFIRMED
    )
    # Found, and repaired by a request whose answer was lost.
    repaired = checked.filter(corrected_at__isnull=False)
    count = repaired.update(outcome=Edit.Outcome.RESTORED, corrected_at=Now())
    return bool(count + checked.update(outcome=Edit.Outcome.NOT_SEEN))


def _mark_replaced(seen: Instance, result: Result) -> None:
    """Mark earlier edits for the next start whose values these edits replace."""
    applied = [
        edit for edit, (state, _) in result.new_states.items() if state == State.APPLIED
    ]
    fields = {name: edit for edit in applied for name in edit.patch}
    fields = {name: fields[name] for name in fields.keys() & NEXT_START_FIELDS}
    if not fields:
        return
    earlier = Edit.objects.filter(
        instance=seen, state=State.APPLIED, applied_while_running=True
    ).exclude(outcome=Edit.Outcome.REPLACED)
    if seen.run_started_at:
        earlier = earlier.filter(finished_at__gte=seen.run_started_at)
    for edit in earlier.order_by("-seq")[:MOST_WAITING]:
        edit.instance = seen
        again = {
            name: replaced_by(by)
            for name, by in fields.items()
            if edit.patch.get(name, by.patch[name]) != by.patch[name]
        }
        if not again or not edit.awaits_next_start:
            continue
        replaced = {**edit.replaced, **again}
        gone = not edit.patch.keys() - replaced.keys()
        Edit.objects.filter(pk=edit.pk).update(
            replaced=replaced,
            outcome=Edit.Outcome.REPLACED if gone else edit.outcome,
        )


def replaced_by(edit: Edit) -> dict[str, str]:
    """An entry of ``Edit.replaced``."""
    if edit.actor is None:
        return {"edit": str(edit.pk), "policy": edit.policy_name}
    return {"edit": str(edit.pk), "by": edit.actor.get_username()}


def forget(result: Result) -> None:
    """Read the stored states again, after a record that failed."""
    for edit in result.new_states:
        edit.refresh_from_db(fields=["state"])


def times_not_applied(edit: Edit) -> int:
    """How often the cloud has accepted this edit and still shown the old value."""
    return edit.deliveries.filter(outcome=ACCEPTED_NOT_APPLIED).count()


def _finish(attempt: Attempt, result: Result) -> None:
    error = result.error
    Attempt.objects.filter(pk=attempt.pk).update(
        outcome=ACCEPTED_NOT_APPLIED
        if result.accepted_not_applied
        else _outcome(result),
        finished_at=Now(),
        ambiguous=result.ambiguous,
        http_status=error.status if error else None,
        error_code=(error.error_code or "")[:64] if error else "",
        request_id=(error.request_id or "")[:128] if error else "",
    )


def _outcome(result: Result) -> str:
    reached = {state for state, _ in result.new_states.values()}
    for state in (State.RETRYING, State.FAILED, State.CONFLICT):
        if state in reached:
            return str(state)
    return str(next(iter(reached), "dropped"))


def _pause(edit: Edit, error: ModelArtsError | None) -> timedelta:
    """Full jitter, doubling, never shorter than the cloud asked for."""
    ceiling = min(LONGEST_PAUSE_SECONDS, 2.0 ** min(edit.attempts, 6))
    pause = random.uniform(0.5, max(1.0, ceiling))  # noqa: S311 (no secret)
    return timedelta(seconds=max(pause, (error and error.retry_after_seconds) or 0))
