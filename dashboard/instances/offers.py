"""What may be asked of an instance now; who may ask is ``accounts.permissions``.

Source: ``docs/modelarts-api.md``, A.7.
"""

from dashboard.modelarts.schemas import STARTABLE, STOPPABLE, InstanceStatus

from .clock import status_look
from .models import Instance


def edit_obstacle(instance: Instance) -> str:
    """Why its settings cannot be changed, one sentence; empty when they can."""
    if instance.missing_since is not None:
        return _missing(instance)
    if instance.status == InstanceStatus.DELETED:
        return "The instance has been deleted."
    return ""


def start_obstacle(instance: Instance) -> str:
    """Why it cannot be started, one sentence; empty when it can."""
    if instance.missing_since is not None:
        return _missing(instance)
    if instance.status in STARTABLE:
        return ""
    if instance.status == InstanceStatus.RUNNING:
        return "The instance is already running."
    return _not_in(instance, "started")


def stop_obstacle(instance: Instance) -> str:
    """Why it cannot be stopped, one sentence; empty when it can."""
    if instance.missing_since is not None:
        return _missing(instance)
    if instance.status in STOPPABLE:
        return ""
    if instance.status == InstanceStatus.STOPPED:
        return "The instance is already stopped."
    return _not_in(instance, "stopped")


def _missing(instance: Instance) -> str:
    return (
        f"The cloud {instance.cloud.name} no longer lists this instance; "
        "most likely it was deleted there."
    )


def _not_in(instance: Instance, participle: str) -> str:
    label = status_look(instance.status).label
    return f"An instance cannot be {participle} while its status is “{label}”."
