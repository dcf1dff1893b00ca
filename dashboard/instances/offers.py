"""What may be asked of an instance now; who may ask is ``accounts.permissions``.

Source: ``docs/modelarts-api.md``, A.7.
"""

from django.utils import translation
from django.utils.translation import gettext_noop

from dashboard.modelarts.schemas import STARTABLE, STOPPABLE, InstanceStatus
from dashboard.modelarts.statuses import AUTO_STOP_FIXED

from .clock import status_look
from .models import Instance


def edit_obstacle(instance: Instance) -> str:
    """Why its settings cannot be changed, one sentence; empty when they can."""
    if obstacle := _out_of_reach(instance):
        return obstacle
    if instance.status == InstanceStatus.DELETED:
        return gettext_noop("The instance has been deleted.")
    return ""


def auto_stop_obstacle(instance: Instance) -> str:
    """Why its auto-stop cannot be changed, one sentence; empty when it can."""
    if obstacle := edit_obstacle(instance):
        return obstacle
    if instance.status in AUTO_STOP_FIXED:
        return gettext_noop(
            "Auto-stop cannot be changed while its status is “%(status)s”."
        ) % {"status": _status(instance)}
    return ""


def start_obstacle(instance: Instance) -> str:
    """Why it cannot be started, one sentence; empty when it can."""
    if obstacle := _out_of_reach(instance):
        return obstacle
    if instance.status in STARTABLE:
        return ""
    if instance.status == InstanceStatus.RUNNING:
        return gettext_noop("The instance is already running.")
    return gettext_noop(
        "An instance cannot be started while its status is “%(status)s”."
    ) % {"status": _status(instance)}


def stop_obstacle(instance: Instance) -> str:
    """Why it cannot be stopped, one sentence; empty when it can."""
    if obstacle := _out_of_reach(instance):
        return obstacle
    if instance.status in STOPPABLE:
        return ""
    if instance.status == InstanceStatus.STOPPED:
        return gettext_noop("The instance is already stopped.")
    return gettext_noop(
        "An instance cannot be stopped while its status is “%(status)s”."
    ) % {"status": _status(instance)}


def _out_of_reach(instance: Instance) -> str:
    """Why nothing at all can be asked of it."""
    if instance.cloud.unconfigured_since is not None:
        return gettext_noop(
            "The cloud %(cloud)s is no longer configured in Curfew, so its instances "
            "cannot be changed."
        ) % {"cloud": instance.cloud.name}
    if instance.missing_since is not None:
        return gettext_noop(
            "The cloud %(cloud)s no longer lists this instance; most likely it "
            "was deleted there."
        ) % {"cloud": instance.cloud.name}
    if not instance.has_usable_id:
        return gettext_noop(
            "ModelArts lists this instance under an id that cannot be used, so Curfew "
            "cannot change it."
        )
    return ""


def _status(instance: Instance) -> str:
    # These sentences are stored, and what is stored is English.
    with translation.override("en"):
        return status_look(instance.status).label
