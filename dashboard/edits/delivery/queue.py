"""The queue of each instance: which worker may deliver, and what it sends next.

``claim`` gives a worker the lease and raises the fencing token. The worker may send and
record only while its token is the newest. All times are the database's, so that workers
on different machines agree.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from itertools import groupby
from operator import attrgetter
from typing import Any

import structlog
from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils import timezone

from dashboard.edits import authority, merge, messages, states
from dashboard.edits.models import Attempt, Edit, EditQueue
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
        number: The fencing token; the number of the next attempt.
        claimed_at: By our clock.
        next_seq: Of the queue at the claim: a later one means more edits.
        has_more: Whether the queue may have more to deliver at once.
        earlier: Earlier edits of the instance that ``merge`` and ``record`` compare
            with, newest first.
        attempt: The request that was authorized last; None before the first one.
        may_undo: Whether a late write may still be undone.
        watch: The late-write watch; empty when there is none.
        undoing: Late writes that the next request undoes.
        awaiting_read_back: Whether a write was answered and not read back yet.
    """

    instance: Instance
    edits: list[Edit]
    number: int
    claimed_at: datetime
    next_seq: int
    has_more: bool = False
    earlier: list[Edit] = field(default_factory=list)
    attempt: Attempt | None = None
    may_undo: bool = False
    watch: Watch = field(default_factory=Watch)
    undoing: list[LateWrite] = field(default_factory=list)
    awaiting_read_back: bool = False

    def find_late_writes(self, current: Mapping[str, Any]) -> list[LateWrite]:
        """Return the late writes among the cloud's values."""
        return self.watch.find(current, partial(merge.recent_edits, self.instance))

    @property
    def earlier_edits(self) -> list[Edit]:
        """The recent other edits whose values these may have as their base."""
        last = self.edits[-1]
        return [
            edit
            for edit in self.earlier
            if edit.seq < last.seq
            and edit.kind == last.kind
            and edit.created_at >= self.claimed_at - merge.OUR_OWN_FOR
            and edit not in self.edits
        ]

    @property
    def edits_to_authorize(self) -> list[Edit]:
        """The edits that must still be permitted when the next request is sent."""
        supporting = (late.supporting_edits[0] for late in self.undoing)
        return list(dict.fromkeys(supporting)) or self.edits


def claim(instance_pk: int) -> Delivery | None:
    """Take the lease of a queue and decide what to send.

    Returns:
        The delivery; None when the queue is leased, empty or not due.
    """
    return next(iter(claim_all([instance_pk])), None)


def claim_all(instance_pks: Iterable[int]) -> list[Delivery]:
    """Take the leases of several queues in one transaction; see ``claim``."""
    # The liveness lock comes first: a leased queue always has a live owner.
    lease_owner = worker_liveness.current_worker()
    with transaction.atomic():
        return _claim(list(instance_pks), lease_owner)


def _claim(instance_pks: list[int], lease_owner: int) -> list[Delivery]:
    locked = (
        EditQueue.objects.select_for_update(of=("self",))
        .select_related("instance")
        # Large, and not compared with.
        .defer("instance__document", "instance__search_text")
        .annotate(now=Now())
        .filter(pk__in=instance_pks)
        .order_by("pk")
    )
    if len(instance_pks) == 1:
        locked = locked.select_related("instance__cloud")
    else:
        _add_clouds(locked)
    queues: list[EditQueue] = []
    for queue in locked:
        queue.locked_at = queue.now
        cloud = queue.instance.cloud
        if _is_free(queue) and circuit_breaker.claim_call(cloud, queue.now):
            queues.append(queue)
    return _take(queues, lease_owner)


def _add_clouds(queues: Collection[EditQueue]) -> None:
    """Give the instances of queues their clouds, one object for each cloud."""
    clouds = Cloud.objects.in_bulk({queue.instance.cloud_id for queue in queues})
    for queue in queues:
        queue.instance.cloud = clouds[queue.instance.cloud_id]


