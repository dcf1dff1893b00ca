"""Moves the clock of a whole Python process by what ``CURFEW_TEST_CLOCK`` holds.

Python imports this at its start when PYTHONPATH leads here. The file holds seconds, and
may change at any time. Clocks that only ever go forward are left alone, as when
somebody sets the clock of a machine.
"""

import os
import threading
import time
from pathlib import Path

import time_machine

FILE = Path(os.environ["CURFEW_TEST_CLOCK"])
PERIOD_SECONDS = 0.02

_moved_by = 0.0
_traveller = time_machine.travel(time.time(), tick=True).start()


def _follow() -> None:
    global _moved_by
    pause = threading.Event()
    while not pause.wait(PERIOD_SECONDS):
        wanted = float(FILE.read_text() or _moved_by)
        if wanted != _moved_by:
            _traveller.shift(wanted - _moved_by)
            _moved_by = wanted


def _start() -> None:
    threading.Thread(target=_follow, daemon=True).start()


os.register_at_fork(after_in_child=_start)
_start()
