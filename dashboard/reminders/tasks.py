"""The Celery tasks of reminders: a name and ids, no decisions."""

import structlog
from celery import shared_task
from kombu.exceptions import OperationalError

from . import delivery, planning

log = structlog.get_logger(__name__)

EVERY_SECONDS = 15


@shared_task(name="reminders.remind", ignore_result=True)
def remind() -> None:
    """Find what is to be told, and name what is due to be sent."""
    planning.plan()
    for reminder_pk in planning.due():
        enqueue(reminder_pk)


@shared_task(name="reminders.deliver", ignore_result=True)
def deliver(reminder_pk: int) -> None:
    """Send one reminder.

    Only a message: safe to run twice, late or never, since the row says whether it was
    taken, and the next round names what is left.

    Args:
        reminder_pk: ``Reminder.pk``.
    """
    delivery.deliver(reminder_pk)


def enqueue(reminder_pk: int) -> None:
    """Ask a worker to send a reminder; never raises when the broker is away."""
    try:
        deliver.apply_async(args=(reminder_pk,), expires=EVERY_SECONDS)
    except (OperationalError, OSError) as error:
        log.warning("enqueueing failed", reminder=reminder_pk, reason=str(error)[:200])
