"""What is done while the database is known to be away.

A request of the web server waits some seconds for a connection (``web.database``). With
each of hundreds doing so all threads would wait, and whoever needs no database with
them. So once one has waited in vain, one at a time goes on trying, and everybody else
is told at once. So is whoever has just waited and asks again, as a request does that
wonders for whom to draw the page that says so.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from django.db.backends.postgresql import base

PAUSE_SECONDS = 1.0
"""Until the next tries after one that waited in vain."""


class KnownOutageError(psycopg.OperationalError):
    """The database was away a moment ago, and somebody is finding out whether it is."""


class CircuitBreaker:
    """What this process knows. Thread-safe."""

    def __init__(self) -> None:
        self._is_on = False
        self._trial = threading.Lock()
        self._next_trial_at = 0.0

    @contextmanager
    def connecting(self) -> Iterator[None]:
        """Around the wait for a connection.

        Raises:
            KnownOutageError: There is none, and no use in waiting for one.
        """
        is_trial = self._is_on
        if is_trial and not self._may_try():
            raise KnownOutageError("the database is away")
        try:
            yield
        except psycopg.OperationalError:
            self._is_on = True
            self._next_trial_at = time.monotonic() + PAUSE_SECONDS
            raise
        else:
            self._is_on = False
        finally:
            if is_trial:
                self._trial.release()

    def _may_try(self) -> bool:
        """Whether nobody else does; whoever may has the lock."""
        is_time = time.monotonic() >= self._next_trial_at
        return is_time and self._trial.acquire(blocking=False)


breaker = CircuitBreaker()


class DatabaseWrapper(base.DatabaseWrapper):
    """Django's, which does not wait where that is known to be in vain."""

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """A connection; from the pool where there is one.

        Raises:
            psycopg.OperationalError: There is none.
        """
        if not self.pool:
            return super().get_new_connection(conn_params)
        with breaker.connecting():
            return super().get_new_connection(conn_params)
