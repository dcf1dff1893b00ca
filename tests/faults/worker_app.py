"""Celery's entry point for the workers of the fault suite: the genuine app, mortal.

Where a fault of the cloud cannot hold a worker at the wanted line, a file does: once
the armed file exists, the process dies there. Each of its lines is for one death: at
the end of a delivery if it is empty, else when a row has been written and not yet
committed. It names the model: one of ``MORTAL_ROWS``, ``Attempt``, or ``Edit`` for the
edit of an override.
``CURFEW_TEST_WATCH_SECONDS`` shortens the minute for which late writes are looked for,
which a test would have to wait out.
"""

import os
import signal
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from celery.signals import task_postrun, worker_init
from django.db.models.signals import post_save

from dashboard.celery import app

__all__ = ["app"]

MORTAL_ROWS = frozenset({"EditBatch", "Question", "ScheduleRun"})


@worker_init.connect
def _shorten_the_watch(**_: Any) -> None:
    from dashboard.edits.delivery import late_writes  # needs Django to be set up

    late_writes.WATCH_FOR = timedelta(
        seconds=float(os.environ["CURFEW_TEST_WATCH_SECONDS"])
    )
    late_writes.RECHECK = late_writes.WATCH_FOR / 4


@worker_init.connect
def _die_before_commits(**_: Any) -> None:
    from dashboard.edits import keeping  # needs Django to be set up
    from dashboard.edits.delivery import authorization

    post_save.connect(_die_at_row, weak=False)
    # Edits and attempts are inserted many at a time, and that sends no signal.
    for name in ("_extend", "_start_again"):
        setattr(keeping, name, _die_at_edit(getattr(keeping, name)))
    authorization.store_attempts = _die_at_attempts(authorization.store_attempts)


def _die_at_row(sender: Any, **_: Any) -> None:
    if sender.__name__ in MORTAL_ROWS:
        _die_if_armed(sender.__name__)


def _die_at_edit(create: Callable[..., Any]) -> Callable[..., Any]:
    def created(*args: Any) -> Any:
        edit = create(*args)
        if edit is not None:
            _die_if_armed("Edit")
        return edit

    return created


def _die_at_attempts(store: Callable[..., None]) -> Callable[..., None]:
    def stored(*args: Any) -> None:
        store(*args)
        _die_if_armed("Attempt")

    return stored


def _die_if_armed(line: str) -> None:
    armed = Path(os.environ["CURFEW_TEST_ARMED"])
    if not armed.exists():
        return
    wanted, *others = armed.read_text().split("\n")
    if wanted == line:
        if others:
            armed.write_text("\n".join(others))
        else:
            armed.unlink()
        os.kill(os.getpid(), signal.SIGKILL)


@task_postrun.connect
def _die_before_the_message_is_acknowledged(task: Any, **_: Any) -> None:
    """With ``acks_late`` the message is acknowledged after this signal."""
    if task.name == "edits.drain_instance":
        _die_if_armed("")
