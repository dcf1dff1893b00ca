"""The scheduler of beat."""

import time
from typing import Any

from celery import beat


class Scheduler(beat.Scheduler):
    """Keeps its pace when the machine's clock is set back.

    Celery's goes by the wall clock and would send nothing until it is again where it
    was. Nothing is kept in a file: no task of ours is rarer than once a minute.
    """

    max_interval = 5
    """Seconds that it sleeps at most: a step back amid a tick is not slept out."""

    def setup_schedule(self) -> None:
        """Begin to count."""
        self._latest = time.time()
        super().setup_schedule()

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """Send one task that is due; return seconds until the next, at most."""
        now = time.time()
        if now < self._latest:
            for entry in self.schedule.values():
                entry.last_run_at = entry.default_now()
            self._heap = None
        self._latest = now
        seconds: float = super().tick(*args, **kwargs)
        return seconds
