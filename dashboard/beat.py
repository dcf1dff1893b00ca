import threading
import time
from importlib import import_module
from typing import Any

import structlog
from celery import beat
from celery.signals import beat_init
from django.conf import settings
from django.db import connections
from django.urls import set_script_prefix
from django.utils import timezone

log = structlog.get_logger(__name__)


class Scheduler(beat.Scheduler):
    """Keeps its pace when the machine's clock is set back.

    Celery's uses the wall clock and would send nothing until the old time is reached.
    There is no schedule file: every task of ours runs again some minutes after a start.
    """

    max_interval = 5
    """Maximum sleep in seconds, so that a clock change during a tick delays little."""

    def setup_schedule(self) -> None:
        self._latest = time.time()
        super().setup_schedule()

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """Send one due task; return the maximum seconds until the next."""
        now = time.time()
        if now < self._latest:
            for entry in self.schedule.values():
                entry.last_run_at = entry.default_now()
            self._heap = None
        self._latest = now
        seconds: float = super().tick(*args, **kwargs)
        return seconds


@beat_init.connect
def _watch_ourselves(**_: Any) -> None:
    # A thread, because the scheduler waits for a broker that is away.
    threading.Thread(target=_watch, name="self-watch", daemon=True).start()


def _watch() -> None:
    from dashboard.reminders import self_watch  # the apps are ready only now

    # Links need the routes. An update replaces their files while this process runs, so
    # a mail must not be what imports them.
    import_module(settings.ROOT_URLCONF)
    # Django sets it in the main thread only.
    set_script_prefix(settings.FORCE_SCRIPT_NAME or "/")
    watching_since = timezone.now()
    while True:
        time.sleep(self_watch.EVERY_SECONDS)
        try:
            self_watch.check(watching_since)
        except Exception:
            log.exception("self-watch failed")
        finally:
            connections.close_all()
