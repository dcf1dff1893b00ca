import time
from typing import Any

from celery import beat


class Scheduler(beat.Scheduler):
    """Keeps its pace when the machine's clock is set back.

    Celery's uses the wall clock and would send nothing until the old time is reached.
    There is no schedule file: every task of ours runs at least once a minute.
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
