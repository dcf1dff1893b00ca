"""Create edits and move them from state to state, each step with its audit event.

Nothing else writes an edit's state::

    queued ──▶ sending ──▶ applied | failed | conflict
      │           │  ▲
      │           ▼  │
      │        retrying
      ▼           ▼
    superseded | cancelled | failed

    sending ──▶ sending | superseded | cancelled: its worker died
    failed | cancelled | conflict | superseded ──▶ applied: a write was applied late
    conflict ──▶ cancelled: the newer values are kept
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from itertools import groupby
from typing import Any, NamedTuple
from uuid import UUID

import structlog
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

from dashboard.accounts.models import User
from dashboard.audit.models import AuditEvent
from dashboard.audit.services import Outcome, record_event, record_events
from dashboard.instances.models import FleetVersion, Instance
from dashboard.modelarts.statuses import InstanceStatus
from dashboard.schedules.models import Override
from dashboard.web.stored_messages import Message

from . import dispatch, messages
from .models import Edit, EditBatch, EditQueue

ENQUEUE_AGAIN_AFTER = timedelta(seconds=3)
ROWS = 200
"""Rows in one statement."""

State = Edit.State
_ENDED_UNSENT = frozenset({State.SUPERSEDED, State.CANCELLED, State.FAILED})
_ENDED_WITHOUT_STOP = frozenset({State.CANCELLED, State.FAILED, State.CONFLICT})
ALLOWED: dict[str, frozenset[str]] = {
    State.QUEUED: _ENDED_UNSENT | {State.SENDING},
    State.RETRYING: _ENDED_UNSENT | {State.SENDING},
    # From sending to sending: taken over from a worker that died.
    State.SENDING: _ENDED_UNSENT
    | {State.APPLIED, State.CONFLICT, State.RETRYING, State.SENDING},
    State.CONFLICT: frozenset({State.APPLIED, State.CANCELLED}),
    **dict.fromkeys(_ENDED_UNSENT, frozenset({State.APPLIED})),
}

log = structlog.get_logger(__name__)


class NewEdit(NamedTuple):
    """An edit to create; its fields are those of ``Edit``."""

    instance: Instance
    patch: dict[str, Any]
    base: dict[str, Any]
    idempotency_key: str = ""
    retry_of_id: UUID | None = None
    undo_of_id: UUID | None = None


class Place(NamedTuple):
    """Where the next edit of a locked queue goes, and the database's time."""

    seq: int
    now: datetime


def lock_queues(instance_pks: Iterable[int]) -> dict[int, Place]:
    """Lock the queues of instances, and return where their next edits go.

    Queues that do not exist yet are created. The order of the locks is always the same,
    so that two transactions cannot block each other.
    """
    pks = sorted(set(instance_pks))
    queues = EditQueue.objects.filter(pk__in=pks)
    missing = set(pks) - set(queues.values_list("pk", flat=True))
    EditQueue.objects.bulk_create(
        (EditQueue(instance_id=pk) for pk in sorted(missing)), ignore_conflicts=True
    )
    locked = queues.select_for_update().order_by("pk")
    rows = locked.values_list("pk", "next_seq", Now())
    return {pk: Place(seq, now) for pk, seq, now in rows}


