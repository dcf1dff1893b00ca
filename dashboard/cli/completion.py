"""Completion in bash, zsh and fish: their scripts call the command at each tab."""

import argparse
import re
from typing import Any

from . import config
from .client import Api
from .errors import Code, CommandError
from .output import write

SHELLS = ("bash", "zsh", "fish")
SECONDS = 2
"""How long a tab may wait for the site."""

_PLAIN = re.compile(r"[\w.-]+")
"""Names that no shell has to quote and no terminal interprets."""


def completion(options: argparse.Namespace) -> Code:
    """Print the script of a shell."""
    from argcomplete.shell_integration import shellcode

    write([shellcode(["curfew"], shell=options.shell).strip()])
    return Code.DONE


def add_instance(parser: argparse.ArgumentParser, **options: Any) -> None:
    """Add the argument INSTANCE, which completes to names."""
    argument = parser.add_argument("instance", help="cloud/id, id or name", **options)
    argument.completer = instances  # type: ignore[attr-defined]


def instances(prefix: str, **_: Any) -> list[str]:
    """Return the instances that begin so: names where one is plain, else IDs."""
    try:
        with Api(config.read(), timeout_seconds=SECONDS) as api:
            page = api.get("/instances", {"q": prefix[:512], "per_page": "100"}) or {}
    except CommandError:
        return []  # the command itself says what is wrong
    return [
        item["name"] if _PLAIN.fullmatch(item["name"]) else item["instance_id"]
        for item in page.get("items", [])
    ]
