"""Signs of life: whether a process that holds a lease is still there.

Without them what a dead worker held would be free only when its lease ends. On
PostgreSQL the sign is a session advisory lock on a connection kept for nothing else
(Django's own connections come and go between tasks); on SQLite, which lives on one
host, it is a lock on a file. Both are given up by the operating system when the process
dies, however it dies. A sign that is lost while its process lives does no harm: the
fencing token of a queue keeps a late worker from sending and from recording, and two
refreshes at a time only read the same list twice.
"""

import fcntl
import os
import secrets
import tempfile
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any

import psycopg
from django.db import connection

_NAMESPACE = 0x43757266  # "Curf": keeps our advisory locks apart from others'
_lock = threading.Lock()
_own: "_Sign | None" = None


class _Sign:
    """The sign of one process. A fork must make its own."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.key = secrets.randbelow(2**31)
        self._connection: psycopg.Connection[Any] | None = None
        self._file: IO[str] | None = None
        if connection.vendor == "postgresql":
            parameters = connection.get_connection_params()
            self._connection = psycopg.connect(**parameters, autocommit=True)
            self._connection.execute(
                "SELECT pg_advisory_lock(%s, %s)", (_NAMESPACE, self.key)
            )
        else:
            self._file = _path(self.key).open("w")
            fcntl.flock(self._file, fcntl.LOCK_EX)

    def holds(self) -> bool:
        if self.pid != os.getpid():
            return False
        if self._connection is None:
            return True
        try:
            self._connection.execute("SELECT 1")
        except psycopg.Error:
            return False
        return True


def current_worker() -> int:
    """The key under which this process holds leases, its sign of life being up."""
    global _own
    with _lock:
        if _own is None or not _own.holds():
            _own = _Sign()
        return _own.key


def dead_workers(keys: Iterable[int]) -> set[int]:
    """Those of the keys whose processes are gone; call it in a transaction."""
    return {key for key in keys if not _alive(key)}


def _alive(key: int) -> bool:
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            # Given back at the end of the transaction.
            cursor.execute(
                "SELECT pg_try_advisory_xact_lock(%s, %s)", (_NAMESPACE, key)
            )
            row = cursor.fetchone()
        return not (row and row[0])
    path = _path(key)
    try:
        with path.open("r+") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink(missing_ok=True)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def _path(key: int) -> Path:
    """Beside the database, which is as local as the lock has to be."""
    name = str(connection.settings_dict["NAME"])
    if ":memory:" in name or "mode=memory" in name:
        # No other process can see this database: only tests come here.
        name = str(Path(tempfile.gettempdir()) / f"curfew-{os.getpid()}")
    folder = Path(f"{name}.workers")
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{key}.lock"
