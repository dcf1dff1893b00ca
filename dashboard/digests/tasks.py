import structlog
from celery import shared_task
from django.utils import timezone
from kombu.exceptions import OperationalError

from . import delivery

log = structlog.get_logger(__name__)

ROUND_SECONDS = 15 * 60


@shared_task(name="digests.send_due", ignore_result=True)
def send_due() -> None:
    """Enqueue the digests that are due."""
    now = timezone.now()
    delivery.clean_up(now)
    for person_pk in delivery.due(now):
        try:
            deliver.apply_async(args=(person_pk,), expires=ROUND_SECONDS)
        except (OperationalError, OSError) as error:
            log.warning("enqueueing failed", person=person_pk, reason=str(error)[:200])
            return


@shared_task(name="digests.deliver", ignore_result=True)
def deliver(person_pk: int) -> None:
    """Send the digest of one person.

    This may run twice, late or never: the row is claimed once, and the next round
    enqueues what remains.
    """
    delivery.deliver(person_pk)
