"""Run a command that ends when its parent process dies (Linux).

Usage: ``python die_with_parent.py PARENT_PID COMMAND [ARGUMENT ...]``

The kernel sends the command SIGTERM when its parent dies, even of ``kill -9``. This is
a script since Popen's ``preexec_fn`` is not safe with threads; the command replaces it.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main(parent: int, command: list[str]) -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() == parent:
        os.execvp(command[0], command)  # noqa: S606 (becoming it is the point)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
