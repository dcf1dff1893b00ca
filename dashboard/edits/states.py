"""The only writer of an edit's state: each step leaves its event in the audit trail.

::

    queued ──▶ sending ──▶ applied | failed | conflict
      │           │  ▲
      │           ▼  │
      │        retrying
      ▼           ▼
    superseded | cancelled | failed

    failed | cancelled | conflict | superseded ──▶ applied: a write landed late
    conflict ──▶ cancelled: the newer values are kept
"""

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import structlog
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

from dashboard.audit.models import AuditEvent
from dashboard.audit.services import SYSTEM, Outcome, record_event, record_events
from dashboard.instances.models import FleetVersion, Instance
from dashboard.web.stored_messages import Message

from . import messages
from .models import Edit, EditQueue

if TYPE_CHECKING:
    from dashboard.accounts.models import User

ENQUEUE_AGAIN_AFTER = timedelta(seconds=3)
ROWS = 200
"""Rows in one statement."""

State = Edit.State
ALLOWED: dict[str, frozenset[str]] = {
    State.QUEUED: frozenset(
        {State.SENDING, State.SUPERSEDED, State.CANCELLED, State.FAILED}
    ),
    State.SENDING: frozenset(
        {
            State.APPLIED,
            State.CANCELLED,
            State.CONFLICT,
            State.FAILED,
            State.RETRYING,
            State.SENDING,  # taken over from a worker that died
            State.SUPERSEDED,
        }
    ),
    State.RETRYING: frozenset(
        {State.SENDING, State.SUPERSEDED, State.CANCELLED, State.FAILED}
    ),
    State.FAILED: frozenset({State.APPLIED}),
    State.CANCELLED: frozenset({State.APPLIED}),
    State.SUPERSEDED: frozenset({State.APPLIED}),
    State.CONFLICT: frozenset({State.APPLIED, State.CANCELLED}),
}

OUTCOMES: dict[str, str] = {
    State.FAILED: Outcome.FAILED,
    State.CONFLICT: Outcome.FAILED,
}
"""What the audit trail calls the steps that came to nothing."""

log = structlog.get_logger(__name__)


def create(edits: list[Edit], *, by: Message | str = SYSTEM, enqueued: bool) -> None:
    """Store new edits in their queues; call it under the queues' locks.

    Args:
        edits: Unsaved, at most one for each queue, with its ``next_seq``.
        by: Who submits them when no account does.
        enqueued: Whether the caller enqueues each instance on commit; otherwise the
            next sweep does, after the instances that have waited longer.
    """
    Edit.objects.bulk_create(edits, batch_size=ROWS)
    events: list[AuditEvent] = []
    for edit in edits:
        record_event_of(
            edit,
            action="edit.submitted",
            actor=edit.actor,
            actor_label=by,
            before=_base_values(edit),
            after=edit.patch or {"asked for": str(edit.kind)},
            into=events,
        )
    record_events(events)
    EditQueue.objects.filter(pk__in=[edit.instance_id for edit in edits]).update(
        next_seq=F("next_seq") + 1,
        last_enqueued_at=Now() if enqueued else Now() - ENQUEUE_AGAIN_AFTER,
    )
    _stamp(edits)


def cancel(edits: list[Edit], *, actor: "User", message: Message) -> int:
    """Cancel edits and return how many; call it under their queues' locks."""
    move(edits, State.CANCELLED, actor=actor, message=message)
    if edits:
        _stamp(edits)
    return len(edits)


def _stamp(edits: list[Edit]) -> None:
    pks = [edit.instance_id for edit in edits]
    FleetVersion.stamp(Instance.objects.filter(pk__in=pks))


def correct(edit: Edit, changes: dict[str, Any]) -> None:
    """Correct an edit that has ended, after a late write.

    Args:
        edit: Is read again; call it under its queue's lock.
        changes: ``outcome`` and what goes with it (``late_writes.corrections``).
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
    edits: list[Edit], state: str, *, actor: "User | None" = None, **changes: Any
) -> None:
    """Bring edits into another state, in a few statements for any number of them.

    Args:
        edits: As last read under their queues' locks; updated in place.
        state: The new state.
        actor: Who moves them; None for Curfew.
        **changes: Other fields to write with it, such as ``message``.

    Raises:
        RuntimeError: The step is not in the diagram, or an edit was moved since it was
            read. The transaction must be rolled back.
    """
    by_state: dict[str, list[Edit]] = {}
    for edit in edits:
        by_state.setdefault(edit.state, []).append(edit)
    changes["state"] = state
    if state not in Edit.OPEN:
        changes["finished_at"] = Now()
    for before, same in by_state.items():
        if state not in ALLOWED.get(before, frozenset()):
            raise RuntimeError(f"An edit never goes from {before} to {state}.")
        rows = Edit.objects.filter(pk__in=[edit.pk for edit in same], state=before)
        if rows.update(**changes) != len(same):
            raise RuntimeError(f"Some edits are no longer {before}.")
    changes["finished_at"] = timezone.now() if state not in Edit.OPEN else None
    events: list[AuditEvent] = []
    for edit in edits:
        before = edit.state
        for field, value in changes.items():
            setattr(edit, field, value)
        record_event_of(
            edit,
            action=f"edit.{state}",
            actor=actor,
            outcome=OUTCOMES.get(state, Outcome.DONE),
            before={"state": before} | _old_values(edit, state),
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


def record_event_of(
    edit: Edit,
    *,
    actor: "User | None" = None,
    into: list[AuditEvent] | None = None,
    **details: Any,
) -> None:
    """Record an audit event about an edit; see ``record_event``."""
    record_event(
        actor=actor,
        target_kind="edit",
        target_id=str(edit.pk),
        target_label=str(edit.instance),
        instance=edit.instance.reference,
        into=into,
        **details,
    )


def _old_values(edit: Edit, state: str) -> dict[str, Any]:
    """What an applied edit replaced, so that its event alone describes the change."""
    return _base_values(edit) if state == State.APPLIED else {}


def _base_values(edit: Edit) -> dict[str, Any]:
    return {name: edit.base[name] for name in edit.patch if name in edit.base}


def _new_values(edit: Edit, state: str) -> dict[str, Any]:
    """The policy of an edit, what it set, and where the cloud holds something else."""
    values: dict[str, Any] = {}
    if edit.policy_name:
        values["policy"] = edit.policy_name
    if state == Edit.State.APPLIED:
        values |= edit.patch or {"asked for": str(edit.kind)}
    differing = {
        name: value
        for name, value in edit.result.items()
        if edit.patch.get(name) != value
    }
    return values | ({"result": differing} if differing else {})
