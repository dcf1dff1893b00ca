"""What may be asked of an instance now; who may ask is ``accounts.permissions``.

Each function says why something cannot be asked, with an empty message where it can.

Source: ``docs/modelarts-api.md``, A.7.
"""

from dashboard.modelarts.schemas import STARTABLE, STOPPABLE, InstanceStatus
from dashboard.modelarts.statuses import AUTO_STOP_FIXED
from dashboard.web.stored_messages import Message

from . import messages
from .countdown import status_message
from .models import Instance


def why_not_editable(instance: Instance) -> Message:
    """Why its settings cannot be changed."""
    if why_not := _why_unreachable(instance):
        return why_not
    if instance.status == InstanceStatus.DELETED:
        return messages.DELETED()
    return Message()


def why_auto_stop_fixed(instance: Instance) -> Message:
    """Why its auto-stop cannot be changed."""
    if why_not := why_not_editable(instance):
        return why_not
    if instance.status in AUTO_STOP_FIXED:
        return messages.AUTO_STOP_FIXED(status=status_message(instance.status))
    return Message()


def why_not_startable(instance: Instance) -> Message:
    """Why it cannot be started."""
    if why_not := _why_unreachable(instance):
        return why_not
    if instance.status in STARTABLE:
        return Message()
    if instance.status == InstanceStatus.RUNNING:
        return messages.ALREADY_RUNNING()
    return messages.NOT_STARTABLE(status=status_message(instance.status))


def why_not_stoppable(instance: Instance) -> Message:
    """Why it cannot be stopped."""
    if why_not := _why_unreachable(instance):
        return why_not
    if instance.status in STOPPABLE:
        return Message()
    if instance.status == InstanceStatus.STOPPED:
        return messages.ALREADY_STOPPED()
    return messages.NOT_STOPPABLE(status=status_message(instance.status))


def _why_unreachable(instance: Instance) -> Message:
    """Why nothing at all can be asked of it."""
    if instance.cloud.unconfigured_since is not None:
        return messages.CLOUD_REMOVED(cloud=instance.cloud.name)
    if instance.missing_since is not None:
        return messages.NOT_LISTED(cloud=instance.cloud.name)
    if not instance.has_usable_id:
        return messages.UNUSABLE_ID()
    return Message()
