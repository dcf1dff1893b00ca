"""The Celery tasks of edits."""

from celery import shared_task

from dashboard.instances.models import FleetVersion
from dashboard.instances.selectors import publish_fleet_state

from . import (
    deadlines,
    dispatch,
    enforcement,
    keeping,
    restored_backup,
    schedule_runner,
)
from .delivery import due_queues, group, heartbeat, send

DRAIN_EXPIRES_SECONDS = 10
"""Lifetime of the sweep's message for an instance; longer than
``states.ENQUEUE_AGAIN_AFTER``, so that there always is one."""

GROUP_EXPIRES_SECONDS = 2
"""The same for a group, for which each sweep sends a message until one has begun."""


@shared_task(name=dispatch.DRAIN, ignore_result=True)
def drain_instance(instance_pk: int) -> None:
    """Deliver the edits of one instance (``Instance.pk``), oldest first.

    It is safe to run twice, late or never: order and due times are in the rows, and the
    sweep enqueues again.
    """
    restored_backup.fail_edits_after_restore()
    send.drain(instance_pk)


@shared_task(name=dispatch.DRAIN_GROUP, ignore_result=True)
def drain_group(cloud_pk: int, generation: str) -> None:
    """Deliver edits of many instances of a cloud, as many as are due.

    Like ``drain_instance`` it is safe to run twice, late or never.
    """
    restored_backup.fail_edits_after_restore()
    group.drain(due_queues.ServedGeneration(cloud_pk, generation))


@shared_task(name=dispatch.SWEEP, ignore_result=True)
def sweep_due_edits() -> None:
    """Fail edits past their deadline, and enqueue every instance whose edits are due.

    Then publish the state of the fleet for polls, in case a process died between its
    commit and its publication.
    """
    restored_backup.fail_edits_after_restore()
    deadlines.fail_past_deadline()
    generations = due_queues.generations_to_group()
    under_way = due_queues.generations_under_way() if generations else []
    for served in generations:
        if served not in under_way:
            dispatch.enqueue(
                dispatch.DRAIN_GROUP, *served, expires_seconds=GROUP_EXPIRES_SECONDS
            )
    for instance_pk in due_queues.take_due_queues(generations):
        # It expires, so that a slow queue does not fill with repetitions.
        dispatch.enqueue(
            dispatch.DRAIN, instance_pk, expires_seconds=DRAIN_EXPIRES_SECONDS
        )
    heartbeat.note_sweep()
    publish_fleet_state(FleetVersion.current())


@shared_task(name="edits.enforce_rules", ignore_result=True)
def enforce_rules() -> None:
    """Enforce the policies, and end the exceptions that have expired."""
    enforcement.enforce_rules()


@shared_task(name="edits.run_schedules", ignore_result=True)
def run_schedules() -> None:
    """Start and stop what schedules have due."""
    restored_backup.fail_edits_after_restore()
    schedule_runner.run_schedules()


@shared_task(name="edits.keep_instances", ignore_result=True)
def keep_instances() -> None:
    """End the overrides that are over, and keep instances running for the others."""
    restored_backup.fail_edits_after_restore()
    keeping.keep_instances()
