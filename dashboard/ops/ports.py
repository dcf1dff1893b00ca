import fcntl
import os
import random
import socket
import tempfile
from functools import cache
from pathlib import Path

LOOPBACK = "127.0.0.1"
# Below the ephemeral ports of Linux, macOS and Windows: one of those may be taken by a
# connection before the process that needs it has started.
_RANGE = range(20_000, 32_000)


def free_port() -> int:
    """Return a free TCP port of the loopback interface.

    No other process of this user gets the same one while this process runs, so there is
    time to start what will listen on it.

    Raises:
        OSError: None was found.
    """
    for port in random.SystemRandom().sample(_RANGE, 100):
        if not _reserve(port):
            continue
        with socket.socket() as probe:
            try:
                probe.bind((LOOPBACK, port))
            except OSError:
                continue
        return port
    raise OSError(f"No free TCP port between {_RANGE.start} and {_RANGE.stop - 1}.")


def _reserve(port: int) -> bool:
    """Lock the byte of a port until the end of this process, unless another has it."""
    try:
        fcntl.lockf(_reservations(), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
    except OSError:
        return False
    return True


@cache
def _reservations() -> int:
    """Return the descriptor of the file; to close it would give all locks back."""
    path = Path(tempfile.gettempdir()) / f"curfew-ports-{os.getuid()}"
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
