"""Bytes off the wire -> plain values that are safe to keep.

A body may be anything: the upstream is not ours, and its text fields are typed by
people. What leaves this module can be stored in PostgreSQL and written as UTF-8.
"""

import json
import math
import re
from collections.abc import Iterator
from functools import lru_cache

type Json = bool | int | float | str | list[Json] | dict[str, Json] | None

MAX_DEPTH = 32
"""Levels of nesting kept; the documented answers need nine."""

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
_QUERY_MEMBER = re.compile(r"([?&;#])([^=&;#?\s]+)=([^&;#\s]*)")
_JSON_STRING_OR_BRACKET = re.compile(r'"(?:[^"\\]|\\.)*"?|[\[\]{}]', re.DOTALL)


def read_json(body: bytes) -> Json:
    """Read a JSON body, tolerantly.

    Invalid UTF-8, NUL and lone surrogates become U+FFFD, which neither PostgreSQL nor
    UTF-8 refuses. ``NaN``, ``Infinity`` and numbers too large to hold become None, as
    does what is nested deeper than ``MAX_DEPTH``. Of equal keys the last one wins.

    Args:
        body: Bytes as received, with or without a byte order mark.

    Returns:
        The value, all strings and keys cleaned.

    Raises:
        ValueError: The body is not JSON.
    """
    text = body.decode("utf-8-sig", errors="replace")
    try:
        value = _loads(text)
    except RecursionError:
        value = _loads(_without_depths(text))
    # JSON holds neither NUL nor surrogates but as escapes: most bodies are clean, and
    # copying them took longer than parsing.
    if _MAY_BE_UNSTORABLE.search(text) or _is_deeper(value, MAX_DEPTH):
        return _clean(value, depth=0)
    return value


def clean_text(text: str) -> str:
    """Text that PostgreSQL and UTF-8 can hold: NUL and surrogates become U+FFFD."""
    return _UNSTORABLE.sub(_REPLACEMENT, text)


@lru_cache(maxsize=4_096)
def is_secret_key(key: str) -> bool:
    """Whether a member of this name may hold a secret.

    Errs towards yes: for free maps, whose keys nobody documents.
    """
    words = _CAMEL_HUMP.sub("_", key).lower()
    words = re.sub(r"[^a-z0-9]+", "_", words)
    return bool(
        _SECRET_PARTS.search(words) or _SECRET_WORDS.intersection(words.split("_"))
    )


def redact(value: Json) -> Json:
    """A copy without members that may be secret, at any depth (see is_secret_key)."""
    if isinstance(value, dict):
        return {k: redact(v) for k, v in value.items() if not is_secret_key(k)}
    if isinstance(value, list):
        return [redact(element) for element in value]
    return value


def redact_address(text: str) -> str:
    """Take user, password and secret query members out of addresses in a text."""
    without_user = _USER_INFO.sub("", text)
    return _QUERY_MEMBER.sub(_without_secret_value, without_user)


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
    """Whether lists and objects are nested in more levels."""
    if not isinstance(value, list | dict):
        return False
    if levels == 0:
        return True
    members = value.values() if isinstance(value, dict) else value
    return any(
        _is_deeper(member, levels - 1)
        for member in members
        if isinstance(member, list | dict)
    )


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
    """Put null for what is nested too deeply for the JSON parser's stack."""
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
