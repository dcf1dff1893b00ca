"""Record the report of a delivery and return the lease, in one transaction."""

import random
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import structlog
from django.db import transaction
from django.db.models.functions import Now

from dashboard.edits import messages, states
from dashboard.edits.models import NEXT_START_FIELDS, Attempt, Edit, EditQueue
from dashboard.instances.clock_skew import follow_clock
from dashboard.instances.models import Instance
from dashboard.instances.observations import LockedRows, apply_observation, is_mirrored
from dashboard.modelarts.errors import InstanceNotFoundError, ModelArtsError
from dashboard.modelarts.results import Observation

from . import circuit_breaker, late_writes
from .authorization import store_attempts
from .late_writes import LateWrite
from .queue import (
    LEASE_AND_WATCH_FIELDS,
    Delivery,
    is_recheck_due,
    lock_ours,
)

log = structlog.get_logger(__name__)

MAX_PAUSE_SECONDS = 60.0
ACCEPTED_NOT_APPLIED = "accepted_not_applied"
MAX_ACCEPTED_NOT_APPLIED = 4
"""Deliveries after which a change that the cloud accepts but does not apply fails."""

MAX_WAIT_FOR_STOP = timedelta(days=30)
"""How long an edit waits for the stop of its instance."""

MAX_EARLIER_EDITS = 50
"""Earlier edits of a run that ``_mark_replaced`` checks, the newest first."""

State = Edit.State
_POWER = frozenset({Edit.Kind.START, Edit.Kind.STOP})


@dataclass
class Report:
    """What a worker reports about a delivery, to be recorded.

    Attributes:
        new_states: The new state of each edit, with the other fields to write.
        before_undo: What the cloud showed before a late start was undone.
        observation: What the cloud showed last, if it could be read.
        error: Why the delivery ended early.
        ambiguous: Whether the cloud may have applied a write without our knowing.
        accepted_not_applied: Whether the cloud accepted a change and shows the old
            value.
        late: The late writes that the instance shows.
    """

    new_states: dict[Edit, tuple[str, dict[str, Any]]] = field(default_factory=dict)
    before_undo: Observation | None = None
    observation: Observation | None = None
    error: ModelArtsError | None = None
    ambiguous: bool = False
    accepted_not_applied: bool = False
    late: list[LateWrite] = field(default_factory=list)

    @property
    def current(self) -> dict[str, Any]:
        """The values that the cloud showed last, of all fields that a write changes."""
        last = self.observation
        return late_writes.cloud_values(last.instance) if last else {}

    @property
    def status(self) -> str | None:
        return self.observation.instance.state().status if self.observation else None

    def set_state(self, edits: Iterable[Edit], state: str, **changes: Any) -> None:
        self.new_states |= {edit: (state, dict(changes)) for edit in edits}


class Result(NamedTuple):
    """A delivery, and what its worker reports about it."""

    delivery: Delivery
    report: Report


def record(delivery: Delivery, report: Report) -> bool:
    """Write the new states and return the lease.

    Returns:
        False when another worker has taken the queue over: nothing is written.
    """
    return bool(record_results([Result(delivery, report)]))


def record_results(results: Sequence[Result]) -> list[Delivery]:
    """Write the results of deliveries to one cloud; see ``record``.

    Returns:
        The deliveries that were recorded.
    """
    # The cloud's row before all others; what an overtaken worker has seen is true, too.
    for delivery, report in results:
        cloud = delivery.instance.cloud
        for observation in (report.before_undo, report.observation):
            if observation is not None:
                follow_clock(cloud, [observation.instance], observation)
    _note_health(results)
    with transaction.atomic():
        return _record(results)


def _note_health(results: Sequence[Result]) -> None:
    """Note whether the cloud answers: of several deliveries, one is enough."""
    cloud = results[-1].delivery.instance.cloud
    errors = [report.error for _, report in results]
    refused = [error for error in errors if circuit_breaker.is_refused(error)]
    silent = [error for error in errors if circuit_breaker.is_silence(error)]
    answered = any(report.observation for _, report in results)
    if refused:
        circuit_breaker.note_health(cloud, refused[-1])
    elif answered or not silent:
        circuit_breaker.note_health(cloud, None)
    else:
        for error in silent:
            circuit_breaker.note_health(cloud, error)


