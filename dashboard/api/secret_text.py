import hashlib
import re
import secrets

PREFIX = "curfew_"
"""Scanners for leaked secrets recognize tokens by this."""

_TEXT = re.compile(rf"{PREFIX}[0-9a-f]{{64}}")


def new_secret() -> str:
    """Return a new token of 256 random bits."""
    return f"{PREFIX}{secrets.token_hex(32)}"


def is_secret(text: str) -> bool:
    return bool(_TEXT.fullmatch(text))


def digest_of(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
