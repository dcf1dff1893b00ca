"""Celery's side of the edits: a few lines each, all of them mere nudges."""

import structlog
from celery import shared_task
from kombu.exceptions import OperationalError

from dashboard.instances import polling

from . import delivery, pulse

log = structlog.get_logger(__name__)


@shared_task(name="edits.drain_instance", ignore_result=True)
def drain_instance(instance_pk: int) -> None:
    """Deliver what is waiting for one instance, oldest wish first.

    Only a nudge: safe to run twice, late or never, since order and due times live in
    the rows and the sweeper asks again.

    Args:
        instance_pk: ``Instance.pk``.
    """
    delivery.drain(instance_pk)


@shared_task(name="edits.sweep_due_edits", ignore_result=True)
def sweep_due_edits() -> None:
    """Nudge every instance whose edits are due and whose nudge may have been lost.

    And tell the polls where the fleet is, should somebody have died before telling.
    """
    for instance_pk in delivery.due_instances():
        nudge(instance_pk)
    pulse.note_sweep()
    polling.publish()


def nudge(instance_pk: int) -> None:
    """Ask a worker to drain an instance; never raises when the broker is away.

    In the web process it gives up within about 0.3 s; the sweeper does the rest.
    """
    try:
        drain_instance.delay(instance_pk)
    except (OperationalError, OSError) as error:
        log.warning("nudge failed", instance_pk=instance_pk, reason=str(error)[:200])
