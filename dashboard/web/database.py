"""How a process of the web server uses PostgreSQL."""

from django.db import connection

SHARED_CONNECTIONS = 16
PATIENCE_SECONDS = 5


def share_connections() -> None:
    """Keep the connections of this process; call it before the first query.

    Only the web server does: a worker's processes serve one task at a time, and Celery
    closes what a task has used, a pool included. Each connection is tried before it is
    handed out, so that a restart of the database costs no request an error.
    """
    if connection.vendor == "sqlite":
        # Opening the file and setting it up costs as much as a small page.
        connection.settings_dict["CONN_MAX_AGE"] = None
    if connection.vendor == "postgresql":
        connection.settings_dict["OPTIONS"]["pool"] = {
            "min_size": 1,
            "max_size": SHARED_CONNECTIONS,
            "timeout": PATIENCE_SECONDS,
        }
