import time
from typing import Any

import psycopg
from django.db import connection
from psycopg import pq
from psycopg.abc import RV, PQGen
from psycopg_pool import ConnectionPool

SHARED_CONNECTIONS = 16
PATIENCE_SECONDS = 5
"""Wait for a lock or a connection; after it, ``web.errors`` shows "busy"."""

STALL_SECONDS = 17
"""No statement runs this long: the server ends it after 15 s (``settings``)."""


class StallError(psycopg.OperationalError):
    """The database server stopped answering."""


class ConnectionWithTimeout(psycopg.Connection[Any]):
    """A connection that gives up on a server that stopped answering.

    libpq has no read timeout, and TCP's do not help while the other machine still
    acknowledges. Without one the threads of the web server would be used up one by one.

    Attributes:
        patience_seconds: For each answer.
    """

    patience_seconds: float = STALL_SECONDS

    def wait(
        self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None
    ) -> RV:
        """Wait for an answer.

        Raises:
            StallError: None came in time. The connection is closed, since its next
                query would wait again.
        """
        if timeout is not None:
            return super().wait(gen, interval, timeout)
        began = time.monotonic()
        try:
            return super().wait(gen, interval, self.patience_seconds)
        except psycopg.OperationalError as error:
            is_late = time.monotonic() - began >= self.patience_seconds
            if not is_late or self.pgconn.status != pq.ConnStatus.OK:
                raise
            self.close()
            raise StallError("the server stands still") from error


def share_connections() -> None:
    """Pool the connections of this process; call it before the first query.

    Only the web server does: a worker process serves one task at a time, and Celery
    closes connections after each, a pool included. Each connection is checked before
    use, so a restart of the database costs no request an error.
    """
    if connection.vendor == "sqlite":
        # Opening and configuring the file takes as long as a small page.
        connection.settings_dict["CONN_MAX_AGE"] = None
        # A page says "busy" instead; a worker can wait.
        connection.settings_dict["OPTIONS"]["timeout"] = PATIENCE_SECONDS
    if connection.vendor == "postgresql":
        connection.settings_dict["OPTIONS"]["pool"] = {
            "min_size": 1,
            "max_size": SHARED_CONNECTIONS,
            "timeout": PATIENCE_SECONDS,
            "connection_class": ConnectionWithTimeout,
            "check": _check,
            # The pool doubles its pause after each failed attempt, so the database
            # could be back for minutes. After this time it starts over.
            "reconnect_timeout": PATIENCE_SECONDS,
        }


def _check(connection: ConnectionWithTimeout) -> None:
    """Check a connection; when it is dead, replace all others that died with it.

    The pool would find them one by one, with doubling pauses: with four of them a
    request times out. If the server does not respond, one check takes long enough.
    """
    connection.patience_seconds = PATIENCE_SECONDS
    try:
        ConnectionPool.check_connection(connection)
    except StallError:
        raise
    except psycopg.Error:
        pool = connection._pool
        if isinstance(pool, ConnectionPool):
            pool.check()
        raise
    finally:
        connection.patience_seconds = STALL_SECONDS
