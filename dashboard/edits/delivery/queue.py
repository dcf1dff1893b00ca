"""Taking an instance's queue and saying what will be sent.

With ``outcome`` the database's half of delivery. Every function is one transaction.
Time is the database's, so that workers on different machines agree.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q
from django.db.models.functions import Now

from dashboard.audit.services import record_event
from dashboard.edits import authority, merge, messages, states
from dashboard.edits.models import Attempt, Edit, EditQueue
from dashboard.instances import worker_liveness
from dashboard.instances.models import Cloud, FleetVersion, Instance
from dashboard.web.stored_messages import Message, sentences

from . import circuit_breaker, late_writes
from .late_writes import LateWrite, Watch

log = structlog.get_logger(__name__)

LEASE = timedelta(seconds=45)
"""Longer than a task's hard time limit: whoever held the queue then is dead."""

ENQUEUE_AGAIN_AFTER = timedelta(seconds=3)
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
        edits: What is to be delivered, of one kind, oldest first; all ``sending``.
            None of them: look whether a late write has to be put right.
        edits_to_authorize: The edits for whose sake something is sent, whose authors
            must be
            permitted at that moment.
        may_repair: Whether a late write may still be put right.
        watch: What is known of late writes; empty while none is looked for.
        restoring: Late writes that the next request puts right.
        awaiting_read_back: Whether the cloud has answered a write, but not yet said
            what it holds.
    """

    instance: Instance
    edits: list[Edit]
    attempt: Attempt
    edits_to_authorize: list[Edit]
    may_repair: bool = False
    watch: Watch = field(default_factory=Watch)
    restoring: list[LateWrite] = field(default_factory=list)
    awaiting_read_back: bool = False


@transaction.atomic
def due_instances() -> list[int]:
    """Instances with open edits that nobody delivers and nobody was told of lately.

    Queues of processes that have died are freed first. Of a cloud whose circuit is open
    one queue is named, as the probe.
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
    sound = queues.filter(instance__cloud__failures__lt=circuit_breaker.OPENS_AT)
    # No more than the clouds could answer until the next sweep: the rest of a large
    # batch waits here, in order, and not in the queue before everybody else's edits.
    answerable = max(LEAST_SWEEP, round(settings.CURFEW.upstream_rate))
    longest_first = sound.order_by(F("last_enqueued_at").asc(nulls_first=True))
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
    """Take the queue and decide what goes out; committed before anything is sent.

    Returns:
        The turn; None when somebody else has it, nothing is waiting or it is not time.
    """
    # Before the queue is taken, so that nobody ever sees a queue without its sign.
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
    if queue is None or not _is_free(queue):
        return None
    queue.lease_owner = lease_owner
    edits, ended = _deliverable(queue)
    recheck = queue.recheck_at is not None and queue.recheck_at <= queue.now
    delivery = None
    if edits or recheck:
        delivery = _delivery(queue, edits)
    else:
        queue.save(update_fields=["late_write_until", "recheck_at", "desired"])
    # Only what moved: every page that stands open asks for what a version changed.
    if edits or ended:
        FleetVersion.stamp(Instance.objects.filter(pk=instance_pk))
    return delivery


def _delivery(queue: Any, edits: list[Edit]) -> Delivery:
    attempt = _begin(queue, edits, queue.now)
    for edit in edits:
        states.move(edit, State.SENDING, attempts=edit.attempts + 1)
    return Delivery(
        queue.instance,
        edits,
        attempt,
        edits_to_authorize=edits,
        may_repair=queue.repairs < MOST_REPAIRS,
        watch=_watch(queue),
    )


def _watch(queue: Any) -> Watch:
    if queue.late_write_until is None:
        return Watch()
    unconfirmed = Attempt.objects.filter(
        instance_id=queue.pk, ambiguous=True, sent_at__gte=queue.now - merge.OUR_OWN_FOR
    )
    return Watch(
        late_writes.from_row(queue.desired),
        list(unconfirmed.order_by("number").prefetch_related("edits")),
    )


def _is_free(queue: Any) -> bool:
    if _later(queue.lease_until, queue.now) or _later(queue.next_at, queue.now):
        return False
    cloud = queue.instance.cloud
    if _later(cloud.held_until, queue.now):
        return False
    return circuit_breaker.may_pass(cloud, queue.now)


