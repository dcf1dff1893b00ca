"""An empty database with all migrations, made once and copied where one is needed.

The migrations take several seconds of CPU, and dozens of processes of a run begin with
an empty database. What the copies are made of is kept between runs and is made again
when a line of the application, a package or SQLite changes.
"""

import fcntl
import hashlib
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from importlib import metadata
from pathlib import Path

from dashboard.paths import ROOT, VAR

FOLDER = VAR / "test-migrated"


def migrate() -> None:
    """Migrate the empty database of this process."""
    # Here, since ``put`` is also needed before Django is set up.
    from django.core.management import call_command
    from django.db import connection

    if connection.vendor == "sqlite":
        connection.ensure_connection()
        fill(connection.connection)
    else:
        call_command("migrate", verbosity=0)


def put(path: Path) -> None:
    """Make a migrated database for processes that are yet to be started."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as database:
        fill(database)


def fill(database: sqlite3.Connection) -> None:
    """Copy the migrated database into an empty one."""
    with closing(sqlite3.connect(_template())) as template:
        template.backup(database)


def _template() -> Path:
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / f"{_state()}.sqlite3"
    with (FOLDER / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            for earlier in FOLDER.glob("*.sqlite3*"):
                earlier.unlink()
            _make(path)
    return path


def _state() -> str:
    """Return a digest of all that the migrated database depends on."""
    digest = hashlib.sha256(sqlite3.sqlite_version.encode())
    packages = {f"{one.name} {one.version}\n" for one in metadata.distributions()}
    digest.update("".join(sorted(packages)).encode())
    for path in sorted((ROOT / "dashboard").rglob("*.py")):
        digest.update(f"{path}\n".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _make(path: Path) -> None:
    new = path.with_suffix(".sqlite3-new")
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
            "CURFEW_DATABASE_URL": f"sqlite:///{new}",
            "DJANGO_SETTINGS_MODULE": "dashboard.settings",
        },
        check=True,
    )
    with closing(sqlite3.connect(new)) as database:
        # In memory no database has the write-ahead log that the settings ask for.
        database.execute("PRAGMA journal_mode=DELETE")
    new.rename(path)