def create(
    new_edits: Sequence[NewEdit],
    places: Mapping[int, Place],
    *,
    actor: User | None,
    kind: str,
    deadline_seconds: float,
    batch: EditBatch | None = None,
    request_digest: str = "",
    wait: timedelta = timedelta(0),
    waits_for_stop: bool = False,
    override: Override | None = None,
) -> list[Edit]:
    """Create edits at the end of their queues, and enqueue their delivery.

    Args:
        new_edits: At most one for each instance.
        places: By instance, as ``lock_queues`` returns them.
        actor: Who requests the edits; None for the policy or schedule of the batch.
        kind: One of ``Edit.Kind``.
        deadline_seconds: How long delivery is tried.
        batch: The bulk change of which they are part.
        request_digest: See ``Edit.request_digest``.
        wait: How long none of them is delivered.
        waits_for_stop: Whether they are starts that follow the stop before them in
            their queue. They are cancelled with it.
        override: The override of schedules for which they extend or start a run.
    """
    patience = timedelta(seconds=deadline_seconds)
    edits = [
        Edit(
            instance=new.instance,
            actor=actor,
            rule=batch.rule if batch and actor is None else None,
            policy_name=batch.policy_name if batch else "",
            schedule=batch.schedule if batch else None,
            schedule_name=batch.schedule_name if batch else "",
            scheduled_for=batch.scheduled_for if batch else None,
            seq=places[new.instance.pk].seq,
            kind=kind,
            patch=new.patch,
            base=new.base,
            idempotency_key=new.idempotency_key,
            request_digest=request_digest,
            batch=batch,
            retry_of_id=new.retry_of_id,
            undo_of_id=new.undo_of_id,
            waits_for_stop=waits_for_stop,
            override=override,
            # Sweep and workers go by the database's clock, too.
            not_before=places[new.instance.pk].now + wait if wait else None,
            deadline_at=places[new.instance.pk].now + wait + patience,
        )
        for new in new_edits
    ]
    Edit.objects.bulk_create(edits, batch_size=ROWS)
    events: list[AuditEvent] = []
    for edit in edits:
        record_event_of(
            edit,
            action="edit.submitted",
            actor=actor,
            actor_label=edit.actor_message,
            before=_base_values(edit),
            after=_requested(edit),
            into=events,
        )
    record_events(events)
    # One message for a batch: the sweep enqueues its instances at the cloud's pace,
    # after those that have waited longer. Backdated, so that the next sweep may take
    # them; a single edit gets its own message below.
    EditQueue.objects.filter(pk__in=[edit.instance_id for edit in edits]).update(
        next_seq=F("next_seq") + 1,
        last_enqueued_at=Now() - ENQUEUE_AGAIN_AFTER if batch else Now(),
    )
    _stamp(edits)
    if batch:
        _sweep_on_commit()
    else:
        for edit in edits:
            _on_commit(dispatch.DRAIN, edit.instance_id)
    return edits


@transaction.atomic
def cancel(
    edits: Iterable[Edit],
    *,
    actor: User,
    message: Message,
    states: Collection[str] = Edit.CANCELLABLE,
) -> list[Edit]:
    """Cancel those of the edits that are in one of some states, and return them.

    An attempt that may still be applied is watched for, and undone.
    """
    pks = {edit.pk: edit.instance_id for edit in edits}
    lock_queues(pks.values())
    edits_now = Edit.objects.filter(pk__in=pks, state__in=states).order_by("pk")
    cancelled = list(edits_now.select_related("instance__cloud", "actor"))
    if not cancelled:
        return []
    move(cancelled, State.CANCELLED, actor=actor, message=message)
    _stamp(cancelled)
    unconfirmed = [edit.instance_id for edit in cancelled if edit.is_unconfirmed]
    if EditQueue.objects.filter(pk__in=unconfirmed).update(recheck_at=Now()):
        _sweep_on_commit()
    return cancelled


def _stamp(edits: Iterable[Edit]) -> None:
    pks = [edit.instance_id for edit in edits]
    FleetVersion.stamp(Instance.objects.filter(pk__in=pks))


def _sweep_on_commit() -> None:
    # Useless once the next regular sweep is due.
    _on_commit(dispatch.SWEEP, expires_seconds=1)


def _on_commit(task: str, *args: int, **options: float) -> None:
    # robust: an unreachable broker must not fail what is already committed.
    message = partial(dispatch.enqueue, task, *args, **options)
    transaction.on_commit(message, robust=True)


def correct(edit: Edit, changes: dict[str, Any]) -> None:
    """Correct an edit that has ended, after a late write.

    Args:
        edit: It is read again; call it under its queue's lock.
        changes: ``outcome`` and other fields (``late_writes.corrections``).
    """
    edit.refresh_from_db(fields=["state", "outcome", "message"])
    changes = {**changes, "corrected_at": Now()}
    if changes["outcome"] == Edit.Outcome.APPLIED_LATE:
        move([edit], State.APPLIED, **changes)
        edit.corrected_at = edit.finished_at
        return
    before = edit.outcome
    Edit.objects.filter(pk=edit.pk).update(**changes)
    record_event_of(
        edit,
        action="edit.corrected",
        before={"outcome": before},
        after={"outcome": str(changes["outcome"])},
        reason=messages.LATE_WRITE(),
    )


