"""Ending edits whose deadline has passed: without the cloud, many at a time."""

from collections import defaultdict

from django.db import connection, transaction
from django.db.models import Q
from django.db.models.functions import Now

from dashboard.instances.models import FleetVersion, Instance
from dashboard.web.stored_messages import Message

from . import states
from .delivery import queue
from .models import Edit, EditQueue

QUEUES_AT_ONCE = 500


def expire() -> int:
    """End every edit that is past its deadline and that no worker is sending.

    A cloud whose sign-in hangs gets one queue at a time; its edits must not wait for a
    claim to end.

    Returns:
        How many were ended.
    """
    ended = 0
    while count := _expire_some():
        ended += count
    return ended


@transaction.atomic
def _expire_some() -> int:
    overdue = Edit.objects.filter(state__in=Edit.OPEN, deadline_at__lte=Now())
    free = Q(lease_until=None) | Q(lease_until__lte=Now())
    waiting = EditQueue.objects.filter(free, instance__edits__in=overdue).distinct()
    pks = list(waiting.values_list("pk", flat=True)[:QUEUES_AT_ONCE])
    if not pks:
        return 0
    # Another transaction is writing a locked queue: the next sweep sees it.
    skips = connection.features.has_select_for_update_skip_locked
    locked = EditQueue.objects.select_for_update(of=("self",), skip_locked=skips)
    free_queues = locked.annotate(now=Now()).filter(free, pk__in=pks).order_by("pk")
    by_pk = {queue.pk: queue for queue in free_queues}
    edits = overdue.filter(instance__in=by_pk).select_related("instance__cloud")
    by_queue: dict[int, list[Edit]] = defaultdict(list)
    for edit in edits.order_by("instance_id", "seq"):
        by_queue[edit.instance_id].append(edit)
    for pk, ending in by_queue.items():
        if any(edit.state == Edit.State.SENDING for edit in ending):
            # The worker that was sending has died.
            queue.note_interruption(by_pk[pk], by_pk[pk].now, ending)
            by_pk[pk].save(update_fields=queue.DELIVERY_FIELDS)
    ended = [edit for ending in by_queue.values() for edit in ending]
    by_message: dict[Message, list[Edit]] = defaultdict(list)
    for edit in ended:
        by_message[queue.too_late(edit)].append(edit)
    for message, failing in by_message.items():
        states.move(failing, Edit.State.FAILED, message=message)
    FleetVersion.stamp(Instance.objects.filter(pk__in=by_queue))
    return len(ended)
