"""Choose the queues that need a worker now: one by one, or as a group of a cloud."""

from collections.abc import Iterable
from datetime import timedelta
from functools import reduce
from operator import or_
from typing import NamedTuple

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet
from django.db.models.functions import Now

from dashboard.edits.models import WAITS_FOR_STOP, Attempt, Edit, EditQueue
from dashboard.edits.states import ENQUEUE_AGAIN_AFTER
from dashboard.instances import worker_liveness
from dashboard.instances.models import Cloud

from . import circuit_breaker

log = structlog.get_logger(__name__)

MIN_SWEEP_SIZE = 10

MIN_GROUP = 6
"""From so many due queues of a cloud and generation on, they are delivered in groups
(``group``)."""

SAME_TIME = timedelta(seconds=30)

State = Edit.State


class ServedGeneration(NamedTuple):
    """The instances of one cloud and one generation of its API."""

    cloud_pk: int
    generation: str


class Member(NamedTuple):
    """A queue that is delivered as part of a group, as it was when it was chosen.

    Attributes:
        instance_id: The cloud's.
        next_seq: Of the queue; with it the number shows that nothing was accepted or
            delivered since.
        number: The fencing token.
    """

    pk: int
    instance_id: str
    next_seq: int
    number: int


@transaction.atomic
def take_due_queues(generations: Iterable[ServedGeneration] = ()) -> list[int]:
    """Mark the queues that need a worker now as enqueued, and return their instances.

    These have open edits or a due recheck, and are neither leased nor just enqueued.
    Queues of dead workers are freed first. A cloud whose circuit is open gets one
    queue, as the probe.

    Args:
        generations: Of ``generations_to_group``; what is delivered in groups is left
            out.
    """
    _free_queues_of_dead_workers()
    now = Now()
    open_edits = Edit.objects.filter(instance=OuterRef("pk"), state__in=Edit.OPEN)
    # One that waits for a stop that never comes fails at its deadline.
    waiting = open_edits.exclude(WAITS_FOR_STOP, deadline_at__gt=now)
    waiting = waiting.exclude(not_before__gt=now)
    queues = _free_queues().filter(Exists(waiting) | Q(recheck_at__lte=now))
    healthy = queues.filter(instance__cloud__failures__lt=circuit_breaker.OPENS_AT)
    if served := list(map(_of_served, generations)):
        # One statement for all: each reads the open edits of every queue.
        grouped = _for_groups().filter(reduce(or_, served)).values("pk")
        healthy = healthy.exclude(pk__in=grouped)
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


def _free_queues() -> QuerySet[EditQueue]:
    """Return the queues that no worker has, was just sent for, or has to wait for."""
    now = Now()
    return EditQueue.objects.filter(
        Q(lease_until=None) | Q(lease_until__lte=now),
        Q(next_at=None) | Q(next_at__lte=now),
        Q(last_enqueued_at=None) | Q(last_enqueued_at__lte=now - ENQUEUE_AGAIN_AFTER),
        Q(instance__cloud__held_until=None) | Q(instance__cloud__held_until__lte=now),
    )


def _for_groups() -> QuerySet[EditQueue]:
    """Return the free queues with new settings and nothing else.

    No attempt of theirs has failed, was interrupted or is watched.
    """
    settings_alone = Q(
        kind=Edit.Kind.UPDATE,
        state=State.QUEUED,
        waits_for_stop=False,
        not_before=None,
        interrupted=0,
    )
    # Grouped, so that open edits are read once. With EXISTS and NOT EXISTS, PostgreSQL
    # may read all of them for each queue: its statistics are of a time without any.
    open_edits = Edit.objects.filter(state__in=Edit.OPEN).values("instance")
    counted = open_edits.annotate(others=Count("pk", filter=~settings_alone))
    return _free_queues().filter(
        pk__in=counted.filter(others=0).values("instance"),
        lease_until=None,
        next_at=None,
        late_write_until=None,
        recheck_at=None,
        instance__missing_since=None,
        instance__created_at__isnull=False,
        instance__cloud__failures__lt=circuit_breaker.OPENS_AT,
    )


