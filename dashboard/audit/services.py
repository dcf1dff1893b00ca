"""The only module that writes audit events."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple

import structlog
from django.contrib.auth.base_user import AbstractBaseUser
from django.db.models import Model

from dashboard.web.bulk_insert import insert_rows
from dashboard.web.stored_messages import Message, verbatim

from .models import AuditEvent

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
    actor: AbstractBaseUser | None,
    action: str,
    target: Model | None = None,
    *,
    target_kind: str = "",
    target_id: str = "",
    target_label: Message | str | None = None,
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
        action: ``object.verb``; ``docs/security.md`` lists all of them.
        target: What was changed; gives the ID and the name, unless they are passed.
        target_kind: Such as ``user``; by default the object in ``action``.
        target_label: A message where people did not give the name.
        actor_label: Name of an actor that is no account.
        instance: ``Instance.reference`` of the instance concerned.
        reason: A message, or what a person typed.
        into: A list that takes the unsaved event, for ``record_events``.
    """
    context = structlog.contextvars.get_contextvars()
    actor_name, actor_message = _name(actor.get_username() if actor else actor_label)
    if target:
        target_id = target_id or str(target.pk)
        target_label = str(target) if target_label is None else target_label
    target_name, target_message = _name(target_label or "")
    event = AuditEvent(
        actor_id=actor.pk if actor else None,
        actor_label=actor_name[:150],
        actor_message=actor_message,
        action=action,
        outcome=outcome,
        target_kind=target_kind or action.partition(".")[0],
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


class Target(NamedTuple):
    """What one of many events is about; see ``record_event``."""

    target_id: str
    target_label: str
    instance: str
    before: dict[str, Any]
    after: dict[str, Any]
    reason: Message = Message()


def record_events_of(
    targets: Iterable[Target],
    *,
    actor: AbstractBaseUser | None,
    action: str,
    actor_label: Message | str = SYSTEM,
    outcome: str = Outcome.DONE,
) -> None:
    """Write an event for each target, all in one statement."""
    shared = record_event(
        actor, action, actor_label=actor_label, outcome=outcome, into=[]
    )
    rows = (
        (
            _storable(target.target_id)[:255],
            _storable(target.target_label)[:255],
            _storable(target.instance)[:511],
            target.before,
            target.after,
            target.reason.to_json(),
        )
        for target in targets
    )
    insert_rows(shared, Target._fields, rows)


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
