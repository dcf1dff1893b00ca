"""A circuit breaker for connections to the database.

A request waits some seconds for a connection (``web.database``). If hundreds did so at
once, no thread would be left, not even for requests without a query. So once one has
waited in vain, one at a time keeps trying and all others fail at once. The request that
has just waited fails at once, too, when its error page wants a query.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from django.db.backends.postgresql import base

PAUSE_SECONDS = 1.0
"""After a failed attempt, the next one waits this long."""


class KnownOutageError(psycopg.OperationalError):
    """The database was unavailable a moment ago, and another thread is trying it."""


class CircuitBreaker:
    """The state of this process. Thread-safe."""

    def __init__(self) -> None:
        self._is_on = False
        self._trial = threading.Lock()
        self._next_trial_at = 0.0

    @contextmanager
    def connecting(self) -> Iterator[None]:
        """Wrap the wait for a connection.

        Raises:
            KnownOutageError: Waiting would be in vain.
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
        """Return whether this thread may try; it then has the lock."""
        is_time = time.monotonic() >= self._next_trial_at
        return is_time and self._trial.acquire(blocking=False)


breaker = CircuitBreaker()


class DatabaseWrapper(base.DatabaseWrapper):
    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """Return a connection, from the pool if there is one.

        Raises:
            psycopg.OperationalError: There is none.
        """
        if not self.pool:
            return super().get_new_connection(conn_params)
        with breaker.connecting():
            return super().get_new_connection(conn_params)
