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
from uuid import UUID, uuid4

import structlog
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

from dashboard.accounts.models import User
from dashboard.audit.services import (
    Outcome,
    Target,
    record_event,
    record_events_of,
)
from dashboard.instances.models import FleetVersion, Instance
from dashboard.modelarts.statuses import InstanceStatus
from dashboard.schedules.models import Override
from dashboard.web.bulk_insert import insert_rows
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
    if missing:
        new = [[pk] for pk in sorted(missing)]
        insert_rows(EditQueue(), ["instance_id"], new, ignore_conflicts=True)
    locked = queues.select_for_update().order_by("pk")
    rows = locked.values_list("pk", "next_seq", Now())
    return {pk: Place(seq, now) for pk, seq, now in rows}


def create(
    new: NewEdit,
    place: Place,
    *,
    actor: User,
    kind: str,
    deadline_seconds: float,
    request_digest: str = "",
    waits_for_stop: bool = False,
    override: Override | None = None,
) -> Edit:
    """Create an edit at the end of its queue, enqueue its delivery, and return it.

    Args:
        new: The edit.
        place: Of its instance, as ``lock_queues`` returns it.
        actor: Who requests it.
        kind: One of ``Edit.Kind``.
        deadline_seconds: How long delivery is tried.
        request_digest: See ``Edit.request_digest``.
        waits_for_stop: Whether it is the start of a restart: it waits for the stop
            before it in the queue, and is cancelled with it.
        override: The override of schedules for which it extends or starts a run.
    """
    edit = Edit(
        **new._asdict(),
        actor=actor,
        seq=place.seq,
        kind=kind,
        request_digest=request_digest,
        waits_for_stop=waits_for_stop,
        override=override,
        # Sweep and workers go by the database's clock, too.
        deadline_at=place.now + timedelta(seconds=deadline_seconds),
    )
    Edit.objects.bulk_create([edit])
    record_event_of(
        edit,
        action="edit.submitted",
        actor=actor,
        actor_label=edit.actor_message,
        before=_base_values(edit),
        after=_requested(edit),
    )
    _move_places([edit.instance_id], enqueued_at=Now())
    _on_commit(dispatch.DRAIN, edit.instance_id)
    return edit


def create_batch(
    new_edits: Sequence[NewEdit],
    places: Mapping[int, Place],
    *,
    batch: EditBatch,
    deadline_seconds: float,
    wait: timedelta = timedelta(0),
) -> None:
    """Create the edits of a batch at the end of their queues, in a few statements.

    Args:
        new_edits: One at least, and at most one for each instance.
        places: By instance, as ``lock_queues`` returns them.
        batch: The bulk change, with who requests it, and of which kind.
        deadline_seconds: How long delivery is tried.
        wait: How long none of them is delivered.
    """
    now = next(iter(places.values())).now
    shared = Edit(
        actor=batch.actor,
        rule=batch.rule if batch.actor is None else None,
        policy_name=batch.policy_name,
        schedule=batch.schedule,
        schedule_name=batch.schedule_name,
        scheduled_for=batch.scheduled_for,
        kind=batch.kind,
        batch=batch,
        not_before=now + wait if wait else None,
        deadline_at=now + wait + timedelta(seconds=deadline_seconds),
    )
    names = (
        *("id", "instance_id", "seq", "patch", "base"),
        *("idempotency_key", "retry_of_id", "undo_of_id"),
    )
    rows = [
        (uuid4(), new.instance.pk, places[new.instance.pk].seq, *new[1:])
        for new in new_edits
    ]
    insert_rows(shared, names, rows)
    record_events_of(
        (
            Target(
                str(pk),
                str(new.instance),
                new.instance.reference,
                *(_base_values(shared, new), _requested(shared, new)),
            )
            for (pk, *_rest), new in zip(rows, new_edits, strict=True)
        ),
        action="edit.submitted",
        actor=batch.actor,
        actor_label=shared.actor_message,
    )
    # One message for all: the sweep enqueues their instances at the cloud's pace, after
    # those that have waited longer. Backdated, so that the next sweep may take them.
    _move_places(
        [new.instance.pk for new in new_edits],
        enqueued_at=Now() - ENQUEUE_AGAIN_AFTER,
    )
    _sweep_on_commit()


