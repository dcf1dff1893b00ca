"""How a command ends."""

from enum import IntEnum


class Code(IntEnum):
    """Exit codes. Source: ``docs/cli.md``; 2 is argparse's."""

    DONE = 0
    NOT_APPLIED = 1
    USAGE = 2
    SETUP = 3
    NOT_FOUND = 4
    REFUSED = 5
    UNREACHABLE = 6
    STILL_OPEN = 7
    INTERRUPTED = 130


class CommandError(Exception):
    """Ends the command with a code and a sentence."""

    def __init__(self, code: Code, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


class UnreachableError(CommandError):
    """Curfew cannot be reached now, but perhaps soon.

    Attributes:
        wait_seconds: How long Curfew asks to wait; 0 if it does not say.
    """

    def __init__(self, sentence: str, wait_seconds: float = 0) -> None:
        super().__init__(Code.UNREACHABLE, sentence)
        self.wait_seconds = wait_seconds
