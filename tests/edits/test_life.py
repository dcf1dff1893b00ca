"""Signs of life: who holds a lane, and whether they are still there."""

import os
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from django.db import connection
from django.utils import timezone

from dashboard.accounts.models import User
from dashboard.edits import lanes, life, services
from dashboard.edits.models import Lane
from dashboard.instances.models import Instance
from tests.ops.processes import wait_until

pytestmark = pytest.mark.django_db


def test_this_process_lives() -> None:
    assert life.dead([life.holder()]) == set()


def test_one_sign_serves_the_whole_process() -> None:
    assert life.holder() == life.holder()


def test_nobody_is_dead() -> None:
    assert life.dead([4711]) == {4711}


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
    monkeypatch.setattr(life, "_path", lambda key: tmp_path / f"{key}.lock")
    if connection.vendor == "postgresql":
        address = psycopg.conninfo.make_conninfo(
            **{
                name: connection.get_connection_params()[name]
                for name in ("dbname", "user", "password", "host", "port")
            }
        )
        script = [TAKE_ADVISORY_LOCK, address, str(life._NAMESPACE)]
    else:
        script = [TAKE_FILE, str(tmp_path / "1.lock")]
    with subprocess.Popen(
        [sys.executable, "-c", *script], stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == "locked\n"
        assert life.dead([1]) == set()
        os.kill(holder.pid, signal.SIGKILL)
        holder.wait()
    wait_until(lambda: life.dead([1]) == {1})


def test_the_sweeper_frees_the_lanes_of_the_dead(
    instance: Instance, operator: User
) -> None:
    services.submit_edit(
        instance=instance, actor=operator, patch={"description": "a"}, base={}
    )
    assert lanes.claim(instance.pk) is not None
    later = timezone.now() + timedelta(seconds=10)
    Lane.objects.update(nudged_at=None, lease_until=later)
    assert lanes.due_instances() == [], "we live"
    Lane.objects.update(holder=4711)
    assert lanes.due_instances() == [instance.pk]
