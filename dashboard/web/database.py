"""How a process of the web server uses its database."""

from typing import Any

import psycopg
from django.db import connection
from psycopg_pool import ConnectionPool

SHARED_CONNECTIONS = 16
PATIENCE_SECONDS = 5
"""For a lock, or a connection; then the page says "busy" (``web.away``)."""


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
            "check": _check,
            # Tries to connect begin anew after this long: each waits twice as long as
            # the one before, and the database may have been back for minutes.
            "reconnect_timeout": PATIENCE_SECONDS,
        }


def _check(one: psycopg.Connection[Any]) -> None:
    """Try a connection; when it is dead, replace all others that have died with it.

    The pool would find them one by one, with a pause that doubles after each: with four
    of them a request has waited in vain.
    """
    try:
        ConnectionPool.check_connection(one)
    except psycopg.Error:
        pool = one._pool
        if isinstance(pool, ConnectionPool):
            pool.check()
        raise
