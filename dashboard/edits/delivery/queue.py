"""The queue of each instance: which worker may deliver, and what it sends next.

``claim`` gives a worker the lease and raises the fencing token. The worker may send and
record only while its token is the newest. All times are the database's, so that workers
on different machines agree.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q
from django.db.models.functions import Now

from dashboard.edits import authority, leases, merge, messages, states
from dashboard.edits.models import WAITS_FOR_STOP, Attempt, Edit, EditQueue
from dashboard.edits.states import ENQUEUE_AGAIN_AFTER, record_event_of
from dashboard.instances import worker_liveness
from dashboard.instances.models import Cloud, FleetVersion, Instance
from dashboard.web.stored_messages import Message, sentences

from . import circuit_breaker, late_writes
from .late_writes import LateWrite, Watch

log = structlog.get_logger(__name__)

LEASE = timedelta(seconds=45)
"""Longer than a task's hard time limit: when a lease ends, its owner is dead."""

MAX_UNDOS = 12
"""Undone late writes after which Curfew gives up: a gateway may repeat a request
endlessly, and a person may insist on a value."""

MAX_INTERRUPTED = 3
MIN_SWEEP_SIZE = 10

State = Edit.State

LEASE_AND_WATCH_FIELDS = (
    "lease_owner",
    "lease_until",
    "late_write_until",
    "recheck_at",
    "desired",
)
"""Saved together whenever a lease or a watch begins or ends."""


@dataclass
class Delivery:
    """A worker's right to deliver for one instance, until the lease ends.

    Attributes:
        edits: What to deliver, of one kind, oldest first; all ``sending``. Empty when
            the instance is only read again for a late write.
        may_undo: Whether a late write may still be undone.
        watch: The late-write watch; empty when there is none.
        undoing: Late writes that the next request undoes.
        awaiting_read_back: Whether a write was answered and not read back yet.
    """

    instance: Instance
    edits: list[Edit]
    attempt: Attempt
    may_undo: bool = False
    watch: Watch = field(default_factory=Watch)
    undoing: list[LateWrite] = field(default_factory=list)
    awaiting_read_back: bool = False

    def find_late_writes(self, current: Mapping[str, Any]) -> list[LateWrite]:
        """Return the late writes among the cloud's values."""
        return self.watch.find(current, partial(merge.recent_edits, self.instance))

    @property
    def edits_to_authorize(self) -> list[Edit]:
        """The edits that must still be permitted when the next request is sent."""
        supporting = (late.supporting_edits[0] for late in self.undoing)
        return list(dict.fromkeys(supporting)) or self.edits


@transaction.atomic
def take_due_queues() -> list[int]:
    """Mark the queues that need a worker now as enqueued, and return their instances.

    These have open edits or a due recheck, and are neither leased nor just enqueued.
    Queues of dead workers are freed first. A cloud whose circuit is open gets one
    queue, as the probe.
    """
    _free_queues_of_dead_workers()
    now = Now()
    open_edits = Edit.objects.filter(instance=OuterRef("pk"), state__in=Edit.OPEN)
    # One that waits for a stop that never comes fails at its deadline.
    waiting = open_edits.exclude(WAITS_FOR_STOP, deadline_at__gt=now)
    waiting = waiting.exclude(not_before__gt=now)
    queues = EditQueue.objects.filter(
        Q(lease_until=None) | Q(lease_until__lte=now),
        Q(next_at=None) | Q(next_at__lte=now),
        Q(last_enqueued_at=None) | Q(last_enqueued_at__lte=now - ENQUEUE_AGAIN_AFTER),
        Q(instance__cloud__held_until=None) | Q(instance__cloud__held_until__lte=now),
        Exists(waiting) | Q(recheck_at__lte=now),
    )
    healthy = queues.filter(instance__cloud__failures__lt=circuit_breaker.OPENS_AT)
    # No more than the clouds can answer until the next sweep. The rest of a large batch
    # waits here, and not in the broker's queue, where other edits would wait behind it.
    answerable = max(MIN_SWEEP_SIZE, round(settings.CURFEW.upstream_rate))
    # The longest wait comes first; within a batch the run that ends first, which would
    # otherwise stop before it is extended.
    by_urgency = healthy.order_by(
        F("last_enqueued_at").asc(nulls_first=True),
        F("instance__run_ends_at").asc(nulls_last=True),
    )
    due = list(by_urgency.values_list("pk", flat=True)[:answerable])
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
        owner for owner in lease_owners if owner is not None
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
    if not circuit_breaker.claim_call(queue.instance.cloud, queue.now):
        return None
    queue.lease_owner = lease_owner
    edits, ended = _end_and_pick(queue, queue.now)
    delivery = None
    if edits or (queue.recheck_at is not None and queue.recheck_at <= queue.now):
        delivery = _delivery(queue, queue.now, edits)
    else:
        queue.save(update_fields=["late_write_until", "recheck_at", "desired"])
    # Stamp only real changes: each version makes every open page poll for rows.
    if edits or ended:
        FleetVersion.stamp(Instance.objects.filter(pk=instance_pk))
    return delivery


