"""What commands print."""

import argparse
import json
import sys
from collections.abc import Sequence
from typing import TextIO

from .client import Json
from .show import clean


def print_(
    options: argparse.Namespace, document: Json | list[Json] | None, lines: list[str]
) -> None:
    """Print a document with ``--json``, else the lines."""
    if options.json:
        write([json.dumps(document, indent=2)])
    else:
        write([clean(line) for line in lines])


def write(lines: Sequence[str], to: TextIO | None = None) -> None:
    stream = to or sys.stdout
    stream.write("\n".join(lines) + "\n")
    stream.flush()
