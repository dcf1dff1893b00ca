"""The text of a token. Pure functions."""

import hashlib
import re
import secrets

PREFIX = "curfew_"
"""By this, scanners for leaked secrets find one."""

_TEXT = re.compile(rf"{PREFIX}[0-9a-f]{{64}}")


def new_secret() -> str:
    """A text of 256 random bits."""
    return f"{PREFIX}{secrets.token_hex(32)}"


def is_secret(text: str) -> bool:
    """Whether this looks like one."""
    return bool(_TEXT.fullmatch(text))


def digest_of(secret: str) -> str:
    """What is kept of it."""
    return hashlib.sha256(secret.encode()).hexdigest()
