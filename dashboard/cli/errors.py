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


class TokenRefusedError(CommandError):
    """The site answers and refuses the token, or this owner's use of any."""


class UnreachableError(CommandError):
    """Curfew cannot be reached now.

    Attributes:
        wait_seconds: From ``Retry-After``; 0 without one.
    """

    def __init__(self, sentence: str, wait_seconds: float = 0) -> None:
        super().__init__(Code.UNREACHABLE, sentence)
        self.wait_seconds = wait_seconds
