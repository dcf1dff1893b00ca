"""No garbage collection looks at what a process has imported."""

import json
import subprocess
import sys

from dashboard.ops.managed_process import PROJECT

START_AND_END = """
import atexit, gc, json
def state():
    return gc.isenabled(), gc.get_freeze_count()
atexit.register(lambda: print(json.dumps([at_the_start, state()])))  # called last
import django
django.setup()
at_the_start = state()
import dashboard.urls
"""


def test_imports_are_frozen_at_the_start_and_at_the_end() -> None:
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", START_AND_END],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    )
    (collects, at_the_start), (_, at_the_end) = json.loads(ended.stdout)
    assert collects
    assert 50_000 < at_the_start < at_the_end


WORKER = """
import gc, json
import django
django.setup()
from celery.signals import worker_process_init
from dashboard.celery import app
app.loader.import_default_modules()
def number():
    return len(gc.get_objects())
before = number()
worker_process_init.send(sender=None)
print(json.dumps([before, number()]))
"""


def test_a_process_of_a_worker_freezes_what_the_worker_has_imported() -> None:
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", WORKER],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    )
    before, after = json.loads(ended.stdout)
    assert before > 10_000
    assert after < 1_000