def _record(results: Sequence[Result]) -> list[Delivery]:
    queues = lock_ours(delivery for delivery, _ in results)
    ours = [result for result in results if result.delivery.instance.pk in queues]
    for delivery, _ in results:
        if delivery.instance.pk not in queues:
            log.warning("delivery overtaken", instance=delivery.instance.instance_id)
    if not ours:
        return []
    rows = _compared(ours, queues)
    for delivery, report in ours:
        if report.observation:
            instance = rows.row(delivery.instance.instance_id)
            _mark_replaced(delivery, instance, report)
    _move(ours, queues)
    shown = set()
    for delivery, report in ours:
        queue = queues[delivery.instance.pk]
        _note_unseen_stop(delivery, report)
        corrected = _update_watch(queue, queue.locked_at, delivery, report)
        if report.new_states or corrected:
            shown.add(queue.pk)
        is_longer = queue.next_seq != delivery.next_seq
        delivery.has_more |= is_longer or is_recheck_due(queue)
    _return_leases(queues.values())
    _finish(ours)
    rows.write(shown)
    return [delivery for delivery, _ in ours]


def _compared(results: Sequence[Result], queues: dict[int, EditQueue]) -> LockedRows:
    """Compare what was read with the mirror.

    It is written last, unless a start or a stop has not succeeded, or a late write is
    undone: then the same rows are changed in between.
    """
    cloud = next(iter(queues.values())).instance.cloud
    observations, at_once = [], False
    for delivery, report in results:
        queue, last = queues[delivery.instance.pk], report.observation
        if report.before_undo:
            apply_observation(cloud, report.before_undo)
            queue.instance = Instance.objects.get(pk=queue.pk)
        if last is not None and last.instance.id == queue.instance.instance_id:
            observations.append(last)
        elif last is not None:
            # A cloud that answers with another instance.
            apply_observation(cloud, last)
        at_once |= any(
            edit.kind in _POWER and state != State.APPLIED
            for edit, (state, _) in report.new_states.items()
        )
        at_once |= bool(delivery.undoing)
    rows = LockedRows(
        cloud, [queue.instance for queue in queues.values()], observations
    )
    if at_once:
        rows.write_now()
    return rows


def _move(results: Sequence[Result], queues: dict[int, EditQueue]) -> None:
    """Bring the edits into their new states, those with the same result together."""
    groups: list[tuple[str, dict[str, Any], list[Edit]]] = []
    for delivery, report in results:
        queue = queues[delivery.instance.pk]
        queue.next_at = None
        for edit, (state, changes) in report.new_states.items():
            if state == State.RETRYING and not changes.get("waits_for_stop"):
                queue.next_at = queue.locked_at + _pause(edit, report.error)
            changes = _with_outcome(delivery, edit, state, changes, report)
            for other_state, other_changes, edits in groups:
                if (state, changes) == (other_state, other_changes):
                    edits.append(edit)
                    break
            else:
                groups.append((state, changes, [edit]))
    for state, changes, edits in groups:
        states.move(edits, state, **changes)


def _return_leases(queues: Iterable[EditQueue]) -> None:
    names = (*LEASE_AND_WATCH_FIELDS, "next_at", "undo_count")
    groups: list[tuple[dict[str, Any], list[int]]] = []
    for queue in queues:
        queue.lease_until = queue.lease_owner = None
        values = {name: getattr(queue, name) for name in names}
        for other_values, pks in groups:
            if values == other_values:
                pks.append(queue.pk)
                break
        else:
            groups.append((values, [queue.pk]))
    for values, pks in groups:
        EditQueue.objects.filter(pk__in=pks).update(**values)


