"""The queue of each instance: who may deliver, and what is sent next.

``claim`` gives a worker the lease and raises the fencing token. The worker may send and
record only while the token is its own. Time is the database's, so that workers on
different machines agree.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q
from django.db.models.functions import Now

from dashboard.edits import authority, merge, messages, states
from dashboard.edits.models import Attempt, Edit, EditQueue
from dashboard.edits.states import ENQUEUE_AGAIN_AFTER, record_event_of
from dashboard.instances import worker_liveness
from dashboard.instances.models import Cloud, FleetVersion, Instance
from dashboard.web.stored_messages import Message, sentences

from . import circuit_breaker, late_writes
from .late_writes import LateWrite, Watch

log = structlog.get_logger(__name__)

LEASE = timedelta(seconds=45)
"""Longer than a task's hard time limit: when it ends, its owner is dead."""

MOST_REPAIRS = 12
"""Late writes put right before Curfew gives up, and says so: a gateway that repeats a
request, or somebody who sets the same value again and again, is not fought for ever."""

MOST_INTERRUPTED = 3
LEAST_SWEEP = 10

State = Edit.State

DELIVERY_FIELDS = (
    "lease_owner",
    "lease_until",
    "late_write_until",
    "recheck_at",
    "desired",
)
"""What a delivery changes in its queue, from its claim to its record."""


@dataclass
class Delivery:
    """A worker's right to deliver for one instance, until the lease ends.

    Attributes:
        edits: What to deliver, of one kind, oldest first; all ``sending``. Empty when
            the instance is only read again for a late write.
        may_repair: Whether a late write may still be repaired.
        watch: What is known of late writes; empty outside a late-write watch.
        restoring: Late writes that the next request undoes.
        awaiting_read_back: Whether a write was answered and not read back yet.
    """

    instance: Instance
    edits: list[Edit]
    attempt: Attempt
    may_repair: bool = False
    watch: Watch = field(default_factory=Watch)
    restoring: list[LateWrite] = field(default_factory=list)
    awaiting_read_back: bool = False

    @property
    def edits_to_authorize(self) -> list[Edit]:
        """The edits for which the next request is sent; they must be permitted then."""
        supporting = (late.supporting_edits[0] for late in self.restoring)
        return list(dict.fromkeys(supporting)) or self.edits


@transaction.atomic
def due_instances() -> list[int]:
    """Return instances with open edits that are neither leased nor just enqueued.

    Queues of dead workers are freed first. A cloud whose circuit is open gets one
    queue, as the probe.
    """
    _free_queues_of_dead_workers()
    now = Now()
    waiting = Edit.objects.filter(instance=OuterRef("pk"), state__in=Edit.OPEN)
    queues = EditQueue.objects.filter(
        Q(lease_until=None) | Q(lease_until__lte=now),
        Q(next_at=None) | Q(next_at__lte=now),
        Q(last_enqueued_at=None) | Q(last_enqueued_at__lte=now - ENQUEUE_AGAIN_AFTER),
        Q(instance__cloud__held_until=None) | Q(instance__cloud__held_until__lte=now),
        Exists(waiting) | Q(recheck_at__lte=now),
    )
    healthy = queues.filter(instance__cloud__failures__lt=circuit_breaker.OPENS_AT)
    # No more than the clouds can answer until the next sweep: the rest of a large batch
    # waits here, in order, and not in the broker's queue before everybody else's edits.
    answerable = max(LEAST_SWEEP, round(settings.CURFEW.upstream_rate))
    longest_first = healthy.order_by(F("last_enqueued_at").asc(nulls_first=True))
    due = list(longest_first.values_list("pk", flat=True)[:answerable])
    for cloud in Cloud.objects.filter(failures__gte=circuit_breaker.OPENS_AT):
        probe = (
            queues.filter(instance__cloud=cloud).order_by("last_enqueued_at").first()
        )
        if probe is not None:
            due.append(probe.pk)
    EditQueue.objects.filter(pk__in=due).update(last_enqueued_at=now)
    return due


def _free_queues_of_dead_workers() -> None:
    taken = EditQueue.objects.filter(lease_until__gt=Now(), lease_owner__isnull=False)
    lease_owners = set(taken.values_list("lease_owner", flat=True).distinct())
    if dead := worker_liveness.dead_workers(
        key for key in lease_owners if key is not None
    ):
        freed = taken.filter(lease_owner__in=dead).update(
            lease_until=Now(), last_enqueued_at=None
        )
        log.warning("queues of a dead worker freed", queues=freed)


