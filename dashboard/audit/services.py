"""The only writer of audit events."""

from typing import TYPE_CHECKING, Any

import structlog

from .models import AuditEvent

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractUser

SYSTEM = "Curfew"
"""Label of the actor when no person acted."""


def record_event(
    *,
    actor: "AbstractUser | None",
    action: str,
    target_kind: str,
    target_id: str,
    target_label: str,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
    reason: str = "",
    into: list[AuditEvent] | None = None,
) -> AuditEvent:
    """Write one event; call it in the transaction of the change it describes.

    Args:
        actor: Who acted; None when Curfew acted by itself.
        action: What was done, as ``object.verb`` such as ``edit.submitted``.
        target_kind: ``instance``, ``edit``, ``user``, ...
        target_id: Stable id of the target.
        target_label: What people call it.
        before: Values before the change.
        after: Values after it.
        reason: Why, one plain sentence.
        into: Of many events: put it there, unsaved, for ``record_events``.

    Returns:
        The event written. Its request id is the one bound to the running request, or to
        the request that queued the running task.
    """
    context = structlog.contextvars.get_contextvars()
    event = AuditEvent(
        actor=actor,  # type: ignore[misc]  # the user model is above this app
        actor_label=actor.get_username() if actor else SYSTEM,
        action=action,
        target_kind=target_kind,
        target_id=target_id,
        target_label=target_label[:255],
        before=before or {},
        after=after or {},
        reason=reason,
        request_id=str(context.get("request_id", ""))[:64],
    )
    if into is None:
        event.save()
    else:
        into.append(event)
    return event


def record_events(events: list[AuditEvent]) -> None:
    """Write many events at once, as ``record_event`` put them into the list."""
    AuditEvent.objects.bulk_create(events, batch_size=200)
