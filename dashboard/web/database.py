"""How a process of the web server uses its database."""

import time
from typing import Any

import psycopg
from django.db import connection
from psycopg import pq
from psycopg.abc import RV, PQGen
from psycopg_pool import ConnectionPool

SHARED_CONNECTIONS = 16
PATIENCE_SECONDS = 5
"""For a lock, or a connection; then the page says "busy" (``web.unavailable``)."""

STALL_SECONDS = 17
"""No statement runs so long: the server itself ends it after 15 s (``settings``)."""


class StallError(psycopg.OperationalError):
    """The server has not answered for so long that it never may."""


class ConnectionWithTimeout(psycopg.Connection[Any]):
    """Gives up a server that stands still.

    The driver's library has no time limit of its own, and the network's do not help
    while the other machine still acknowledges. Without one the threads of the web
    server would be used up, one by one.

    Attributes:
        patience_seconds: For each answer.
    """

    patience_seconds: float = STALL_SECONDS

    def wait(
        self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None
    ) -> RV:
        """Wait for an answer.

        Raises:
            StallError: None came in time; the connection is closed, since
                whatever would be asked next would wait again.
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
    """Keep the connections of this process; call it before the first query.

    Only the web server does: a worker's processes serve one task at a time, and Celery
    closes what a task has used, a pool included. Each connection is tried before it is
    handed out, so that a restart of the database costs no request an error.
    """
    if connection.vendor == "sqlite":
        # Opening the file and setting it up costs as much as a small page.
        connection.settings_dict["CONN_MAX_AGE"] = None
        # A page rather says "busy"; a worker has the time to wait.
        connection.settings_dict["OPTIONS"]["timeout"] = PATIENCE_SECONDS
    if connection.vendor == "postgresql":
        connection.settings_dict["OPTIONS"]["pool"] = {
            "min_size": 1,
            "max_size": SHARED_CONNECTIONS,
            "timeout": PATIENCE_SECONDS,
            "connection_class": ConnectionWithTimeout,
            "check": _check,
            # Tries to connect begin anew after this long: each waits twice as long as
            # the one before, and the database may have been back for minutes.
            "reconnect_timeout": PATIENCE_SECONDS,
        }


def _check(one: ConnectionWithTimeout) -> None:
    """Try a connection; when it is dead, replace all others that have died with it.

    The pool would find them one by one, with a pause that doubles after each: with four
    of them a request has waited in vain. Where the server stands still it is the trying
    that takes long, and once is enough.
    """
    one.patience_seconds = PATIENCE_SECONDS
    try:
        ConnectionPool.check_connection(one)
    except StallError:
        raise
    except psycopg.Error:
        pool = one._pool
        if isinstance(pool, ConnectionPool):
            pool.check()
        raise
    finally:
        one.patience_seconds = STALL_SECONDS
