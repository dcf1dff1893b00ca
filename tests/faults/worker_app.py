"""Celery's entry point for the workers of the fault suite: the genuine app, mortal.

Where a fault of the cloud cannot hold a worker at the wanted line, a file does: once
the armed file exists, the process dies there. ``CURFEW_TEST_SETTLE_SECONDS`` shortens
the minute for which late writes are looked for, which a test would have to wait out.
"""

import os
import signal
from datetime import timedelta
from pathlib import Path
from typing import Any

from celery.signals import task_postrun, worker_init

from dashboard.celery import app

__all__ = ["app"]


@worker_init.connect
def _settle_sooner(**_: Any) -> None:
    from dashboard.edits.delivery import late_writes  # needs Django to be set up

    late_writes.WATCH_FOR = timedelta(
        seconds=float(os.environ["CURFEW_TEST_SETTLE_SECONDS"])
    )
    late_writes.RECHECK = late_writes.WATCH_FOR / 4


@task_postrun.connect
def _die_before_the_message_is_acknowledged(task: Any, **_: Any) -> None:
    """With ``acks_late`` the message is acknowledged after this signal."""
    armed = Path(os.environ["CURFEW_TEST_ARMED"])
    if task.name == "edits.drain_instance" and armed.exists():
        armed.unlink()
        os.kill(os.getpid(), signal.SIGKILL)
