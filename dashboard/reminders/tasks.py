import structlog
from celery import shared_task
from kombu.exceptions import OperationalError

from . import delivery, planning

log = structlog.get_logger(__name__)

EVERY_SECONDS = 15


@shared_task(name="reminders.remind", ignore_result=True)
def remind() -> None:
    """Create the reminders that have become due, and enqueue those to send."""
    planning.plan()
    for reminder_pk in planning.due():
        enqueue(reminder_pk)


@shared_task(name="reminders.deliver", ignore_result=True)
def deliver(reminder_pk: int) -> None:
    """Send one reminder.

    This may run twice, late or never: the row is claimed once, and the next round
    enqueues what remains.
    """
    delivery.deliver(reminder_pk)


def enqueue(reminder_pk: int) -> None:
    """Enqueue the delivery of a reminder; only log if the broker is unavailable."""
    try:
        deliver.apply_async(args=(reminder_pk,), expires=EVERY_SECONDS)
    except (OperationalError, OSError) as error:
        log.warning("enqueueing failed", reminder=reminder_pk, reason=str(error)[:200])
