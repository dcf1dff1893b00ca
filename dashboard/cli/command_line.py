import json
import os
import sys
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from . import config
from .client import Api
from .errors import Code, CommandError
from .output import write
from .parser import make_parser
from .show import clean

NONE: Mapping[str, str] = MappingProxyType({})


def main(
    arguments: Sequence[str] | None = None,
    *,
    prog: str = "curfew",
    others: Mapping[str, str] = NONE,
) -> int:
    """Run one command and return its exit code; print errors to standard error.

    Args:
        others: Commands for the help that the caller runs itself: what each does.
    """
    parser = make_parser(prog, others)
    if "_ARGCOMPLETE" in os.environ:  # set by the scripts of ``completion``
        import argcomplete

        argcomplete.autocomplete(parser)
    options = parser.parse_args(arguments)
    if options.command in others:
        parser.error(f"no option may precede “{options.command}”")
    try:
        if options.alone:
            return int(options.alone(options))
        with Api(config.read()) as api:
            return int(options.run(api, options))
    except CommandError as error:
        sentence = clean(str(error))
        if options.json:
            sentence = json.dumps({"error": sentence, "exit_code": error.code})
        write([sentence], sys.stderr)
        return error.code
    except KeyboardInterrupt:
        return Code.INTERRUPTED