def mirror(delivery: Delivery, report: Report) -> None:
    """Write what the cloud showed, if it is new, before a stop is authorized.

    Another run may have begun than the one that the stop was meant for.
    """
    observation = report.observation
    if observation and not is_mirrored(delivery.instance, observation):
        with transaction.atomic():
            apply_observation(delivery.instance.cloud, observation)


def _with_outcome(
    delivery: Delivery, edit: Edit, state: str, changes: dict[str, Any], report: Report
) -> dict[str, Any]:
    if state == State.APPLIED:
        return {"outcome": "", **changes}
    if changes.get("waits_for_stop"):
        deadline_at = edit.created_at + MAX_WAIT_FOR_STOP
        return {**changes, "deadline_at": max(deadline_at, edit.deadline_at)}
    # The request carried nothing of an edit in conflict.
    body = delivery.attempt.body if delivery.attempt else None
    if report.ambiguous and late_writes.is_sent(edit, body):
        return {**changes, "outcome": Edit.Outcome.UNCONFIRMED}
    return changes


def _note_unseen_stop(delivery: Delivery, report: Report) -> None:
    """Note since when a stop has been requested that the cloud does not show yet.

    Once it shows the stop, the mirror does.
    """
    sent_at = delivery.attempt.sent_at if delivery.attempt else None
    if sent_at and any(
        edit.kind == Edit.Kind.STOP and state == State.RETRYING
        for edit, (state, _) in report.new_states.items()
    ):
        row = Instance.objects.filter(pk=delivery.instance.pk)
        row.filter(stop_requested_at=None).update(stop_requested_at=sent_at)


def _update_watch(
    queue: EditQueue, now: datetime, delivery: Delivery, report: Report
) -> bool:
    """Correct the edits of late writes; continue the late-write watch, or end it.

    Returns:
        Whether pages show an edit differently now.
    """
    current, watch = report.current, delivery.watch
    decided = {
        name
        for edit, (state, _) in report.new_states.items()
        if state == State.APPLIED
        for name in late_writes.fields_of(edit)
    }
    resolved = [
        late
        for late in report.late
        if late.accepted
        or late.field in decided
        or late_writes.is_same(late.field, current.get(late.field), late.desired)
    ]
    decided |= {late.field for late in resolved}
    corrections = late_writes.corrections(resolved, current)
    for edit, changes in corrections.items():
        states.correct(edit, changes)
    was_watched = queue.late_write_until is not None
    is_gone = isinstance(report.error, InstanceNotFoundError)
    if is_gone:
        # No write can be applied any more.
        queue.late_write_until = None
    late_writes.continue_watch(
        queue,
        now,
        restart=report.ambiguous or bool(report.late),
        failed=report.observation is None and not is_gone,
        # The edits of this delivery did not change these fields.
        soon=bool(delivery.edits) and len(resolved) < len(report.late),
    )
    if queue.late_write_until is not None:
        number = delivery.number
        queue.desired = watch.desired_after(number, current, decided)
        return bool(corrections)
    queue.desired = {}
    return bool(corrections) | (was_watched and _end_watch(queue))


def _end_watch(queue: EditQueue) -> bool:
    """Write the final outcome of unconfirmed edits; return whether there were any."""
    checked = Edit.objects.filter(
        instance_id=queue.pk, outcome=Edit.Outcome.UNCONFIRMED
    )
    # These were found, and undone by a request whose answer was lost.
    undone = checked.filter(corrected_at__isnull=False)
    count = undone.update(outcome=Edit.Outcome.UNDONE, corrected_at=Now())
    return bool(count + checked.update(outcome=Edit.Outcome.NOT_SEEN))


