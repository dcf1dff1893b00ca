"""Parses JSON bodies into plain values that can be stored.

A body may contain anything: upstream is not ours, and people type its texts. The values
that this module returns can be stored in PostgreSQL and written as UTF-8.
"""

import json
import math
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

type Json = bool | int | float | str | list[Json] | dict[str, Json] | None

MAX_DEPTH = 32
"""Levels of nesting that are kept; the documented answers have nine."""

_CONTAINERS = frozenset({dict, list})
_REPLACEMENT = "\ufffd"
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_MAY_BE_UNSTORABLE = re.compile(r"\\u(?:0000|[dD][89a-fA-F])")
_MAX_DIGITS = 40  # beyond this int() gets slow, and beyond 4 300 it raises

_SECRET_WORDS = frozenset({"ak", "sk", "pat", "pwd"})
_SECRET_PARTS = re.compile(
    r"secret|token|passw|passphrase|credential|private|authori[sz]ation|cookie"
    r"|access_?key|api_?key|ssh_?key"
)
_CAMEL_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_USER_INFO = re.compile(r"(?<=://)[^/?#\s]*@")
_HOST_NAME = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)+")
_PLAIN_PATH = re.compile(r"[A-Za-z0-9._~/-]*")
_QUERY_MEMBER = re.compile(r"([?&;#])([^=&;#?\s]+)=([^&;#\s]*)")
_JSON_STRING_OR_BRACKET = re.compile(r'"(?:[^"\\]|\\.)*"?|[\[\]{}]', re.DOTALL)


def read_json(body: bytes) -> Json:
    """Parse a JSON body leniently; a byte order mark is ignored.

    Invalid UTF-8, NUL and lone surrogates become U+FFFD, which PostgreSQL and UTF-8
    accept. ``NaN``, ``Infinity``, numbers that are too large and values nested deeper
    than ``MAX_DEPTH`` become None. The last of equal keys wins.

    Raises:
        ValueError: The body is not JSON.
    """
    text = body.decode("utf-8-sig", errors="replace")
    try:
        value = _loads(text)
    except RecursionError:
        value = _loads(_without_depths(text))
    # JSON contains NUL and surrogates only as escapes. Most bodies have none, and
    # copying them takes longer than parsing.
    if _MAY_BE_UNSTORABLE.search(text) or _is_deeper(value, MAX_DEPTH):
        return _clean(value, depth=0)
    return value


def clean_text(text: str) -> str:
    """Replace NUL and surrogates, which PostgreSQL or UTF-8 refuse, by U+FFFD."""
    return _UNSTORABLE.sub(_REPLACEMENT, text)


@lru_cache(maxsize=4_096)
def is_secret_key(key: str) -> bool:
    """Return whether a member with this name may be a secret.

    In doubt it returns True, since the keys of free maps are not documented.
    """
    words = _CAMEL_HUMP.sub("_", key).lower()
    words = re.sub(r"[^a-z0-9]+", "_", words)
    return bool(
        _SECRET_PARTS.search(words) or _SECRET_WORDS.intersection(words.split("_"))
    )


def redact(value: Json) -> Json:
    """Return a copy without members that may be secret, at any depth."""
    if isinstance(value, dict):
        return {k: redact(v) for k, v in value.items() if not is_secret_key(k)}
    if isinstance(value, list):
        return [redact(element) for element in value]
    return value


def redact_address(text: str) -> str:
    """Remove users, passwords and secret query members from addresses in a text."""
    without_user = _USER_INFO.sub("", text)
    return _QUERY_MEMBER.sub(_without_secret_value, without_user)


def page_address(text: str) -> str:
    """Return scheme, host and path of an ``https`` address; empty for any other text.

    What else an address may have can be a secret: user, query, parameters, fragment.
    """
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return ""
    if parts.scheme != "https" or not _HOST_NAME.fullmatch(parts.hostname or ""):
        return ""
    if not _PLAIN_PATH.fullmatch(parts.path):
        return ""
    return f"https://{parts.hostname}{f':{port}' if port else ''}{parts.path}"


def _without_secret_value(member: re.Match[str]) -> str:
    mark, name, _ = member.groups()
    return f"{mark}{name}=" if is_secret_key(name) else member.group()


def _loads(text: str) -> Json:
    value: Json = json.loads(
        text,
        parse_int=_whole_number,
        parse_float=_finite_number,
        parse_constant=lambda _: None,
    )
    return value


def _whole_number(digits: str) -> int | None:
    return int(digits) if len(digits) <= _MAX_DIGITS else None


def _finite_number(digits: str) -> float | None:
    number = float(digits)
    return number if math.isfinite(number) else None


def _is_deeper(value: Json, levels: int) -> bool:
    """Return whether lists and objects are nested in more levels."""
    # Level by level: calling itself for each of a listing's objects would take longer
    # than parsing them.
    level: list[Any] = [value] if type(value) in _CONTAINERS else []
    for _ in range(levels):
        if not level:
            return False
        level = [
            member
            for parent in level
            for member in (parent.values() if type(parent) is dict else parent)
            if type(member) in _CONTAINERS
        ]
    return bool(level)


def _clean(value: Json, *, depth: int) -> Json:
    if isinstance(value, str):
        return clean_text(value)
    if not isinstance(value, list | dict):
        return value
    if depth >= MAX_DEPTH:
        return None
    if isinstance(value, list):
        return [_clean(element, depth=depth + 1) for element in value]
    return {clean_text(k): _clean(v, depth=depth + 1) for k, v in value.items()}


def _without_depths(text: str) -> str:
    """Replace values nested too deeply for the JSON parser's stack by null."""
    return "".join(_shallow_parts(text))


def _shallow_parts(text: str) -> Iterator[str]:
    depth = 0
    kept_until = 0
    for match in _JSON_STRING_OR_BRACKET.finditer(text):
        bracket = match.group()
        if bracket in "[{":
            depth += 1
            if depth == MAX_DEPTH + 1:
                yield text[kept_until : match.start()] + "null"
        elif bracket in "]}":
            if depth == MAX_DEPTH + 1:
                kept_until = match.end()
            depth -= 1
    if depth <= MAX_DEPTH:
        yield text[kept_until:]
