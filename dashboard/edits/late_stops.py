"""What should have stopped the instances whose stop is late."""

from collections.abc import Collection
from datetime import timedelta

from django.db.models import Q

from dashboard.instances import run_state
from dashboard.instances.edit_states import OPEN_STATES
from dashboard.instances.models import Instance, InstanceEvent
from dashboard.modelarts.statuses import InstanceStatus
from dashboard.web.stored_messages import Message

from . import messages
from .models import Edit

SAME_REQUEST = timedelta(minutes=1)
"""The stop of an edit is seen to begin this long after the edit is applied, at most."""

_AUTOMATIC = {InstanceEvent.Reason.AUTO_STOP, InstanceEvent.Reason.IDLE}


def causes_of(instances: Collection[Instance]) -> dict[int, Message]:
    """Return what should have stopped each of these, by key, with two queries.

    Args:
        instances: With a ``stop_due_at``.
    """
    requested = {
        instance.pk: instance.stop_requested_at
        for instance in instances
        if instance.stop_requested_at
        and instance.stop_requested_at == run_state.stop_due_at(instance)
    }
    causes = {instance.pk: messages.LATE_AUTO_STOP() for instance in instances}
    if not requested:
        return causes
    begun = InstanceEvent.objects.filter(
        instance__in=requested, to_status=InstanceStatus.STOPPING
    )
    reasons = dict(begun.order_by("at", "pk").values_list("instance_id", "reason"))
    edits = (
        Edit.objects.filter(
            Q(state__in=OPEN_STATES)
            | Q(
                state=Edit.State.APPLIED,
                finished_at__gte=min(requested.values()) - SAME_REQUEST,
            ),
            instance__in=requested,
            kind=Edit.Kind.STOP,
        )
        .select_related("actor")
        .order_by("seq")
    )
    actors = {
        edit.instance_id: edit.actor_message
        for edit in edits
        if edit.finished_at is None
        or edit.finished_at >= requested[edit.instance_id] - SAME_REQUEST
    }
    for pk in requested:
        if actor := actors.get(pk):
            causes[pk] = messages.LATE_REQUEST(actor=actor)
        elif reasons.get(pk) not in _AUTOMATIC:
            causes[pk] = messages.LATE_ELSEWHERE()
    return causes
