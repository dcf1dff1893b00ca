"""A process ends without looking at all that it has imported."""

import subprocess
import sys

from dashboard.ops.managed_process import PROJECT

AT_THE_END = """
import atexit, gc
atexit.register(lambda: print(gc.get_freeze_count()))  # called last
import django
django.setup()
"""


def test_the_last_collection_has_nothing_to_look_at() -> None:
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", AT_THE_END],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(ended.stdout) > 50_000
