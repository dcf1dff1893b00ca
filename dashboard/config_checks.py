"""Validators of single settings.

No message quotes a value that may contain a secret. The errors of the standard
library's parser do, so they are never passed on.
"""

import re
from email.utils import parseaddr
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit
from zoneinfo import available_timezones

from pydantic import SecretStr, ValidationInfo

from dashboard.modelarts.endpoints import is_loopback

ROLES = ("viewer", "scientist", "manager", "operator", "admin")
"""From the lowest to the highest: a person in several groups gets the highest."""

_ENCODE = (
    "is not a valid URL. In the username and password, write # as %23, / as %2F, ? as "
    "%3F, @ as %40 and : as %3A"
)
_PATH = re.compile(r"(/(?!\.+(/|$))[A-Za-z0-9._-]+)*")
_HOST = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*|\[[0-9A-Fa-f:.]+\]")


def split(value: Any) -> Any:
    """Split a comma-separated text."""
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


def pairs(value: Any) -> Any:
    """Parse ``a=b,c=d``."""
    if not isinstance(value, str):
        return value
    parts = [part.rpartition("=") for part in split(value)]
    return {name.strip(): target.strip() for name, _, target in parts}


def _address(value: str) -> SplitResult:
    """Parse a URL.

    A special character that is not encoded ends the host early. The rest then contains
    the ``@``, or is a fragment, which no URL here has.
    """
    try:
        parts = urlsplit(value)
        _ = parts.port
    except ValueError:
        raise ValueError(_ENCODE) from None
    more_at = parts.netloc.count("@") > 1 or "@" in parts.path + parts.query
    if parts.fragment or "#" in value or more_at:
        raise ValueError(_ENCODE)
    return parts


def database_url(value: str) -> str:
    if value.startswith("sqlite:"):
        return value
    if _address(value).scheme not in {"postgres", "postgresql"}:
        raise ValueError(
            "must start with sqlite:/// or postgres://, "
            "for example postgres://curfew:secret@localhost/curfew"
        )
    return value


def redis_url(value: str) -> str:
    parts = _address(value)
    if parts.scheme not in {"redis", "rediss"} or not parts.hostname:
        raise ValueError("must look like redis://localhost:6379/0")
    if parts.path.strip("/") and not parts.path.strip("/").isdigit():
        raise ValueError("must end with a database number, as in …:6379/0")
    return value


def data_dir(value: Any) -> Any:
    """Turn an empty text into None, and reject a relative path.

    Processes with different working directories share the directory.
    """
    if not value:
        return None
    if not Path(value).is_absolute():
        raise ValueError("must be an absolute path")
    return value


def _server(value: SecretStr, schemes: set[str], example: str) -> SecretStr:
    if not value:
        return value
    parts = _address(value.get_secret_value())
    rest = parts.path.strip("/") + parts.query
    if parts.scheme not in schemes or not parts.hostname or rest:
        raise ValueError(f"must look like {example}")
    return value


def mail_url(value: SecretStr) -> SecretStr:
    example = "smtp://user:password@mail.example.org:587"
    return _server(value, {"smtp", "smtps"}, example)


def mail_starttls(value: bool, info: ValidationInfo) -> bool:
    """Reject sending a password in clear."""
    server = info.data.get("mail_url")
    parts = urlsplit(server.get_secret_value() if server else "")
    if not value and parts.scheme == "smtps":
        raise ValueError("cannot be false with smtps://, which is always encrypted")
    if not value and parts.password and not is_loopback(parts.hostname or ""):
        raise ValueError(
            "would send the password in CURFEW_MAIL_URL unencrypted; remove the "
            "username and password, or leave STARTTLS on"
        )
    return value


def mail_from(value: str, info: ValidationInfo) -> str:
    """Require a sender if there is a mail server."""
    _, address = parseaddr(value)
    local, _, domain = address.rpartition("@")
    if info.data.get("mail_url") and not (local and domain and value.isprintable()):
        raise ValueError("must be an email address because CURFEW_MAIL_URL is set")
    return value


def proxy_url(value: SecretStr) -> SecretStr:
    return _server(value, {"http", "https"}, "http://proxy.example.org:3128")


def hosts(value: list[str]) -> list[str]:
    for host in value:
        if host == "*" or _HOST.fullmatch(host.removeprefix(".")):
            continue
        raise ValueError(
            f"contains {host!r}, which is not a host name; write it without https://, "
            "port and path, as in curfew.example.org"
        )
    return value


def allowed_hosts(value: list[str]) -> list[str]:
    if not value:
        raise ValueError("must contain a host name, such as curfew.example.org")
    return hosts(value)


def webhook_hosts(value: list[str]) -> list[str]:
    for host in value:
        if host.startswith((".", "*")):
            raise ValueError(f"contains {host!r}; write each host name in full")
    return hosts(value)


def origins(value: list[str]) -> list[str]:
    for origin in value:
        scheme, _, host = origin.partition("://")
        name, colon, port = host.removeprefix("*").partition(":")
        if (
            scheme not in {"https", "http"}
            or not _HOST.fullmatch(name.removeprefix("."))
            or (colon and not port.isdigit())
        ):
            raise ValueError(
                f"contains {origin!r}, which is not an origin; write it with its "
                "scheme and without a path, as in https://curfew.example.org"
            )
    return value


def secret_key(value: SecretStr) -> SecretStr:
    """Reject what Django's check ``security.W009`` would complain about later."""
    text = value.get_secret_value()
    if len(text) < 50 or len(set(text)) < 5:
        raise ValueError("too short or too regular")
    return value


def site_url(value: str) -> str:
    if not value:
        return value
    parts = _address(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query:
        raise ValueError("must look like https://curfew.example.org")
    if not _PATH.fullmatch(parts.path.rstrip("/")):
        raise ValueError(
            "has a path that cannot be served; write it without special characters, "
            "as in https://www.example.org/curfew"
        )
    return value.rstrip("/")


def issuer(value: str) -> str:
    if not value:
        return value
    parts = _address(value)
    is_safe = parts.scheme == "https" or (
        parts.scheme == "http" and is_loopback(parts.hostname or "")
    )
    if not is_safe or not parts.hostname or parts.query:
        raise ValueError(
            "must be the issuer URL of an OpenID provider, exactly as in its discovery "
            "document, starting with https://"
        )
    return value


def with_issuer(value: Any, info: ValidationInfo) -> Any:
    """Require a value if there is an issuer."""
    text = value.get_secret_value() if isinstance(value, SecretStr) else value
    if info.data.get("oidc_issuer") and not text:
        raise ValueError("is required because CURFEW_OIDC_ISSUER is set")
    return value


def roles(value: dict[str, str]) -> dict[str, str]:
    for group, role in value.items():
        if not group or role not in ROLES:
            raise ValueError(
                "must look like curfew-admins=admin,data-science=scientist; "
                f"roles are {', '.join(ROLES)}"
            )
    return value


def role_names(value: list[str]) -> list[str]:
    if unknown := [name for name in value if name not in ROLES]:
        raise ValueError(
            f"contains {unknown[0]!r}, which is not a role; use {', '.join(ROLES)}"
        )
    return value


def lead_times(value: list[int]) -> list[int]:
    """Sort lead times in minutes, the longest first; 1 to 1440 each."""
    if not value or not all(1 <= minutes <= 1_440 for minutes in value):
        raise ValueError("must be minutes from 1 to 1440, for example 60,15")
    return sorted(set(value), reverse=True)


def time_zone(value: str) -> str:
    if value not in available_timezones():
        raise ValueError("must be a time zone such as Europe/Berlin")
    return value
