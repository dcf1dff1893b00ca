"""Signs of life: who holds something, and whether they are still there."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from django.db import connection

from dashboard.instances import worker_liveness
from tests.ops.processes import wait_until

pytestmark = pytest.mark.django_db


def test_this_process_lives() -> None:
    assert worker_liveness.dead_workers([worker_liveness.current_worker()]) == set()


def test_one_lock_serves_the_whole_process() -> None:
    assert worker_liveness.current_worker() == worker_liveness.current_worker()


def test_nobody_is_dead() -> None:
    assert worker_liveness.dead_workers([4711]) == {4711}


TAKE_FILE = """
import fcntl, sys, time
file = open(sys.argv[1], "w")
fcntl.flock(file, fcntl.LOCK_EX)
print("locked", flush=True)
time.sleep(60)
"""
TAKE_ADVISORY_LOCK = """
import psycopg, sys, time
connection = psycopg.connect(sys.argv[1], autocommit=True)
connection.execute("SELECT pg_advisory_lock(%s, %s)", [int(sys.argv[2]), 1])
print("locked", flush=True)
time.sleep(60)
"""


def test_a_killed_process_is_dead_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_liveness, "_path", lambda key: tmp_path / f"{key}.lock")
    if connection.vendor == "postgresql":
        address = psycopg.conninfo.make_conninfo(
            **{
                name: connection.get_connection_params()[name]
                for name in ("dbname", "user", "password", "host", "port")
            }
        )
        script = [TAKE_ADVISORY_LOCK, address, str(worker_liveness._NAMESPACE)]
    else:
        script = [TAKE_FILE, str(tmp_path / "1.lock")]
    with subprocess.Popen(
        [sys.executable, "-c", *script], stdout=subprocess.PIPE, text=True
    ) as lease_owner:
        assert lease_owner.stdout
        assert lease_owner.stdout.readline() == "locked\n"
        assert worker_liveness.dead_workers([1]) == set()
        os.kill(lease_owner.pid, signal.SIGKILL)
        lease_owner.wait()
    wait_until(lambda: worker_liveness.dead_workers([1]) == {1})
