"""Real processes in tests: waiting for them, and finding those left over."""

import os
import ssl
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

import httpx

OFTENEST_SECONDS, RAREST_SECONDS = 0.05, 0.5


def wait_until(
    condition: Callable[[], bool], *, seconds: float = 150, every: float | None = None
) -> None:
    """Poll until it holds; fail after a deadline far beyond what is usual.

    Args:
        condition: What is waited for.
        seconds: Until the deadline.
        every: Seconds between two looks. By default a twentieth of the time so far:
            looks take CPU from what is waited for.
    """
    began = time.monotonic()
    while not condition():
        waited = time.monotonic() - began
        assert waited < seconds, "waited in vain"
        pause = min(max(waited / 20, OFTENEST_SECONDS), RAREST_SECONDS)
        time.sleep(every or pause)


def answers(url: str, *, timeout: float = 20) -> bool:
    """Whether this address is answered with 200, on a connection of its own."""
    try:
        # httpx would read all trusted certificates again for each request.
        got = httpx.get(url, trust_env=False, timeout=timeout, verify=_trusted())
    except httpx.TransportError:
        return False
    return got.status_code == 200


@cache
def _trusted() -> ssl.SSLContext:
    return ssl.create_default_context()


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
