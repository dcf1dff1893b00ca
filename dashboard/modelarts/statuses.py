"""Statuses of an instance, and what each of them allows.

Source: "Querying a List of Development Environment Instances" (twelve statuses),
``queuing_info`` of "Modifying the Description..." (the two queues). READY_TO_START is
named by Huawei Cloud's edition only. The list may grow: an instance's status is a
plain string that need not be one of these.
"""

from enum import StrEnum


class InstanceStatus(StrEnum):
    """A documented status; compares equal to the plain string of an answer."""

    CREATE_QUEUING = "CREATE_QUEUING"
    CREATING = "CREATING"
    CREATE_FAILED = "CREATE_FAILED"
    START_QUEUING = "START_QUEUING"
    READY_TO_START = "READY_TO_START"
    STARTING = "STARTING"
    RESTARTING = "RESTARTING"
    START_FAILED = "START_FAILED"
    RUNNING = "RUNNING"
    STOPPING = "STOPPING"
    STOPPED = "STOPPED"
    UNAVAILABLE = "UNAVAILABLE"
    DELETED = "DELETED"
    RESIZING = "RESIZING"
    RESIZE_FAILED = "RESIZE_FAILED"


TRANSITIONAL = frozenset(
    {
        InstanceStatus.CREATE_QUEUING,
        InstanceStatus.CREATING,
        InstanceStatus.START_QUEUING,
        InstanceStatus.READY_TO_START,
        InstanceStatus.STARTING,
        InstanceStatus.RESTARTING,
        InstanceStatus.STOPPING,
        InstanceStatus.RESIZING,
    }
)
"""On the way to another status: poll, offer nothing. So is an unknown status."""

FAILED = frozenset(
    {
        InstanceStatus.CREATE_FAILED,
        InstanceStatus.START_FAILED,
        InstanceStatus.RESIZE_FAILED,
        InstanceStatus.UNAVAILABLE,
    }
)
"""Something went wrong: look at ``spec.failed_reasons`` and ``error_code``."""

STARTABLE = frozenset(
    {
        InstanceStatus.STOPPED,
        InstanceStatus.START_FAILED,
        InstanceStatus.RESIZE_FAILED,
    }
)
"""Start may be offered."""

STOPPABLE = frozenset({InstanceStatus.RUNNING})
"""Stop may be offered."""

NEVER_RUN = frozenset(
    {
        InstanceStatus.CREATE_FAILED,
        InstanceStatus.UNAVAILABLE,
        InstanceStatus.DELETED,
    }
)
"""Neither running nor to be started: all that is left is to delete it."""

AUTO_STOP_FIXED = NEVER_RUN | {InstanceStatus.RESIZING}
"""The cloud refuses a change of auto-stop (6347). No document lists them: these follow
from what is offered in each status."""