def _delivery(queue: EditQueue, now: datetime, edits: list[Edit]) -> Delivery:
    attempt = _begin(queue, edits, now)
    for edit in edits:
        states.move([edit], State.SENDING, attempt_count=edit.attempt_count + 1)
    return Delivery(
        queue.instance,
        edits,
        attempt,
        may_undo=queue.undo_count < MAX_UNDOS,
        watch=_watch(queue, now),
    )


def _watch(queue: EditQueue, now: datetime) -> Watch:
    if queue.late_write_until is None:
        return Watch()
    unconfirmed = Attempt.objects.filter(
        instance_id=queue.pk, ambiguous=True, sent_at__gte=now - merge.OUR_OWN_FOR
    )
    return Watch(
        queue.desired, list(unconfirmed.order_by("number").prefetch_related("edits"))
    )


def _is_free(queue: EditQueue, now: datetime) -> bool:
    blocked_until = (queue.lease_until, queue.next_at, queue.instance.cloud.held_until)
    return all(moment is None or moment <= now for moment in blocked_until)


def _begin(queue: EditQueue, edits: list[Edit], now: datetime) -> Attempt:
    queue.fencing_token += 1
    queue.lease_until = now + LEASE
    queue.next_at = None
    queue.save(update_fields=[*LEASE_AND_WATCH_FIELDS, "next_at", "fencing_token"])
    attempt = Attempt.objects.create(
        instance=queue.instance, number=queue.fencing_token
    )
    attempt.edits.set(edits)
    return attempt


def _end_and_pick(queue: EditQueue, now: datetime) -> tuple[list[Edit], bool]:
    """End the edits that will never be sent, and return the next ones to send.

    Returns:
        The edits, and whether any was ended.
    """
    open_edits = list(
        Edit.objects.filter(instance_id=queue.pk, state__in=Edit.OPEN)
        .select_related("actor", "rule", "schedule", "instance__cloud")
        .order_by("seq")
    )
    note_interruption(queue, now, open_edits)
    waiting = [edit for edit in open_edits if _keep_or_end(edit, now)]
    sendable = [edit for edit in waiting if _is_due(edit, now)]
    edits = merge.of_one_kind(sendable)
    if edits:
        # A newer change replaces one that waits for the stop, or for its moment.
        still_waiting = [
            edit
            for edit in waiting
            if edit not in sendable
            and merge.is_one_kind(edit, edits[0])
            and (edit.kind == Edit.Kind.UPDATE or edit.seq < edits[-1].seq)
        ]
        edits = sorted([*still_waiting, *edits], key=lambda edit: edit.seq)
    now_or_after_stop = [
        edit for edit in waiting if edit in sendable or edit.is_waiting_for_stop
    ]
    superseded = merge.superseded(edits) | _replaced_starts(now_or_after_stop)
    for edit, newer in superseded.items():
        states.move(
            [edit],
            State.SUPERSEDED,
            superseded_by=newer,
            message=messages.SUPERSEDED_BY(username=newer.actor_message),
        )
    ended = len(waiting) < len(open_edits) or bool(superseded)
    picked = [edit for edit in edits if edit not in superseded and edit in sendable]
    return merge.of_one_request(picked), ended


