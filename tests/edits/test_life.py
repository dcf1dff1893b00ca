"""Signs of life: who holds a lane, and whether they are still there."""

import os
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from dashboard.accounts.models import User
from dashboard.edits import lanes, life, services
from dashboard.edits.models import Lane
from dashboard.instances.models import Instance

pytestmark = pytest.mark.django_db


def test_this_process_lives() -> None:
    assert life.dead([life.holder()]) == set()


def test_one_sign_serves_the_whole_process() -> None:
    assert life.holder() == life.holder()


def test_nobody_is_dead() -> None:
    assert life.dead([4711]) == {4711}


def test_a_killed_process_is_dead_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(life, "_path", lambda key: tmp_path / f"{key}.lock")
    script = (
        "import fcntl, sys, time; file = open(sys.argv[1], 'w');"
        "fcntl.flock(file, fcntl.LOCK_EX); print('locked', flush=True); time.sleep(60)"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path / "1.lock")],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout
    assert holder.stdout.readline() == "locked\n"
    assert life.dead([1]) == set()
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    holder.stdout.close()
    assert life.dead([1]) == {1}


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
