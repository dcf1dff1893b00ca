"""Store a request before it leaves, if its worker may still send it.

Each request that the cloud receives has an attempt that was committed before it.
Permission, deadline and fencing token are checked in the same transaction.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

from dashboard.edits import authority, leases, messages
from dashboard.edits.models import Attempt, Edit, EditQueue
from dashboard.edits.states import record_event_of

from .queue import LEASE, Delivery

State = Edit.State


class Announcement(NamedTuple):
    """A request that is about to be sent.

    Attributes:
        body: The JSON body of the request.
        before: The cloud's values before the request.
    """

    delivery: Delivery
    body: dict[str, Any]
    before: Mapping[str, Any]


def authorize_request(
    delivery: Delivery, body: dict[str, Any], before: Mapping[str, Any]
) -> bool:
    """Store a request before it leaves, if this worker may still send it.

    Args:
        delivery: It gets a new attempt.
        body: The JSON body of the request.
        before: The cloud's values before the request.

    Returns:
        False when nothing may be sent: the queue was taken over, an actor lost the
        permission, or the deadline has passed.
    """
    return bool(authorize_requests([Announcement(delivery, body, before)]))


@transaction.atomic
def authorize_requests(announcements: Sequence[Announcement]) -> list[Announcement]:
    """Store several requests; see ``authorize_request``.

    Returns:
        Those that may be sent.
    """
    allowed, repeated = [], []
    queues = _still_permitted([one.delivery for one in announcements])
    for one in announcements:
        delivery = one.delivery
        delivery.watch.before = dict(one.before)
        if delivery.instance.pk in queues:
            allowed.append(one)
            if delivery.attempt is not None:
                repeated.append(delivery)
    for delivery in repeated:
        _begin_another(delivery, queues[delivery.instance.pk].locked_at)
    attempts = [
        Attempt(
            instance=one.delivery.instance,
            number=one.delivery.number,
            started_at=one.delivery.claimed_at,
            body=one.body,
            before=dict(one.before),
            sent_at=Now(),
        )
        for one in allowed
    ]
    store_attempts([one.delivery for one in allowed], attempts)
    for one, attempt in zip(allowed, attempts, strict=True):
        queue = queues[one.delivery.instance.pk]
        attempt.sent_at = queue.locked_at
        one.delivery.attempt = attempt
        if one.delivery.undoing:
            _record_undo(queue, one.delivery)
    return allowed


def store_attempts(deliveries: Sequence[Delivery], attempts: list[Attempt]) -> None:
    """Insert an attempt for each delivery."""
    Attempt.objects.bulk_create(attempts)
    Attempt.edits.through.objects.bulk_create(
        Attempt.edits.through(attempt_id=attempt.pk, edit_id=edit.pk)
        for delivery, attempt in zip(deliveries, attempts, strict=True)
        for edit in delivery.edits
    )


def _still_permitted(deliveries: Iterable[Delivery]) -> dict[int, EditQueue]:
    """Lock the queues whose next request may be sent, and return them by instance."""
    wanted = {delivery.instance.pk: delivery for delivery in deliveries}
    edits = {edit.pk for one in wanted.values() for edit in one.edits_to_authorize}
    fresh = (
        # A condition, so that it is an inner join: PostgreSQL locks no other.
        Edit.objects.filter(pk__in=edits, instance__queue__fencing_token__gt=0)
        .select_for_update(of=("instance__queue",))
        .select_related("actor", "rule", "schedule", "instance__queue")
        .defer("instance__document", "instance__search_text")
        .annotate(now=Now())
        .order_by("instance", "seq")
    )
    queues: dict[int, EditQueue] = {}
    policies = authority.PolicyState(wanted)
    refused: set[int] = set()
    actors: dict[int, Any] = {}
    for edit in fresh:
        pk = edit.instance_id
        edit.instance.cloud = wanted[pk].instance.cloud
        queue = edit.instance.queue
        queue.locked_at = edit.now
        queues[pk] = queue
        if edit.actor is not None:
            edit.actor = actors.setdefault(edit.actor.pk, edit.actor)
        is_late = edit.is_open and edit.deadline_at <= edit.now
        is_ours = queue.fencing_token == wanted[pk].number
        if not is_ours or is_late or authority.why_withdrawn(edit, policies):
            refused.add(pk)
    return {pk: queue for pk, queue in queues.items() if pk not in refused}


def _begin_another(delivery: Delivery, now: datetime) -> None:
    """Give another number to a delivery whose request was answered and read back.

    An attempt is one request.
    """
    answered = Attempt.objects.filter(
        instance=delivery.instance, number=delivery.number
    )
    answered.update(outcome="applied", finished_at=Now())
    delivery.number += 1
    delivery.claimed_at = timezone.now()
    EditQueue.objects.filter(pk=delivery.instance.pk).update(
        fencing_token=delivery.number, lease_until=now + LEASE
    )


def _record_undo(queue: EditQueue, delivery: Delivery) -> None:
    """Count an undo, and record an audit event for each edit in whose name it happens.

    The edits that were applied late are marked now: the read afterwards may fail.
    """
    EditQueue.objects.filter(pk=queue.pk).update(undo_count=F("undo_count") + 1)
    applied_late = {
        edit.pk for late in delivery.undoing for edit in late.edits if not edit.is_open
    }
    Edit.objects.filter(pk__in=applied_late).exclude(state=State.APPLIED).update(
        outcome=Edit.Outcome.UNCONFIRMED, corrected_at=Now()
    )
    for edit in delivery.edits_to_authorize:
        undone = [late for late in delivery.undoing if late.supporting_edits[0] == edit]
        record_event_of(
            edit,
            action="edit.repaired",
            before=_values({late.field: late.value for late in undone}),
            after=_values({late.field: late.desired for late in undone}),
            reason=messages.LATE_WRITE_UNDONE(),
        )


def _values(by_field: dict[str, Any]) -> dict[str, Any]:
    """Return values for an audit event, with the fields of a lease."""
    lease = by_field.pop(leases.LEASE, None)
    return by_field | (lease or {})
