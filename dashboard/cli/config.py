"""URL and token, from the environment or a file and never from an argument.

Everyone on the machine can read arguments in the list of processes.
"""

import ipaddress
import os
import stat
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from .errors import Code, CommandError

DEFAULT_FILE = "~/.config/curfew/config.toml"


class Config(NamedTuple):
    url: str
    token: str


def read(environ: Mapping[str, str] = os.environ) -> Config:
    """Read URL and token from the environment, or else from the file.

    Raises:
        CommandError: A value is missing, or other users can read the file.
    """
    url, token = environ.get("CURFEW_URL", ""), environ.get("CURFEW_TOKEN", "")
    path = Path(environ.get("CURFEW_CONFIG") or DEFAULT_FILE).expanduser()
    if not (url and token) and path.exists():
        stored = _stored(path)
        url, token = url or stored.get("url", ""), token or stored.get("token", "")
    if not url or not token:
        raise CommandError(
            Code.SETUP,
            "Set CURFEW_URL and CURFEW_TOKEN, or write url and token into "
            f"{path}, readable by you alone.",
        )
    if not (token.isascii() and token.isprintable()):
        raise CommandError(
            Code.SETUP, "CURFEW_TOKEN is not a valid token. Copy it again."
        )
    return Config(_safe(url.rstrip("/")), token)


def _stored(path: Path) -> dict[str, str]:
    if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise CommandError(
            Code.SETUP, f"Other users can read {path}. Run: chmod 600 {path}"
        )
    try:
        stored = tomllib.loads(path.read_text())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        # Only the kind of error: its message may quote the token.
        kind = type(error).__name__
        raise CommandError(Code.SETUP, f"Cannot read {path} ({kind}).") from None
    return {name: str(stored[name]) for name in ("url", "token") if name in stored}


def _safe(url: str) -> str:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise CommandError(Code.SETUP, "CURFEW_URL is malformed.") from None
    if parts.scheme == "https" and parts.hostname:
        return url
    if parts.scheme == "http" and _is_this_machine(parts.hostname or ""):
        return url
    raise CommandError(
        Code.SETUP,
        "CURFEW_URL must start with https:// to protect the token.",
    )


def _is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