def claim(instance_pk: int) -> Delivery | None:
    """Take the lease of a queue and decide what to send.

    Returns:
        The delivery; None when the queue is leased, empty or not due.
    """
    # The liveness lock comes first: a leased queue always has a live owner.
    lease_owner = worker_liveness.current_worker()
    with transaction.atomic():
        return _claim(instance_pk, lease_owner)


def _claim(instance_pk: int, lease_owner: int) -> Delivery | None:
    queue = (
        EditQueue.objects.select_for_update(of=("self",))
        .select_related("instance__cloud")
        .annotate(now=Now())
        .filter(pk=instance_pk)
        .first()
    )
    if queue is None or not _is_free(queue, queue.now):
        return None
    queue.lease_owner = lease_owner
    edits, ended = _deliverable(queue, queue.now)
    delivery = None
    if edits or (queue.recheck_at is not None and queue.recheck_at <= queue.now):
        delivery = _delivery(queue, queue.now, edits)
    else:
        queue.save(update_fields=["late_write_until", "recheck_at", "desired"])
    # Stamp only real changes: every open page asks for what a version has changed.
    if edits or ended:
        FleetVersion.stamp(Instance.objects.filter(pk=instance_pk))
    return delivery


def _delivery(queue: EditQueue, now: datetime, edits: list[Edit]) -> Delivery:
    attempt = _begin(queue, edits, now)
    for edit in edits:
        states.move([edit], State.SENDING, attempts=edit.attempts + 1)
    return Delivery(
        queue.instance,
        edits,
        attempt,
        may_repair=queue.repairs < MOST_REPAIRS,
        watch=_watch(queue, now),
    )


def _watch(queue: EditQueue, now: datetime) -> Watch:
    if queue.late_write_until is None:
        return Watch()
    unconfirmed = Attempt.objects.filter(
        instance_id=queue.pk, ambiguous=True, sent_at__gte=now - merge.OUR_OWN_FOR
    )
    return Watch(
        late_writes.from_row(queue.desired),
        list(unconfirmed.order_by("number").prefetch_related("edits")),
    )


def _is_free(queue: EditQueue, now: datetime) -> bool:
    cloud = queue.instance.cloud
    blocked_until = (queue.lease_until, queue.next_at, cloud.held_until)
    if any(moment is not None and moment > now for moment in blocked_until):
        return False
    return circuit_breaker.may_pass(cloud, now)


def _begin(queue: EditQueue, edits: list[Edit], now: datetime) -> Attempt:
    queue.fencing_token += 1
    queue.lease_until = now + LEASE
    queue.next_at = None
    queue.save(update_fields=[*DELIVERY_FIELDS, "next_at", "fencing_token"])
    attempt = Attempt.objects.create(
        instance=queue.instance, number=queue.fencing_token
    )
    attempt.edits.set(edits)
    return attempt


def _deliverable(queue: EditQueue, now: datetime) -> tuple[list[Edit], bool]:
    """End the edits that will never be sent, and return the next ones to send.

    Returns:
        The edits, and whether any was ended.
    """
    open_edits = list(
        Edit.objects.filter(instance_id=queue.pk, state__in=Edit.OPEN)
        .select_related("actor", "rule", "instance__cloud")
        .order_by("seq")
    )
    note_interruption(queue, now, open_edits)
    waiting = [edit for edit in open_edits if _may_go_out(edit, now)]
    edits = merge.of_one_kind(waiting)
    gone = merge.superseded(edits)
    for edit, by in gone.items():
        states.move(
            [edit],
            State.SUPERSEDED,
            superseded_by=by,
            message=messages.REPLACED_BY(username=by.actor_message),
        )
    ended = len(waiting) < len(open_edits) or bool(gone)
    return [edit for edit in edits if edit not in gone], ended


