"""The command ``curfew`` of the package: the client, and the commands of the server."""

import sys

from .cli import command_line

SERVER = {
    "demo": "Run Curfew with an emulated cloud.",
    "serve": "Run Curfew with your own clouds.",
    "manage": "Run a command of the server, for example “manage doctor”.",
}


def main() -> int:
    name, *rest = sys.argv[1:] or [""]
    if name not in SERVER:
        return command_line.main(others=SERVER)
    # Only now: the client starts without Django.
    from .__main__ import main as manage

    manage(rest if name == "manage" else [name, *rest])
    return 0
