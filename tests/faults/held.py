"""A writer who keeps everybody else waiting; run by the agent."""

import threading

from django.db import connection, connections, transaction

from dashboard.edits.models import EditQueue

_release = threading.Event()
_holder: threading.Thread | None = None


def hold_writes() -> None:
    """Lock the queues (PostgreSQL) or the whole database (SQLite) until released."""
    global _holder
    held = threading.Event()
    _release.clear()
    _holder = threading.Thread(target=_hold, args=(held,))
    _holder.start()
    assert held.wait(60)


def release_writes() -> None:
    """Let the others go on."""
    _release.set()
    if _holder:
        _holder.join()


def somebody_waits() -> bool:
    """Whether another process waits; on SQLite that cannot be asked, nor missed."""
    if connection.vendor != "postgresql":
        return not _release.wait(0.5)
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_locks WHERE NOT granted")
        return cursor.fetchone() is not None


def _hold(held: threading.Event) -> None:
    try:
        with transaction.atomic():
            if connection.vendor == "postgresql":
                with connection.cursor() as cursor:
                    table = EditQueue._meta.db_table
                    cursor.execute(f"LOCK TABLE {table} IN EXCLUSIVE MODE")
            held.set()
            _release.wait(120)
    finally:
        connections.close_all()
