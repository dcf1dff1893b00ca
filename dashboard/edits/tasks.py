"""The Celery tasks of edits, and ``enqueue``."""

from typing import Any

import structlog
from celery import shared_task
from kombu.exceptions import OperationalError

from dashboard.instances.models import FleetVersion
from dashboard.instances.selectors import publish_fleet_state

from . import enforcement, overdue, restores
from .delivery import heartbeat, queue, send

log = structlog.get_logger(__name__)

SWEPT_AGAIN_SECONDS = 10
"""Longer than ``states.ENQUEUE_AGAIN_AFTER``: a late message is still useful."""


@shared_task(name="edits.drain_instance", ignore_result=True)
def drain_instance(instance_pk: int) -> None:
    """Deliver what is waiting for one instance, oldest first.

    Safe to run twice, late or never: order and due times are in the rows, and the sweep
    enqueues again.

    Args:
        instance_pk: ``Instance.pk``.
    """
    restores.heed_restore()
    send.drain(instance_pk)


@shared_task(name="edits.sweep_due_edits", ignore_result=True)
def sweep_due_edits() -> None:
    """Enqueue every instance whose edits are due and whose message may have been lost.

    End what is past its deadline before that. Publish the state of the fleet for polls
    after that, in case a process died between its commit and its publication.
    """
    restores.heed_restore()
    overdue.expire()
    for instance_pk in queue.due_instances():
        # Named again by then: a queue that is behind must not fill with repetitions.
        enqueue(instance_pk, expires_seconds=SWEPT_AGAIN_SECONDS)
    heartbeat.note_sweep()
    publish_fleet_state(FleetVersion.current())


@shared_task(name="edits.enforce_rules", ignore_result=True)
def enforce_rules() -> None:
    """Let the enforced rules act, or say what they would do; end what has run out."""
    enforcement.enforce_rules()


def enqueue(instance_pk: int, *, expires_seconds: float | None = None) -> None:
    """Ask a worker to drain an instance; never raises when the broker is away.

    The web process gives up within about 0.3 s; the sweep does the rest.

    Args:
        instance_pk: ``Instance.pk``.
        expires_seconds: When the message expires.
    """
    options: dict[str, Any] = {"expires": expires_seconds} if expires_seconds else {}
    try:
        drain_instance.apply_async(args=(instance_pk,), **options)
    except (OperationalError, OSError) as error:
        log.warning(
            "enqueueing failed", instance_pk=instance_pk, reason=str(error)[:200]
        )
