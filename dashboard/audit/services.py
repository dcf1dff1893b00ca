"""The only writer of audit events."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import structlog
from django.db.models import Model

from dashboard.web.stored_messages import Message, verbatim

from .models import AuditEvent

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractUser

SYSTEM = "Curfew"
"""Label of the actor when no person acted."""

Outcome = AuditEvent.Outcome

# Not one of structlog's, which travel on to the worker: what that does for a whole
# queue
# is not done through the token that gave it the message.
_via: ContextVar[Message | None] = ContextVar("via", default=None)


@contextmanager
def acting_through(via: Message) -> Iterator[None]:
    """Note in every event written inside by what the actor acts.

    Args:
        via: Such as the message “token laptop”; empty for the pages.
    """
    before = _via.set(via)
    try:
        yield
    finally:
        _via.reset(before)


def record_event(
    *,
    actor: "AbstractUser | None",
    action: str,
    target_kind: str,
    target_id: str,
    target_label: Message | str,
    by: Message | str = SYSTEM,
    outcome: str = Outcome.DONE,
    instance: str = "",
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
    reason: Message | str = "",
    into: list[AuditEvent] | None = None,
) -> AuditEvent:
    """Write one event; call it in the transaction of the change it describes.

    Args:
        actor: Who acted; None when no account did.
        action: What was done, as ``object.verb`` such as ``edit.submitted``. Each has
            its line in ``docs/security.md``.
        target_kind: ``instance``, ``edit``, ``user``, ...
        target_id: Stable id of the target.
        target_label: Its name; a message where the name is not one that people gave.
        by: Name of the actor when it is no account.
        outcome: One of ``AuditEvent.Outcome``.
        instance: The instance it is about, as ``Instance.reference``.
        before: Values before the change.
        after: Values after it.
        reason: Why: a message, or what a person typed.
        into: Of many events: put it there, unsaved, for ``record_events``.

    Returns:
        The event written. Its request id and address are those of the running request,
        or of the request that queued the running task.
    """
    context = structlog.contextvars.get_contextvars()
    actor_label, actor_message = _name(actor.get_username() if actor else by)
    target_label, target_message = _name(target_label)
    event = AuditEvent(
        # By its id: the user model is above this app.
        actor_id=_key(actor),
        actor_label=actor_label[:150],
        actor_message=actor_message,
        action=action,
        outcome=outcome,
        target_kind=target_kind,
        target_id=_storable(target_id)[:255],
        target_label=target_label[:255],
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
    """Write many events at once, as ``record_event`` put them into the list."""
    AuditEvent.objects.bulk_create(events, batch_size=200)


def _name(label: Message | str) -> tuple[str, Message]:
    if isinstance(label, str):
        return _storable(label), Message()
    return _storable(label.in_english), label


def _key(actor: Model | None) -> Any:
    return actor.pk if actor else None


def _storable(text: str) -> str:
    # PostgreSQL stores no NUL, and an address that somebody typed may hold one.
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")
