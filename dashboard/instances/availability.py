"""Which actions the status of an instance allows.

Each function returns why an action is not possible; an empty message if it is. What a
person may do is in ``accounts.permissions``.

Source: ``docs/modelarts-api.md``, A.7.
"""

from datetime import timedelta

from dashboard.modelarts.statuses import (
    AUTO_STOP_FIXED,
    STARTABLE,
    STOPPABLE,
    InstanceStatus,
)
from dashboard.web.stored_messages import Message

from . import messages
from .countdown import status_message
from .models import Instance
from .run_state import is_running

_POSSIBLE = Message()
_ROUNDING = timedelta(minutes=1)
"""By how much the start of a run may be off: the cloud does not report it."""


def why_not_editable(instance: Instance) -> Message:
    if instance.status == InstanceStatus.DELETED:
        return _why_unreachable(instance) or messages.DELETED()
    return _why_unreachable(instance)


def why_auto_stop_fixed(instance: Instance) -> Message:
    if why_not := why_not_editable(instance):
        return why_not
    if instance.status in AUTO_STOP_FIXED:
        return messages.AUTO_STOP_FIXED(status=status_message(instance.status))
    return _POSSIBLE


def why_not_startable(instance: Instance) -> Message:
    if why_not := _why_unreachable(instance):
        return why_not
    if instance.status in STARTABLE:
        return _POSSIBLE
    if instance.status == InstanceStatus.RUNNING:
        return messages.ALREADY_RUNNING()
    return messages.NOT_STARTABLE(status=status_message(instance.status))


def why_not_stoppable(instance: Instance) -> Message:
    if why_not := _why_unreachable(instance):
        return why_not
    if instance.status in STOPPABLE:
        return _POSSIBLE
    if instance.status == InstanceStatus.STOPPED:
        return messages.ALREADY_STOPPED()
    return messages.NOT_STOPPABLE(status=status_message(instance.status))


def why_not_extendable(instance: Instance) -> Message:
    if why_not := instance.capabilities.why_not_extendable:
        return why_not()
    if why_unreachable := _why_unreachable(instance):
        return why_unreachable
    if not is_running(instance):
        return messages.NOT_RUNNING()
    if instance.auto_stop_enable is False:
        return messages.NO_LEASE()
    return _POSSIBLE


def restart_applies_setting(instance: Instance) -> bool:
    """Return whether the next run would have another auto-stop than this one."""
    if not instance.capabilities.has_auto_stop_setting or not is_running(instance):
        return False
    if instance.auto_stop_enable is None or instance.auto_stop_duration is None:
        return False
    if instance.stops_at is None or not instance.auto_stop_enable:
        return (instance.stops_at is None) == instance.auto_stop_enable
    if instance.run_started_at is None:
        return False
    length = instance.stops_at - instance.run_started_at
    return abs(length - timedelta(seconds=instance.auto_stop_duration)) > _ROUNDING


def what_is_possible(instance: Instance) -> Message:
    """Return in one sentence what can be done with the run, and why not more.

    It is empty where there is no run to change.
    """
    if instance.capabilities.has_lease:
        if not is_running(instance):
            return _POSSIBLE
        if instance.auto_stop_enable is False:
            return messages.NO_LEASE()
    return instance.capabilities.explanation()


def _why_unreachable(instance: Instance) -> Message:
    if instance.cloud.unconfigured_since is not None:
        return messages.CLOUD_REMOVED(cloud=instance.cloud.name)
    if instance.missing_since is not None:
        return messages.NOT_LISTED(cloud=instance.cloud.name)
    if not instance.has_usable_id:
        return messages.UNUSABLE_ID()
    return _POSSIBLE