def _replaced_starts(edits: list[Edit]) -> dict[Edit, Edit]:
    """Return the starts of restarts that a later start or stop replaces, with it."""
    powers = [edit for edit in edits if edit.kind in {Edit.Kind.START, Edit.Kind.STOP}]
    return {
        edit: powers[-1]
        for edit in powers[:-1]
        if edit.kind == Edit.Kind.START and edit.is_waiting_for_stop
    }


def _is_due(edit: Edit, now: datetime) -> bool:
    """Whether an edit waits neither for the stop of its instance nor for its moment."""
    is_later = edit.not_before is not None and edit.not_before > now
    return not is_later and not edit.is_waiting_for_stop


def note_interruption(queue: EditQueue, now: datetime, edits: list[Edit]) -> None:
    """End the attempts of a worker that died: its lease has ended without a result.

    Args:
        queue: Locked; the caller saves it.
        now: The database's time.
        edits: The open edits of the queue.
    """
    unfinished = Attempt.objects.filter(instance_id=queue.pk, outcome="")
    sent = list(unfinished.filter(sent_at__isnull=False).order_by("number"))
    for attempt in sent:
        before = late_writes.initial(attempt.before, attempt.number)
        queue.desired = before | queue.desired
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


def _keep_or_end(edit: Edit, now: datetime) -> bool:
    """Return whether an edit may be sent; end it if not."""
    if edit.kind == Edit.Kind.START and edit.waits_for_stop:
        # The end of the stop before it may just have cancelled it.
        edit.refresh_from_db(fields=["state"])
        if not edit.is_open:
            return False
    if withdrawn := authority.why_withdrawn(edit):
        states.move([edit], State.CANCELLED, message=withdrawn)
    elif edit.interrupted >= MAX_INTERRUPTED:
        states.move([edit], State.FAILED, message=messages.DELIVERY_FAULT())
        log.error("poison edit", edit=str(edit.pk), interrupted=edit.interrupted)
    elif edit.deadline_at <= now:
        states.move([edit], State.FAILED, message=past_deadline_message(edit))
    else:
        return True
    return False


def past_deadline_message(edit: Edit) -> Message:
    """The message of an edit whose deadline has passed."""
    return sentences(messages.PAST_DEADLINE(), edit.message)


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
def authorize_request(
    delivery: Delivery, body: dict[str, Any], before: Mapping[str, Any]
) -> bool:
    """Store a request before it leaves, if this worker may still send it.

    Args:
        delivery: It gets a new attempt if the current one has been sent.
        body: The JSON body of the request.
        before: The cloud's values before the request.

    Returns:
        False when nothing may be sent: the queue was taken over, an actor lost the
        permission, or the deadline has passed.
    """
    delivery.watch.before = dict(before)
    locked = lock_if_ours(delivery)
    if locked is None:
        return False
    queue, now = locked
    fresh = Edit.objects.filter(
        pk__in=[edit.pk for edit in delivery.edits_to_authorize]
    )
    for edit in fresh.select_related("actor", "rule", "schedule", "instance__cloud"):
        allowed = not authority.why_withdrawn(edit)
        if not allowed or (edit.is_open and edit.deadline_at <= now):
            return False
    if delivery.attempt.sent_at is not None:
        # An attempt is one request. The first was answered and read back.
        Attempt.objects.filter(pk=delivery.attempt.pk).update(
            outcome="applied", finished_at=Now()
        )
        delivery.attempt = _begin(queue, delivery.edits, now)
    Attempt.objects.filter(pk=delivery.attempt.pk).update(
        body=body, before=before, sent_at=Now()
    )
    delivery.attempt.sent_at, delivery.attempt.body = now, body
    if delivery.undoing:
        _record_undo(queue, delivery)
    return True


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