def _later(moment: datetime | None, now: datetime) -> bool:
    return moment is not None and moment > now


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


def _deliverable(queue: "EditQueue") -> tuple[list[Edit], bool]:
    """The next edits to go out, after those are ended that never will.

    Returns:
        The edits, and whether any was ended.
    """
    found = list(
        Edit.objects.filter(instance_id=queue.pk, state__in=Edit.OPEN)
        .select_related("actor", "rule", "instance__cloud")
        .order_by("seq")
    )
    note_interruption(queue, found)
    waiting = [edit for edit in found if _still_wanted(edit, queue)]
    edits = merge.of_one_kind(waiting)
    gone = merge.superseded(edits)
    for edit, by in gone.items():
        states.move(
            edit,
            State.SUPERSEDED,
            superseded_by=by,
            message=messages.REPLACED_BY(username=by.actor_message),
        )
    ended = len(waiting) < len(found) or bool(gone)
    return [edit for edit in edits if edit not in gone], ended


def note_interruption(queue: Any, edits: list[Edit]) -> None:
    """Whoever was sending has died: the lease is over and no result is written."""
    unfinished = Attempt.objects.filter(instance_id=queue.pk, outcome="")
    sent = list(unfinished.filter(sent_at__isnull=False).order_by("number"))
    for attempt in sent:
        before = late_writes.initial(attempt.before, attempt.number)
        queue.desired = late_writes.to_row(before) | queue.desired
        late_writes.begin_watch(queue)
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


def _still_wanted(edit: Edit, queue: Any) -> bool:
    """Whether an edit may go out; the ones that may not are ended here."""
    if withdrawn := authority.why_withdrawn(edit):
        states.move(edit, State.CANCELLED, message=withdrawn)
    elif edit.interrupted >= MOST_INTERRUPTED:
        states.move(edit, State.FAILED, message=messages.DELIVERY_FAULT())
        log.error("poisonous edit", edit=str(edit.pk), interrupted=edit.interrupted)
    elif edit.deadline_at <= queue.now:
        states.move(edit, State.FAILED, message=too_late(edit))
    else:
        return True
    return False


def too_late(edit: Edit) -> Message:
    """What is said of an edit whose deadline has passed."""
    return sentences(messages.NOT_IN_TIME(), edit.message)


@transaction.atomic
def about_to_send(delivery: Delivery, body: dict[str, Any]) -> bool:
    """Write down what is about to leave, if this worker still may send it.

    Args:
        delivery: Knows what the cloud holds (``watch.before``); gets a new
            attempt when its present one has sent already.
        body: The JSON body of the request.

    Returns:
        False when the queue was taken over, or an actor lost the right to edit or the
        deadline passed meanwhile: then nothing may be sent.
    """
    queue = (
        EditQueue.objects.select_for_update()
        .annotate(now=Now())
        .get(pk=delivery.instance.pk)
    )
    if queue.fencing_token != delivery.attempt.number:
        return False
    fresh = Edit.objects.filter(
        pk__in=[edit.pk for edit in delivery.edits_to_authorize]
    )
    for edit in fresh.select_related("actor", "rule", "instance__cloud"):
        allowed = not authority.why_withdrawn(edit)
        if not allowed or (edit.is_open and edit.deadline_at <= queue.now):
            return False
    if delivery.attempt.sent_at is not None:
        Attempt.objects.filter(pk=delivery.attempt.pk).update(
            outcome="applied", finished_at=Now()
        )
        delivery.attempt = _begin(queue, delivery.edits, queue.now)
    Attempt.objects.filter(pk=delivery.attempt.pk).update(
        body=body, before=delivery.watch.before, sent_at=Now()
    )
    delivery.attempt.sent_at, delivery.attempt.body = queue.now, body
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
        record_event(
            actor=None,
            action="edit.repaired",
            target_kind="edit",
            target_id=str(edit.pk),
            target_label=str(delivery.instance),
            instance=delivery.instance.reference,
            before={late.field: late.value for late in mine},
            after={late.field: late.desired for late in mine},
            reason=messages.LATE_WRITE_UNDONE(),
        )
