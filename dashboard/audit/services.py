"""The only writer of audit events."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import structlog

from dashboard.web.stored_messages import Message, verbatim

from .models import AuditEvent

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractUser

SYSTEM = "Curfew"
"""Label of the actor when no account acted."""

Outcome = AuditEvent.Outcome

# Not one of structlog's variables, which are passed on to tasks: a task that works for
# a whole queue does not act through the token of the request that sent its message.
_via: ContextVar[Message | None] = ContextVar("via", default=None)


@contextmanager
def acting_through(via: Message) -> Iterator[None]:
    """Record ``via``, such as “token laptop”, in every event written inside."""
    reset_token = _via.set(via)
    try:
        yield
    finally:
        _via.reset(reset_token)


def record_event(
    *,
    actor: "AbstractUser | None",
    action: str,
    target_kind: str,
    target_id: str,
    target_label: Message | str,
    actor_label: Message | str = SYSTEM,
    outcome: str = Outcome.DONE,
    instance: str = "",
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
    reason: Message | str = "",
    into: list[AuditEvent] | None = None,
) -> AuditEvent:
    """Write one event; call it in the transaction of the change it describes.

    Request ID and address are those of the current request, or of the request that
    queued the current task.

    Args:
        actor: None when no account acted.
        action: ``object.verb`` such as ``edit.submitted``; ``docs/security.md`` lists
            all of them.
        target_kind: ``instance``, ``edit``, ``user``, ...
        target_id: Stable ID of the target.
        target_label: Its name; a message where people did not give the name.
        actor_label: Name of an actor that is no account.
        outcome: One of ``AuditEvent.Outcome``.
        instance: ``Instance.reference`` of the instance concerned.
        before: Values before the change.
        after: Values after it.
        reason: A message, or what a person typed.
        into: A list that takes the unsaved event, for ``record_events``.
    """
    context = structlog.contextvars.get_contextvars()
    actor_name, actor_message = _name(actor.get_username() if actor else actor_label)
    target_name, target_message = _name(target_label)
    event = AuditEvent(
        actor_id=actor.pk if actor else None,
        actor_label=actor_name[:150],
        actor_message=actor_message,
        action=action,
        outcome=outcome,
        target_kind=target_kind,
        target_id=_storable(target_id)[:255],
        target_label=target_name[:255],
        target_message=target_message,
        instance=_storable(instance)[:511],
        before=before or {},
        after=after or {},
        reason=verbatim(_storable(reason)) if isinstance(reason, str) else reason,
        request_id=str(context.get("request_id", ""))[:64],
        address=context.get("address"),
        via=_via.get() or Message(),
    )
    if into is None:
        event.save()
    else:
        into.append(event)
    return event


def record_events(events: list[AuditEvent]) -> None:
    """Write the events that ``record_event`` has put into a list."""
    AuditEvent.objects.bulk_create(events, batch_size=200)


def _name(label: Message | str) -> tuple[str, Message]:
    if isinstance(label, str):
        return _storable(label), Message()
    return _storable(label.in_english), label


def _storable(text: str) -> str:
    # PostgreSQL stores no NUL, and a typed address may contain one.
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")
