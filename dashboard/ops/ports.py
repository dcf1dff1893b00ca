"""TCP ports for processes that are about to be started."""

import random
import socket

LOOPBACK = "127.0.0.1"
# Below what Linux, macOS and Windows hand out by themselves: a port of theirs may be
# some connection's before the process that is to listen there has started.
_RANGE = range(20_000, 32_000)


def free_port() -> int:
    """A TCP port of the loopback interface that nobody uses at this moment.

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