def note_interruption(queue: EditQueue, now: datetime, edits: list[Edit]) -> None:
    """End the attempts of a worker that died: its lease is over, without a result.

    Args:
        queue: Locked; the caller saves it.
        now: The database's time.
        edits: The open edits of the queue.
    """
    unfinished = Attempt.objects.filter(instance_id=queue.pk, outcome="")
    sent = list(unfinished.filter(sent_at__isnull=False).order_by("number"))
    for attempt in sent:
        before = late_writes.initial(attempt.before, attempt.number)
        queue.desired = late_writes.to_row(before) | queue.desired
        late_writes.begin_watch(queue, now)
    ended = unfinished.update(outcome="interrupted", finished_at=Now())
    if sent:
        numbers = [attempt.number for attempt in sent]
        sent_for = Attempt.objects.filter(instance_id=queue.pk, number__in=numbers)
        sent_for.update(ambiguous=True)
    for edit in edits if ended else ():
        if edit.state == State.SENDING:
            edit.interrupted += 1
            if any(late_writes.is_sent(edit, attempt.body) for attempt in sent):
                edit.outcome = Edit.Outcome.UNCONFIRMED
            edit.save(update_fields=["interrupted", "outcome"])


def _may_go_out(edit: Edit, now: datetime) -> bool:
    """Return whether an edit may be sent; end it if not."""
    if withdrawn := authority.why_withdrawn(edit):
        states.move([edit], State.CANCELLED, message=withdrawn)
    elif edit.interrupted >= MOST_INTERRUPTED:
        states.move([edit], State.FAILED, message=messages.DELIVERY_FAULT())
        log.error("poisonous edit", edit=str(edit.pk), interrupted=edit.interrupted)
    elif edit.deadline_at <= now:
        states.move([edit], State.FAILED, message=too_late(edit))
    else:
        return True
    return False


def too_late(edit: Edit) -> Message:
    """The message of an edit whose deadline has passed."""
    return sentences(messages.NOT_IN_TIME(), edit.message)


def lock_if_ours(delivery: Delivery) -> tuple[EditQueue, datetime] | None:
    """Lock the queue of a delivery.

    Returns:
        The queue and the database's time; None when another worker has taken it over.
    """
    queue = (
        EditQueue.objects.select_for_update()
        .annotate(now=Now())
        .get(pk=delivery.instance.pk)
    )
    if queue.fencing_token != delivery.attempt.number:
        return None
    return queue, queue.now


@transaction.atomic
def about_to_send(delivery: Delivery, body: dict[str, Any]) -> bool:
    """Store a request before it leaves, if this worker may still send it.

    Args:
        delivery: Its ``watch.before`` is stored, too. It gets a new attempt when the
            present one has been sent.
        body: The JSON body of the request.

    Returns:
        False when nothing may be sent: the queue was taken over, an actor lost the
        permission, or the deadline has passed.
    """
    locked = lock_if_ours(delivery)
    if locked is None:
        return False
    queue, now = locked
    fresh = Edit.objects.filter(
        pk__in=[edit.pk for edit in delivery.edits_to_authorize]
    )
    for edit in fresh.select_related("actor", "rule", "instance__cloud"):
        allowed = not authority.why_withdrawn(edit)
        if not allowed or (edit.is_open and edit.deadline_at <= now):
            return False
    if delivery.attempt.sent_at is not None:
        Attempt.objects.filter(pk=delivery.attempt.pk).update(
            outcome="applied", finished_at=Now()
        )
        delivery.attempt = _begin(queue, delivery.edits, now)
    Attempt.objects.filter(pk=delivery.attempt.pk).update(
        body=body, before=delivery.watch.before, sent_at=Now()
    )
    delivery.attempt.sent_at, delivery.attempt.body = now, body
    if delivery.restoring:
        _note_repair(queue, delivery)
    return True


def _note_repair(queue: EditQueue, delivery: Delivery) -> None:
    """Count a repair, and leave a line in the audit trail for each edit it is for.

    What landed late is marked now: the reading after the repair may fail.
    """
    EditQueue.objects.filter(pk=queue.pk).update(repairs=F("repairs") + 1)
    landed = {
        edit.pk
        for late in delivery.restoring
        for edit in late.edits
        if not edit.is_open
    }
    Edit.objects.filter(pk__in=landed).exclude(state=State.APPLIED).update(
        outcome=Edit.Outcome.UNCONFIRMED, corrected_at=Now()
    )
    for edit in delivery.edits_to_authorize:
        mine = [late for late in delivery.restoring if late.supporting_edits[0] == edit]
        record_event_of(
            edit,
            action="edit.repaired",
            before={late.field: late.value for late in mine},
            after={late.field: late.desired for late in mine},
            reason=messages.LATE_WRITE_UNDONE(),
        )
