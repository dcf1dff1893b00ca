import random
import socket

LOOPBACK = "127.0.0.1"
# Below the ephemeral ports of Linux, macOS and Windows: one of those may be taken by a
# connection before the process that needs it has started.
_RANGE = range(20_000, 32_000)


def free_port() -> int:
    """Return a free TCP port of the loopback interface.

    Raises:
        OSError: None was found.
    """
    for port in random.SystemRandom().sample(_RANGE, 100):
        with socket.socket() as probe:
            try:
                probe.bind((LOOPBACK, port))
            except OSError:
                continue
        return port
    raise OSError(f"No free TCP port between {_RANGE.start} and {_RANGE.stop - 1}.")