def _move_places(instance_pks: Sequence[int], *, enqueued_at: Any) -> None:
    """Raise the next numbers of queues; call it last in a transaction."""
    EditQueue.objects.filter(pk__in=instance_pks).update(
        next_seq=F("next_seq") + 1, last_enqueued_at=enqueued_at
    )
    FleetVersion.stamp(Instance.objects.filter(pk__in=instance_pks), only_shown=True)


@transaction.atomic
def cancel(
    edits: Iterable[Edit],
    *,
    actor: User,
    message: Message,
    states: Collection[str] = Edit.CANCELLABLE,
) -> list[Edit]:
    """Cancel those of the edits that are in one of some states, and return them.

    If an attempt of theirs is applied late, the late-write watch undoes it.
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
    FleetVersion.stamp(Instance.objects.filter(pk__in=pks), only_shown=True)


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
    events: list[Target] = []
    for edit in edits:
        before = edit.state
        for field, value in changes.items():
            setattr(edit, field, value)
        # The event of an applied edit describes the change without other events.
        base = _base_values(edit) if state == State.APPLIED else {}
        events.append(
            Target(
                str(edit.pk),
                str(edit.instance),
                edit.instance.reference,
                before={"state": before} | base,
                after={"state": str(state)} | _new_values(edit, state),
                reason=edit.message,
            )
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
    failed = state in {State.FAILED, State.CONFLICT}
    record_events_of(
        events,
        actor=actor,
        action=f"edit.{state}",
        outcome=Outcome.FAILED if failed else Outcome.DONE,
    )
    stops = [edit for edit in edits if edit.kind == Edit.Kind.STOP]
    if state in _ENDED_WITHOUT_STOP | {State.SUPERSEDED}:
        _expect_no_stop(stops)
    if state in _ENDED_WITHOUT_STOP:
        _cancel_starts_after(stops)


def _expect_no_stop(stops: Sequence[Edit]) -> None:
    """Do not wait for these stops any more: the end of each edit is reported."""
    if stops:
        instances = Instance.objects.filter(pk__in=[edit.instance_id for edit in stops])
        running = instances.filter(status=InstanceStatus.RUNNING)
        running.exclude(stop_requested_at=None).update(stop_requested_at=None)


def _cancel_starts_after(stops: Sequence[Edit]) -> None:
    """Cancel the start of each restart whose stop did not happen."""
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


def record_event_of(edit: Edit, *, actor: User | None = None, **details: Any) -> None:
    """Record an audit event about an edit; see ``record_event``."""
    record_event(
        actor=actor,
        target=edit,
        target_label=str(edit.instance),
        instance=edit.instance.reference,
        **details,
    )


def _requested(edit: Edit, new: NewEdit | None = None) -> dict[str, Any]:
    """Return the values that an edit requests; also its kind, except for settings.

    Args:
        edit: The edit, or one of the same kind.
        new: The values, if they are not those of the edit.
    """
    values: dict[str, Any] = dict((new or edit).patch)
    if edit.kind == Edit.Kind.UPDATE:
        return values
    return {"asked for": str(edit.kind)} | values


def _base_values(edit: Edit, new: NewEdit | None = None) -> dict[str, Any]:
    """Return the former values of ``_requested``, for the same arguments."""
    patch, base = (new or edit).patch, (new or edit).base
    values = {name: base[name] for name in patch if name in base}
    if edit.kind == Edit.Kind.UPDATE:
        return values
    # A lease has either an end or a time without use.
    return {name: value for name, value in values.items() if value is not None}


def _new_values(edit: Edit, state: str) -> dict[str, Any]:
    """Return the policy or schedule, the values, and where the cloud's differ."""
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
