"""Liveness locks, which show whether the process that owns a lease is still alive.

Without them the leases of a dead worker would only become free when they end. On
PostgreSQL the lock is a session advisory lock on a connection of its own, since Django
closes its connections between tasks. On SQLite, which is used on one host only, it is a
lock on a file. The operating system releases both when the process dies. A lock that is
lost while its process lives does no harm: a fencing token keeps a late worker from
sending and recording, and two refreshes at a time only read the same list twice.
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
_own: "_LivenessLock | None" = None


class _LivenessLock:
    """The lock of one process; a fork needs another one."""

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

    def is_valid(self) -> bool:
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
    """Return the key under which this process owns leases; take its lock if needed."""
    global _own
    with _lock:
        if _own is None or not _own.is_valid():
            _own = _LivenessLock()
        return _own.key


def dead_workers(keys: Iterable[int]) -> set[int]:
    """Return the keys whose processes are dead; call it in a transaction."""
    return {key for key in keys if not _is_alive(key)}


def _is_alive(key: int) -> bool:
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            # Released at the end of the transaction.
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
    name = str(connection.settings_dict["NAME"])
    if ":memory:" in name or "mode=memory" in name:
        # In tests, where no other process can use the database.
        name = str(Path(tempfile.gettempdir()) / f"curfew-{os.getpid()}")
    folder = Path(f"{name}.workers")
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{key}.lock"
