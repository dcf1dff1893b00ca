"""The only writer of an edit's state: each step leaves its line in the audit trail.

::

    queued ──▶ sending ──▶ applied | failed | conflict
      │           │  ▲
      │           ▼  │
      │        retrying
      ▼           ▼
    superseded | cancelled | failed
"""

from typing import TYPE_CHECKING, Any

import structlog
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from dashboard.audit.models import AuditEvent
from dashboard.audit.services import Outcome, record_event, record_events

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
}

OUTCOMES: dict[str, str] = {
    State.FAILED: Outcome.FAILED,
    State.CONFLICT: Outcome.FAILED,
}
"""What the audit trail calls the steps that came to nothing."""

log = structlog.get_logger(__name__)


def cancel_all(waiting: QuerySet[Edit], *, actor: "User", message: str) -> list[int]:
    """Take back many edits in three statements; call it under their lanes' locks.

    Args:
        waiting: Edits, of which those that are not on their way are taken back.
        actor: Who takes them back.
        message: One plain sentence.

    Returns:
        ``pk`` of the instances concerned.
    """
    waiting = waiting.filter(state__in=[State.QUEUED, State.RETRYING])
    edits = list(waiting.select_related("instance__cloud").order_by("pk"))
    events: list[AuditEvent] = []
    for edit in edits:
        record_event(
            actor=actor,
            action=f"edit.{State.CANCELLED}",
            target_kind="edit",
            target_id=str(edit.pk),
            target_label=str(edit.instance),
            instance=edit.instance.reference,
            outcome=OUTCOMES.get(State.CANCELLED, Outcome.DONE),
            before={"state": edit.state},
            after={"state": str(State.CANCELLED), "result": edit.result},
            reason=message,
            into=events,
        )
    record_events(events)
    Edit.objects.filter(pk__in=[edit.pk for edit in edits]).update(
        state=State.CANCELLED, finished_at=Now(), message=message
    )
    return [edit.instance_id for edit in edits]


def move(
    edit: Edit, state: str, *, actor: "User | None" = None, **changes: Any
) -> None:
    """Bring an edit into another state; call it inside a transaction.

    Args:
        edit: As last read under its lane's lock; updated in place.
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
        before={"state": before},
        after={"state": str(state), "result": edit.result},
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
