"""An empty database with all migrations, made once and copied where one is needed.

The migrations take several seconds of CPU, and dozens of processes of a run begin with
an empty database. What the copies are made of is kept between runs and is made again
when a line of the application, a package, SQLite or PostgreSQL changes.
"""

import fcntl
import hashlib
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from importlib import metadata
from pathlib import Path
from typing import Any

from dashboard.paths import ROOT, VAR

FOLDER = VAR / "test-migrated"


def migrate() -> None:
    """Migrate the empty database of this process.

    On PostgreSQL its cluster is the copy: ``PostgresServer(migrated=True)``.
    """
    # Here, since ``put`` is also needed before Django is set up.
    from django.db import connection

    if connection.vendor == "sqlite":
        connection.ensure_connection()
        fill(connection.connection)
    else:
        assert "django_migrations" in connection.introspection.table_names()


def put(path: Path) -> None:
    """Make a migrated database for processes that are yet to be started."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as database:
        fill(database)


def fill_test_database() -> None:
    """Let the test database in memory begin as a copy, once it is connected to.

    On PostgreSQL the settings name what is copied.
    """
    from django.db.backends.base.base import BaseDatabaseWrapper
    from django.db.backends.signals import connection_created

    def fill_first(connection: BaseDatabaseWrapper, **_: Any) -> None:
        if connection.vendor == "sqlite":
            connection_created.disconnect(fill_first)
            fill(connection.connection)

    connection_created.connect(fill_first, weak=False)


def fill(database: sqlite3.Connection) -> None:
    """Copy the migrated database into an empty one."""
    template = kept(f"sqlite-{sqlite3.sqlite_version}", _make)
    with closing(sqlite3.connect(template)) as migrated:
        migrated.backup(database)


def kept(kind: str, make: Callable[[Path], None]) -> Path:
    """Return the file or folder that copies are made of.

    Args:
        kind: Name and version of the database.
        make: Makes it at a path if there is none yet.
    """
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / f"{kind}-{_state()}"
    with (FOLDER / f"{kind}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            for earlier in FOLDER.glob(f"{kind}-*"):
                if earlier.is_dir():
                    shutil.rmtree(earlier)
                else:
                    earlier.unlink()
            new = path.with_name(f"{path.name}-new")
            make(new)
            new.rename(path)
    return path


def run_migrations(url: str) -> None:
    """Migrate the empty database at an address, in a process of its own."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("CURFEW_", "DJANGO_", "OS_"))
    }
    subprocess.run(
        [
            *(sys.executable, "-W", "ignore", "manage.py"),
            *("migrate", "--run-syncdb", "--verbosity", "0"),
        ],
        cwd=ROOT,
        env=environment
        | {
            "CURFEW_SECRET_KEY": "only-for-tests-" * 4,
            "CURFEW_REDIS_URL": "redis://127.0.0.1:1/0",  # not needed
            "CURFEW_DATABASE_URL": url,
            "DJANGO_SETTINGS_MODULE": "dashboard.settings",
        },
        check=True,
    )


def _state() -> str:
    """Return a digest of all that the migrated database depends on."""
    digest = hashlib.sha256()
    packages = {f"{one.name} {one.version}\n" for one in metadata.distributions()}
    digest.update("".join(sorted(packages)).encode())
    for path in sorted((ROOT / "dashboard").rglob("*.py")):
        # Copies of the project share what is kept.
        digest.update(f"{path.relative_to(ROOT)}\n".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _make(path: Path) -> None:
    run_migrations(f"sqlite:///{path}")
    with closing(sqlite3.connect(path)) as database:
        # In memory no database has the write-ahead log that the settings ask for.
        database.execute("PRAGMA journal_mode=DELETE")
