"""Send the Celery messages of edits."""

import structlog
from celery import current_app
from kombu.exceptions import OperationalError

DRAIN = "edits.drain_instance"
DRAIN_GROUP = "edits.drain_group"
SWEEP = "edits.sweep_due_edits"

log = structlog.get_logger(__name__)


def enqueue(task: str, *args: int | str, expires_seconds: float | None = None) -> None:
    """Send the message of a task; a failure is only logged.

    The next sweep enqueues the instance again. The web process gives up within about
    0.3 s.
    """
    try:
        current_app.send_task(task, args=args, expires=expires_seconds)
    except (OperationalError, OSError) as error:
        log.warning("enqueueing failed", task=task, reason=str(error)[:200])