def _of_served(served: ServedGeneration) -> Q:
    return Q(instance__cloud=served.cloud_pk, instance__generation=served.generation)


def generations_to_group() -> list[ServedGeneration]:
    """Return what has so many due queues that they are delivered in groups."""
    queued = Edit.objects.filter(state=State.QUEUED, kind=Edit.Kind.UPDATE)
    if queued.order_by()[:MIN_GROUP].count() < MIN_GROUP:
        return []
    return _with_a_group(_for_groups())


def generations_under_way() -> list[ServedGeneration]:
    """Return where a worker still sends a group, or was just sent for one.

    One at a time: the others are there for the edits of people who wait. While a group
    is read back and recorded, the next one may begin, or the cloud would be idle.
    """
    return _with_a_group(_taken())


def _with_a_group(queues: QuerySet[EditQueue]) -> list[ServedGeneration]:
    """Return the clouds and generations that have enough of these queues."""
    served = queues.order_by().values_list("instance__cloud", "instance__generation")
    counted = served.annotate(number=Count("pk")).filter(number__gte=MIN_GROUP)
    return [
        ServedGeneration(cloud_pk, generation) for cloud_pk, generation, _ in counted
    ]


def _taken() -> QuerySet[EditQueue]:
    """Return the queues that are about to be sent."""
    now = Now()
    open_edits = Edit.objects.filter(instance=OuterRef("pk"), state__in=Edit.OPEN)
    sent = Attempt.objects.filter(
        instance=OuterRef("pk"),
        number=OuterRef("fencing_token"),
        outcome="",
        sent_at__isnull=False,
    )
    return EditQueue.objects.filter(
        Q(lease_until__gt=now) | Q(last_enqueued_at__gt=now - ENQUEUE_AGAIN_AFTER),
        ~Exists(sent),
        Exists(open_edits),
    )


def keep_taken(members: Iterable[Member]) -> None:
    """Mark members that are not claimed yet as enqueued again."""
    _mark(members, Now())


def give_back(members: Iterable[Member]) -> None:
    """Let members that were not claimed be due at once."""
    _mark(members, None)


def _mark(members: Iterable[Member], enqueued_at: Now | None) -> None:
    if pks := [member.pk for member in members]:
        EditQueue.objects.filter(pk__in=pks).update(last_enqueued_at=enqueued_at)


@transaction.atomic
def take_group(served: ServedGeneration, size: int) -> list[Member]:
    """Mark a group of due queues as enqueued, and return it by age.

    Returns:
        At most ``size`` members, those that have waited longest, oldest instance first;
        none if there are too few for a group, or if one is under way.
    """
    due = _for_groups().filter(_of_served(served))
    longest = due.order_by(F("last_enqueued_at").asc(nulls_first=True)).first()
    if longest is None:
        return []
    if longest.last_enqueued_at is not None:
        # Those of about the same time, so that no stream of new ones passes them.
        until = longest.last_enqueued_at + SAME_TIME
        due = due.filter(last_enqueued_at__lte=until)
    names = ("pk", "instance__instance_id", "next_seq", "fencing_token")
    by_age = due.order_by("instance__created_at", "instance__instance_id")
    members = [Member(*row) for row in by_age.values_list(*names)[:size]]
    if len(members) < MIN_GROUP:
        return []
    pks = [member.pk for member in members]
    free = _free_queues().select_for_update(of=("self",)).filter(pk__in=pks)
    is_available = len(free.order_by("pk")) == len(members)
    if not is_available or _taken().filter(_of_served(served)).count() >= MIN_GROUP:
        # Another worker was sent for a group, and was faster.
        return []
    keep_taken(members)
    return members


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
