"""Run a command that does not outlive the process that asked for it (Linux).

    python die_with_parent.py PARENT_PID COMMAND [ARGUMENT ...]

The kernel sends the command SIGTERM when its parent dies, even of ``kill -9``. A script
of its own, since Popen's ``preexec_fn`` is not safe beside threads; it is replaced by
the command and leaves no process behind.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main(parent: int, command: list[str]) -> None:
    """Become the command, unless the parent is gone already."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() == parent:
        os.execvp(command[0], command)  # noqa: S606 (becoming it is the point)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