def _take(queues: list[EditQueue], lease_owner: int) -> list[Delivery]:
    edits_of = _relevant_edits(queues)
    policies = authority.PolicyState(edits_of)
    deliveries, ended = [], []
    for queue in queues:
        watched = _watch_fields(queue)
        edits, earlier, has_ended, is_all = _end_and_pick(
            queue, edits_of[queue.pk], policies
        )
        if has_ended:
            ended.append(queue.pk)
        if edits or is_recheck_due(queue):
            delivery = _delivery(queue, edits, earlier)
            delivery.has_more = not is_all
            deliveries.append(delivery)
        if _watch_fields(queue) != watched:
            queue.save(update_fields=["late_write_until", "recheck_at", "desired"])
    _begin(deliveries, lease_owner, queues)
    if ended:
        # That a worker has begun is no news to pages; its result will be.
        FleetVersion.stamp(Instance.objects.filter(pk__in=ended), only_shown=True)
    return deliveries


def _relevant_edits(queues: Iterable[EditQueue]) -> dict[int, list[Edit]]:
    """Return the edits of queues that a delivery has to know, by instance, by ``seq``.

    Those are the open ones, those whose values may be the base of open ones, and those
    that the next start would use (``record``).
    """
    by_instance: dict[int, list[Edit]] = {queue.pk: [] for queue in queues}
    if not by_instance:
        return by_instance
    in_run = Q(instance__run_started_at=None)
    in_run |= Q(finished_at__gte=F("instance__run_started_at"))
    found = (
        Edit.objects.filter(instance__in=by_instance)
        .filter(
            Q(state__in=Edit.OPEN)
            | Q(created_at__gte=timezone.now() - merge.OUR_OWN_FOR)
            | (Q(state=State.APPLIED, applied_while_running=True) & in_run)
        )
        .select_related("actor", "rule", "schedule")
        .order_by("instance", "seq")
    )
    instances = {queue.pk: queue.instance for queue in queues}
    actors: dict[int, Any] = {}
    for edit in found:
        edit.instance = instances[edit.instance_id]
        if edit.actor is not None:
            # One person's permissions are read once.
            edit.actor = actors.setdefault(edit.actor.pk, edit.actor)
        by_instance[edit.instance_id].append(edit)
    return by_instance


def _delivery(queue: EditQueue, edits: list[Edit], earlier: list[Edit]) -> Delivery:
    return Delivery(
        queue.instance,
        edits,
        number=queue.fencing_token + 1,
        claimed_at=timezone.now(),
        next_seq=queue.next_seq,
        earlier=earlier,
        may_undo=queue.undo_count < MAX_UNDOS,
        watch=_watch(queue, queue.locked_at),
    )


def _watch_fields(queue: EditQueue) -> tuple[Any, ...]:
    return queue.late_write_until, queue.recheck_at, dict(queue.desired)


def _watch(queue: EditQueue, now: datetime) -> Watch:
    if queue.late_write_until is None:
        return Watch()
    unconfirmed = Attempt.objects.filter(
        instance_id=queue.pk, ambiguous=True, sent_at__gte=now - merge.OUR_OWN_FOR
    )
    return Watch(
        queue.desired, list(unconfirmed.order_by("number").prefetch_related("edits"))
    )


def is_recheck_due(queue: EditQueue) -> bool:
    """Whether the late-write watch wants to read the instance now."""
    return queue.recheck_at is not None and queue.recheck_at <= queue.locked_at


def _is_free(queue: EditQueue) -> bool:
    now = queue.locked_at
    blocked_until = (queue.lease_until, queue.next_at, queue.instance.cloud.held_until)
    return all(moment is None or moment <= now for moment in blocked_until)


def _begin(
    deliveries: list[Delivery], lease_owner: int, queues: Iterable[EditQueue]
) -> None:
    """Raise the fencing tokens of claimed queues, and bring their edits to sending."""
    if not deliveries:
        return
    now = max(queue.locked_at for queue in queues)
    begun = EditQueue.objects.filter(
        pk__in=[delivery.instance.pk for delivery in deliveries]
    )
    begun.update(
        fencing_token=F("fencing_token") + 1,
        lease_owner=lease_owner,
        lease_until=now + LEASE,
        next_at=None,
    )
    edits = [edit for delivery in deliveries for edit in delivery.edits]
    edits.sort(key=attrgetter("attempt_count"))
    for tried, group in groupby(edits, key=attrgetter("attempt_count")):
        states.move(list(group), State.SENDING, attempt_count=tried + 1)


