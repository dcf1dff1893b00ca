"""Fail edits whose deadline has passed, many at a time and without the cloud."""

from collections import defaultdict
from itertools import groupby

from django.db import connection, transaction
from django.db.models import Q
from django.db.models.functions import Now

from dashboard.instances.models import FleetVersion, Instance
from dashboard.web.stored_messages import Message

from . import states
from .delivery import queue
from .models import Edit, EditQueue

QUEUES_AT_ONCE = 500


def fail_past_deadline() -> int:
    """Fail every edit past its deadline that no worker is sending; return how many.

    While the sign-in of a cloud hangs, its queues are tried one at a time. Their edits
    still fail on time, since this needs no cloud.
    """
    failed = 0
    while count := _fail_some():
        failed += count
    return failed


@transaction.atomic
def _fail_some() -> int:
    late = Edit.objects.filter(state__in=Edit.OPEN, deadline_at__lte=Now())
    free = Q(lease_until=None) | Q(lease_until__lte=Now())
    waiting = EditQueue.objects.filter(free, instance__edits__in=late).distinct()
    pks = list(waiting.values_list("pk", flat=True)[:QUEUES_AT_ONCE])
    if not pks:
        return 0
    # Another transaction writes a locked queue; the next sweep handles it.
    skips = connection.features.has_select_for_update_skip_locked
    locked = EditQueue.objects.select_for_update(of=("self",), skip_locked=skips)
    free_queues = locked.annotate(now=Now()).filter(free, pk__in=pks).order_by("pk")
    queues = {row.pk: row for row in free_queues}
    edits = list(
        late.filter(instance__in=queues)
        .select_related("instance__cloud")
        .order_by("instance_id", "seq")
    )
    for pk, group in groupby(edits, key=lambda edit: edit.instance_id):
        in_queue = list(group)
        if any(edit.state == Edit.State.SENDING for edit in in_queue):
            # The worker that was sending has died.
            queue.note_interruption(queues[pk], queues[pk].now, in_queue)
            queues[pk].save(update_fields=queue.LEASE_AND_WATCH_FIELDS)
    by_message: dict[Message, list[Edit]] = defaultdict(list)
    for edit in edits:
        by_message[queue.past_deadline_message(edit)].append(edit)
    for message, failing in by_message.items():
        states.move(failing, Edit.State.FAILED, message=message)
    FleetVersion.stamp(Instance.objects.filter(pk__in=queues), only_shown=True)
    return len(edits)