def _mark_replaced(delivery: Delivery, instance: Instance, report: Report) -> None:
    """Mark the earlier edits that wait for the next start and are replaced by these."""
    applied = [
        edit for edit, (state, _) in report.new_states.items() if state == State.APPLIED
    ]
    newest = {
        name: edit
        for edit in applied
        if edit.kind == Edit.Kind.UPDATE
        for name in NEXT_START_FIELDS & edit.patch.keys()
    }
    if not newest:
        return
    earlier = [
        edit
        for edit in delivery.earlier
        if edit.state == State.APPLIED
        and edit.applied_while_running
        and edit.outcome != Edit.Outcome.REPLACED
    ]
    for edit in earlier[:MAX_EARLIER_EDITS]:
        edit.instance = instance
        newly = {
            name: reference_to(newer)
            for name, newer in newest.items()
            if edit.patch.get(name, newer.patch[name]) != newer.patch[name]
        }
        if not newly or not edit.applied_during_this_run:
            continue
        newer_by_field = {**edit.newer_by_field, **newly}
        is_replaced = edit.patch.keys() <= newer_by_field.keys()
        Edit.objects.filter(pk=edit.pk).update(
            newer_by_field=newer_by_field,
            outcome=Edit.Outcome.REPLACED if is_replaced else edit.outcome,
        )


def reference_to(edit: Edit) -> dict[str, str]:
    """Return what ``Edit.newer_by_field`` says about a newer edit."""
    if edit.actor is None and edit.schedule_name:
        return {"edit": str(edit.pk), "schedule": edit.schedule_name}
    if edit.actor is None:
        return {"edit": str(edit.pk), "policy": edit.policy_name}
    return {"edit": str(edit.pk), "actor": edit.actor.get_username()}


def accepted_not_applied(
    report: Report, edits: list[Edit], result: Mapping[str, Any]
) -> None:
    """Retry, or fail, after the cloud accepted a change but shows the old value.

    The change may still be applied, so it is watched like any other late write.
    """
    report.accepted_not_applied = report.ambiguous = True
    for edit in edits:
        given_up = times_not_applied(edit) + 1 >= MAX_ACCEPTED_NOT_APPLIED
        report.set_state(
            [edit],
            State.FAILED if given_up else State.RETRYING,
            result=dict(result),
            message=messages.OLD_VALUE_AGAIN(number=MAX_ACCEPTED_NOT_APPLIED)
            if given_up
            else messages.OLD_VALUE(),
        )


def times_not_applied(edit: Edit) -> int:
    """Return how often the cloud accepted this edit and showed the old value."""
    return edit.attempts.filter(outcome=ACCEPTED_NOT_APPLIED).count()


def _finish(results: Sequence[Result]) -> None:
    """End the attempts; a delivery that has sent nothing gets one now."""
    unsent, attempts = [], []
    ended: dict[tuple[tuple[str, Any], ...], list[int]] = defaultdict(list)
    for delivery, report in results:
        error = report.error
        outcome = _outcome(report)
        values = {
            "outcome": ACCEPTED_NOT_APPLIED if report.accepted_not_applied else outcome,
            "ambiguous": report.ambiguous,
            "http_status": error.status if error else None,
            "error_code": (error.error_code or "")[:64] if error else "",
            "request_id": (error.request_id or "")[:128] if error else "",
        }
        if delivery.attempt is not None:
            ended[tuple(values.items())].append(delivery.attempt.pk)
        elif delivery.edits:
            unsent.append(delivery)
            attempts.append(
                Attempt(
                    instance=delivery.instance,
                    number=delivery.number,
                    started_at=delivery.claimed_at,
                    finished_at=Now(),
                    **values,
                )
            )
    for same, pks in ended.items():
        finished = Attempt.objects.filter(pk__in=pks)
        finished.update(**dict(same), finished_at=Now())
    if unsent:
        store_attempts(unsent, attempts)


def _outcome(report: Report) -> str:
    states = {state for state, _ in report.new_states.values()}
    for state in (State.RETRYING, State.FAILED, State.CONFLICT):
        if state in states:
            return str(state)
    return str(next(iter(states), "dropped"))


def _pause(edit: Edit, error: ModelArtsError | None) -> timedelta:
    """Return a random pause whose maximum doubles; at least ``Retry-After``."""
    ceiling = min(MAX_PAUSE_SECONDS, 2.0 ** min(edit.attempt_count, 6))
    pause = random.uniform(0.5, max(1.0, ceiling))  # noqa: S311 (no secret)
    return timedelta(seconds=max(pause, (error and error.retry_after_seconds) or 0))
