"""Real processes in tests: waiting for them, and finding those left over."""

import os
import time
from collections.abc import Callable
from pathlib import Path


def wait_until(
    condition: Callable[[], bool], *, seconds: float = 150, every: float = 0.05
) -> None:
    """Poll until it holds; fail after a deadline far beyond what is usual.

    Args:
        condition: What is waited for.
        seconds: Until the deadline.
        every: Seconds between two looks: more where a look costs the machine much.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(every)


def running(pid: int) -> bool:
    """Whether this process runs; one that ended but was not collected does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


def marked(mark: str) -> list[int]:
    """Every running process whose environment holds ``MARK=<mark>``."""
    wanted = f"MARK={mark}".encode()
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            environment = (entry / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if wanted in environment and running(int(entry.name)):
            found.append(int(entry.name))
    return found