def move(
    edits: Sequence[Edit], state: str, *, actor: User | None = None, **changes: Any
) -> None:
    """Bring edits into another state, in a few statements for any number of them.

    Args:
        edits: As last read under their queues' locks; updated in place.
        state: The new state.
        actor: Who moves them; None for Curfew.
        **changes: Other fields to write with it, such as ``message``.

    Raises:
        RuntimeError: The step is not in ``ALLOWED``, or an edit was moved since it was
            read. The transaction must be rolled back.
    """
    is_open = state in Edit.OPEN
    changes["state"] = state
    if state == State.APPLIED:
        # What an earlier attempt returned remains with that attempt.
        changes |= {"error_code": "", "error_message": ""}
    if not is_open:
        changes["finished_at"] = Now()
    by_state = sorted(edits, key=lambda edit: edit.state)
    for before, group in groupby(by_state, key=lambda edit: edit.state):
        if state not in ALLOWED.get(before, frozenset()):
            raise RuntimeError(f"An edit never goes from {before} to {state}.")
        pks = [edit.pk for edit in group]
        rows = Edit.objects.filter(pk__in=pks, state=before)
        if rows.update(**changes) != len(pks):
            raise RuntimeError(f"Some edits are no longer {before}.")
    changes["finished_at"] = None if is_open else timezone.now()
    failed = state in {State.FAILED, State.CONFLICT}
    events: list[AuditEvent] = []
    for edit in edits:
        before = edit.state
        for field, value in changes.items():
            setattr(edit, field, value)
        record_event_of(
            edit,
            action=f"edit.{state}",
            actor=actor,
            outcome=Outcome.FAILED if failed else Outcome.DONE,
            # The event of an applied edit describes the change without other events.
            before={"state": before}
            | (_base_values(edit) if state == State.APPLIED else {}),
            after={"state": str(state)} | _new_values(edit, state),
            reason=edit.message,
            into=events,
        )
        log.info(
            "edit moved",
            edit=str(edit.pk),
            instance=edit.instance.instance_id,
            cloud=edit.instance.cloud.name,
            from_state=before,
            to_state=str(state),
            error_code=edit.error_code,
        )
    record_events(events)
    stops = [edit for edit in edits if edit.kind == Edit.Kind.STOP]
    if state in _ENDED_WITHOUT_STOP | {State.SUPERSEDED}:
        _expect_no_stop(stops)
    if state in _ENDED_WITHOUT_STOP:
        _cancel_starts_after(stops)


def _expect_no_stop(stops: Sequence[Edit]) -> None:
    """Let these be no late stops: the end of an edit is reported anyway."""
    if stops:
        instances = Instance.objects.filter(pk__in=[edit.instance_id for edit in stops])
        running = instances.filter(status=InstanceStatus.RUNNING)
        running.exclude(stop_requested_at=None).update(stop_requested_at=None)


def _cancel_starts_after(stops: Sequence[Edit]) -> None:
    """Cancel the second half of each restart whose stop has not happened."""
    if not stops:
        return
    # Compared here: SQLite refuses a condition for each of a thousand stops.
    after = {(stop.instance_id, stop.seq + 1) for stop in stops}
    starts = Edit.objects.filter(
        instance__in=[stop.instance_id for stop in stops],
        kind=Edit.Kind.START,
        waits_for_stop=True,
        state__in=Edit.CANCELLABLE,
        # A start past its deadline fails anyway.
        deadline_at__gt=Now(),
    )
    found = starts.select_related("instance__cloud", "actor")
    if waiting := [edit for edit in found if (edit.instance_id, edit.seq) in after]:
        move(waiting, State.CANCELLED, message=messages.NOT_STOPPED())


def record_event_of(
    edit: Edit,
    *,
    actor: User | None = None,
    into: list[AuditEvent] | None = None,
    **details: Any,
) -> None:
    """Record an audit event about an edit; see ``record_event``."""
    record_event(
        actor=actor,
        target=edit,
        target_label=str(edit.instance),
        instance=edit.instance.reference,
        into=into,
        **details,
    )


def _requested(edit: Edit) -> dict[str, Any]:
    """Return the values that an edit requests; unless it changes settings, its kind."""
    values: dict[str, Any] = dict(edit.patch)
    if edit.kind == Edit.Kind.UPDATE:
        return values
    return {"asked for": str(edit.kind)} | values


def _base_values(edit: Edit) -> dict[str, Any]:
    values = {name: edit.base[name] for name in edit.patch if name in edit.base}
    if edit.kind == Edit.Kind.UPDATE:
        return values
    # A lease has either an end or a time without use.
    return {name: value for name, value in values.items() if value is not None}


def _new_values(edit: Edit, state: str) -> dict[str, Any]:
    """Return who acts if no person does, the values, and where the cloud's differ."""
    values: dict[str, Any] = {"policy": edit.policy_name} if edit.policy_name else {}
    if edit.schedule_name:
        values["schedule"] = edit.schedule_name
    if state == State.APPLIED:
        values |= _requested(edit)
    differing = {
        name: value
        for name, value in edit.result.items()
        if edit.patch.get(name) != value
    }
    if edit.kind == Edit.Kind.EXTEND and state == State.APPLIED:
        # The end is later by the time that the request was under way.
        differing = {}
    return values | ({"result": differing} if differing else {})
