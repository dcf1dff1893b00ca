"""The statuses of an instance, and what each allows.

Source: "Querying a List of Development Environment Instances" (twelve statuses),
``queuing_info`` of "Modifying the Description..." (the two queues). Only Huawei Cloud's
edition lists READY_TO_START. The last six are of notebooks (``docs/modelarts-api.md``,
B.4). The list may grow: an instance's status is a plain string that need not be in it.
"""

from enum import StrEnum


class InstanceStatus(StrEnum):
    """A documented status; equal to the plain string in an answer."""

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
    INIT = "INIT"
    SNAPSHOTTING = "SNAPSHOTTING"
    DELETING = "DELETING"
    DELETE_FAILED = "DELETE_FAILED"
    ERROR = "ERROR"
    FROZEN = "FROZEN"


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
        InstanceStatus.INIT,
        InstanceStatus.SNAPSHOTTING,
        InstanceStatus.DELETING,
    }
)
"""Changing to another status: poll, offer no action. So does an unknown status."""

FAILED = frozenset(
    {
        InstanceStatus.CREATE_FAILED,
        InstanceStatus.START_FAILED,
        InstanceStatus.RESIZE_FAILED,
        InstanceStatus.UNAVAILABLE,
        InstanceStatus.DELETE_FAILED,
        InstanceStatus.ERROR,
        InstanceStatus.FROZEN,
    }
)
"""Something went wrong: look at ``spec.failed_reasons`` and ``error_code``, or at
``fail_reason`` of a notebook."""

STARTABLE = frozenset(
    {
        InstanceStatus.STOPPED,
        InstanceStatus.START_FAILED,
        InstanceStatus.RESIZE_FAILED,
    }
)
"""A start may be offered."""

STOPPABLE = frozenset({InstanceStatus.RUNNING})
"""A stop may be offered."""

NEVER_RUN = frozenset(
    {
        InstanceStatus.CREATE_FAILED,
        InstanceStatus.UNAVAILABLE,
        InstanceStatus.DELETED,
        InstanceStatus.DELETING,
        InstanceStatus.DELETE_FAILED,
        InstanceStatus.ERROR,
        InstanceStatus.FROZEN,
    }
)
"""Not running and not startable: it can only be deleted, or be unfrozen by paying."""

AUTO_STOP_FIXED = NEVER_RUN | {InstanceStatus.RESIZING}
"""The cloud refuses a change of auto-stop (6347). No document lists these statuses;
they follow from the actions that each status offers."""