def _end_and_pick(
    queue: EditQueue, relevant: list[Edit], policies: authority.PolicyState
) -> tuple[list[Edit], list[Edit], bool, bool]:
    """End the edits that will never be sent, and return the next ones to send.

    Args:
        queue: Locked; the caller saves it.
        relevant: ``_relevant_edits`` of this queue.
        policies: Of all queues.

    Returns:
        The edits, the earlier ones (newest first), whether any was ended, and whether
        the edits are all that is left.
    """
    now = queue.locked_at
    open_edits = [edit for edit in relevant if edit.is_open]
    note_interruption(queue, now, open_edits)
    waiting = [edit for edit in open_edits if _keep_or_end(edit, now, policies)]
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
    picked = merge.of_one_request(
        [edit for edit in edits if edit not in superseded and edit in sendable]
    )
    earlier = [edit for edit in reversed(relevant) if edit not in picked]
    return picked, earlier, ended, len(picked) + len(superseded) == len(waiting)


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
    if queue.lease_until is None:
        # The last worker has returned it, with a result.
        return
    unfinished = Attempt.objects.filter(instance_id=queue.pk, outcome="")
    sent = list(unfinished.filter(sent_at__isnull=False).order_by("number"))
    for attempt in sent:
        before = late_writes.initial(attempt.before, attempt.number)
        queue.desired = before | queue.desired
        late_writes.begin_watch(queue, now)
    unfinished.update(outcome="interrupted", finished_at=Now())
    if sent:
        numbers = [attempt.number for attempt in sent]
        sent_for = Attempt.objects.filter(instance_id=queue.pk, number__in=numbers)
        sent_for.update(ambiguous=True)
    for edit in edits:
        if edit.state == State.SENDING:
            edit.interrupted += 1
            if any(late_writes.is_sent(edit, attempt.body) for attempt in sent):
                edit.outcome = Edit.Outcome.UNCONFIRMED
            edit.save(update_fields=["interrupted", "outcome"])


def _keep_or_end(edit: Edit, now: datetime, policies: authority.PolicyState) -> bool:
    """Return whether an edit may be sent; end it if not."""
    if edit.kind == Edit.Kind.START and edit.waits_for_stop:
        # The end of the stop before it may just have cancelled it.
        edit.refresh_from_db(fields=["state"])
        if not edit.is_open:
            return False
    if withdrawn := authority.why_withdrawn(edit, policies):
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


def lock_ours(deliveries: Iterable[Delivery]) -> dict[int, EditQueue]:
    """Lock the queues of deliveries, and then their instances.

    Returns:
        By instance, the queues that no other worker has taken over, each with
        ``instance``, its cloud and ``locked_at``.
    """
    numbers = {delivery.instance.pk: delivery.number for delivery in deliveries}
    rows = EditQueue.objects.annotate(now=Now()).filter(pk__in=numbers).order_by("pk")
    # One statement locks one queue and then its instance. Of several, all queues come
    # before all instances, so that the order of locks is always the same.
    is_alone = len(numbers) == 1
    of = ("self", "instance") if is_alone else ("self",)
    locked = rows.select_for_update(of=of)
    if is_alone:
        locked = locked.select_related("instance__cloud")
    queues: dict[int, EditQueue] = {}
    for queue in locked:
        if queue.fencing_token == numbers[queue.pk]:
            queue.locked_at = queue.now
            queues[queue.pk] = queue
    if not is_alone:
        instances = Instance.objects.select_for_update(of=("self",))
        for row in instances.filter(pk__in=queues).order_by("pk"):
            queues[row.pk].instance = row
        _add_clouds(queues.values())
    return queues
