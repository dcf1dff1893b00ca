"""``manage.py move_database``: from SQLite to PostgreSQL with everything there is."""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dashboard.ops.demo_files import DemoFiles
from dashboard.ops.managed_process import PROJECT
from dashboard.ops.ports import free_port
from tests.servers import PostgresServer

from .processes import wait_until

pytestmark = [pytest.mark.stack, pytest.mark.postgres]


@pytest.fixture
def target() -> Iterator[str]:
    server = PostgresServer()
    server.start()
    yield server.url
    server.remove()


@pytest.fixture
def source(tmp_path: Path) -> str:
    """A database with rows in all tables that people fill: that of a demo."""
    output = tmp_path / "demo.out"
    with output.open("w") as stream:
        demo = subprocess.Popen(
            [
                *(sys.executable, "manage.py", "demo", "--fleet", "30"),
                *("--port", str(free_port()), "--data-dir", str(tmp_path / "demo")),
            ],
            cwd=PROJECT,
            env=_without_settings(),
            stdout=stream,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_until(
            lambda: "Curfew is ready" in output.read_text() or demo.poll() is not None,
            seconds=240,
        )
        assert demo.poll() is None, output.read_text()
    finally:
        demo.send_signal(signal.SIGINT)
        demo.wait()
    return f"sqlite:///{DemoFiles(tmp_path / 'demo').database}"


def _without_settings() -> dict[str, str]:
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("CURFEW_", "DJANGO_", "OS_"))
    }


def _manage(
    database: str, *arguments: str, typed: str = ""
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=PROJECT,
        env=_without_settings()
        | {
            "CURFEW_SECRET_KEY": "only-for-tests-of-moving-" * 3,
            "CURFEW_REDIS_URL": "redis://127.0.0.1:1/0",
            "CURFEW_DATABASE_URL": database,
        },
        input=typed,
        capture_output=True,
        text=True,
        check=False,
    )


def _rows(database: str) -> list[dict[str, Any]]:
    dumped = _manage(database, "dumpdata", "--all")
    assert dumped.returncode == 0, dumped.stderr
    rows: list[dict[str, Any]] = json.loads(dumped.stdout)
    return sorted(rows, key=lambda row: (row["model"], str(row["pk"])))


@pytest.mark.timeout(900)
def test_everything_arrives_and_the_site_goes_on(source: str, target: str) -> None:
    moved = _manage(source, "move_database", "--to", "-", typed=f"{target}\n")
    assert moved.returncode == 0, moved.stderr
    before, after = _rows(source), _rows(target)
    assert before == after
    models = Counter(row["model"] for row in after)
    # Among them what triggers protect, and what computes columns.
    for model in ("audit.auditevent", "handover.note", "instances.instance"):
        assert models[model], model
    # New rows get numbers of their own.
    added = _manage(
        target,
        *("adduser", "grace", "--role", "viewer", "--password-stdin"),
        typed="a long enough sentence",
    )
    assert added.returncode == 0, added.stderr
    assert len(_rows(target)) > len(after)
    # The triggers are back.
    refused = _manage(
        target,
        *("shell", "--command"),
        "from dashboard.audit.models import AuditEvent as E; E.objects.all().delete()",
    )
    assert "append-only" in refused.stderr
    again = _manage(source, "move_database", "--to", target)
    assert again.returncode == 1
    assert "is not empty" in again.stderr


def test_an_url_of_no_database(tmp_path: Path) -> None:
    refused = _manage(
        f"sqlite:///{tmp_path}/a.db", "move_database", "--to", "mysql://x"
    )
    assert refused.returncode == 1
    assert "must start with sqlite:/// or postgres://" in refused.stderr
