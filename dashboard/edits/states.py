"""The only writer of an edit's state: each step leaves its line in the audit trail.

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

from typing import TYPE_CHECKING, Any

import structlog
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from dashboard.audit.models import AuditEvent
from dashboard.audit.services import Outcome, record_event, record_events
from dashboard.web.stored_messages import Message

from . import messages
from .models import Edit

if TYPE_CHECKING:
    from dashboard.accounts.models import User

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


def cancel_all(
    waiting: QuerySet[Edit], *, actor: "User", message: Message
) -> list[int]:
    """Take back many edits in three statements; call it under their queues' locks.

    Args:
        waiting: Edits, of which those that are not on their way are taken back.
        actor: Who takes them back.
        message: Why.

    Returns:
        ``pk`` of the instances concerned.
    """
    edits = _waiting(waiting)
    for edit in edits:
        edit.message = message
    end_all(edits, State.CANCELLED, actor=actor)
    return [edit.instance_id for edit in edits]


def _waiting(edits: QuerySet[Edit]) -> list[Edit]:
    waiting = edits.filter(state__in=[State.QUEUED, State.RETRYING])
    return list(waiting.select_related("instance__cloud").order_by("pk"))


def end_all(edits: list[Edit], state: str, *, actor: "User | None" = None) -> None:
    """End many open edits in a few statements; call it under their queues' locks.

    Args:
        edits: As read under the locks, each with its new ``message``.
        state: How they end.
        actor: Who ends them; None for Curfew.
    """
    events: list[AuditEvent] = []
    by_message: dict[Message, list[Any]] = {}
    for edit in edits:
        by_message.setdefault(edit.message, []).append(edit.pk)
        record_event(
            actor=actor,
            action=f"edit.{state}",
            target_kind="edit",
            target_id=str(edit.pk),
            target_label=str(edit.instance),
            instance=edit.instance.reference,
            outcome=OUTCOMES.get(state, Outcome.DONE),
            before={"state": edit.state},
            after={"state": str(state), "result": edit.result},
            reason=edit.message,
            into=events,
        )
    record_events(events)
    for message, pks in by_message.items():
        Edit.objects.filter(pk__in=pks).update(
            state=state, finished_at=Now(), message=message
        )


def correct(edit: Edit, changes: dict[str, Any]) -> None:
    """Say of an edit that has ended what a late write has made true.

    Args:
        edit: Read anew; call it under its queue's lock.
        changes: ``outcome`` and what goes with it (``late_writes.corrections``).
    """
    edit.refresh_from_db(fields=["state", "outcome", "message"])
    changes = {**changes, "corrected_at": Now()}
    if changes["outcome"] == Edit.Outcome.APPLIED_LATE:
        move(edit, State.APPLIED, **changes)
        edit.corrected_at = edit.finished_at
        return
    before = edit.outcome
    Edit.objects.filter(pk=edit.pk).update(**changes)
    record_event(
        actor=None,
        action="edit.corrected",
        target_kind="edit",
        target_id=str(edit.pk),
        target_label=str(edit.instance),
        instance=edit.instance.reference,
        before={"outcome": before},
        after={"outcome": str(changes["outcome"])},
        reason=messages.LATE_WRITE(),
    )


def move(
    edit: Edit, state: str, *, actor: "User | None" = None, **changes: Any
) -> None:
    """Bring an edit into another state; call it inside a transaction.

    Args:
        edit: As last read under its queue's lock; updated in place.
        state: Where it goes.
        actor: Who moved it; None for Curfew.
        **changes: Other fields to write with it, such as ``message``.

    Raises:
        RuntimeError: The step is not in the diagram, or somebody else moved the edit
            since it was read. The transaction must be rolled back.
    """
    before = edit.state
    if state not in ALLOWED.get(before, frozenset()):
        raise RuntimeError(f"An edit never goes from {before} to {state}.")
    changes["state"] = state
    if state not in Edit.OPEN:
        changes["finished_at"] = Now()
    if not Edit.objects.filter(pk=edit.pk, state=before).update(**changes):
        raise RuntimeError(f"Edit {edit.pk} is no longer {before}.")
    changes["finished_at"] = timezone.now() if state not in Edit.OPEN else None
    for field, value in changes.items():
        setattr(edit, field, value)
    record_event(
        actor=actor,
        action=f"edit.{state}",
        target_kind="edit",
        target_id=str(edit.pk),
        target_label=str(edit.instance),
        instance=edit.instance.reference,
        outcome=OUTCOMES.get(state, Outcome.DONE),
        before={"state": before} | _old_values(edit, state),
        after={"state": str(state)} | _new_values(edit, state),
        reason=edit.message,
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


def _old_values(edit: Edit, state: str) -> dict[str, Any]:
    """What an applied edit replaced, so that its line alone tells the change."""
    if state != Edit.State.APPLIED:
        return {}
    return {name: edit.base[name] for name in edit.patch if name in edit.base}


def _new_values(edit: Edit, state: str) -> dict[str, Any]:
    """The policy of an edit, what it set, and where the cloud holds something else."""
    values: dict[str, Any] = {}
    if edit.policy_name:
        values["policy"] = edit.policy_name
    if state == Edit.State.APPLIED:
        values |= edit.patch or {"asked for": str(edit.kind)}
    held = {
        name: value
        for name, value in edit.result.items()
        if edit.patch.get(name) != value
    }
    return values | ({"result": held} if held else {})
