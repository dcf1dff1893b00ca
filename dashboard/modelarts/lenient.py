"""Lenient fields and models for ``schemas`` and ``notebook_schemas``.

A member with the wrong type becomes None and its path is recorded, so that the rest of
the instance can be read. Numbers may be strings, and strings numbers.
"""

from collections.abc import Callable
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from dashboard.modelarts import json_reader

_UNREADABLE_KEYS = "unreadable_keys"

_INT64 = 2**63
_FIRST_MOMENT_MS = 946_684_800_000  # the year 2000: a smaller number is in seconds
_LAST_MOMENT_MS = 253_402_300_799_999  # end of the year 9999, datetime's limit
_MAX_SECONDS = 10**10  # about 300 years: works in datetime arithmetic
_MAX_MS = _MAX_SECONDS * 1_000


class LenientModel(BaseModel):
    """Base of the models for answers; ``read`` reads a document with one.

    Unknown members are ignored, and a member that cannot be read becomes None. So every
    field has the default None, unless the document is useless without it.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)


def read[M](validate: Callable[[Any], M], document: Any) -> tuple[M, list[str]]:
    """Read a document without the members that cannot be read.

    Most documents have none of these. So they are removed after a failed attempt: a
    validator around each field, which would skip its errors, takes as long again as all
    others.

    Args:
        validate: ``model_validate`` of a lenient model.
        document: The members that cannot be read are removed from it.

    Returns:
        What was read, and the paths of the removed members, such as ``spec.storage``.

    Raises:
        ValidationError: A member without which the document is useless is missing.
    """
    problems: dict[str, None] = {}
    while True:
        try:
            return validate(document), list(problems)
        except ValidationError as error:
            removed = [
                path
                for unread in error.errors(include_url=False, include_input=False)
                for path in _unreadable_members(unread)
                if _remove(document, path)
            ]
            if not removed:
                raise
        problems |= dict.fromkeys(
            ".".join(step for step in path if isinstance(step, str)) for path in removed
        )


def _unreadable_members(error: ErrorDetails) -> list[tuple[int | str, ...]]:
    path = error["loc"]
    while path and isinstance(path[-1], int):
        # A list with an element that cannot be read is removed.
        path = path[:-1]
    if error["type"] == _UNREADABLE_KEYS:
        return [(*path, key) for key in error["ctx"]["keys"]]
    return [path]


def _remove(document: Any, path: tuple[int | str, ...]) -> bool:
    """Remove a member of a document, if it has one at this path."""
    *parents, name = path or (None,)
    for step in parents:
        if isinstance(document, dict) and step not in document:
            # It was removed with a list.
            return False
        document = document[step]
    if not isinstance(document, dict) or name not in document:
        return False
    del document[name]
    return True


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return None if value is None else json_reader.clean_text(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    raise ValueError("not a text")


def integer(value: Any) -> int | None:
    """Return a whole number, also from a string; None for an absent one.

    Raises:
        ValueError: It is something else, or has more than 64 bits.
    """
    if value is None or value == "":
        return None
    number = _number(value)
    if not -_INT64 <= number < _INT64:
        raise ValueError("number out of range")
    return number


def _number(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and len(value) <= 24:
        return int(value)
    raise ValueError("not a whole number")


def _moment(value: Any) -> int | None:
    number = integer(value)
    if number is not None and not _FIRST_MOMENT_MS <= number <= _LAST_MOMENT_MS:
        raise ValueError("not a moment")
    return number


def _seconds(value: Any) -> int | None:
    number = integer(value)
    if number is not None and abs(number) > _MAX_SECONDS:
        raise ValueError("not a sensible number of seconds")
    return number


def _milliseconds(value: Any) -> int | None:
    number = integer(value)
    if number is not None and abs(number) > _MAX_MS:
        raise ValueError("not a sensible number of milliseconds")
    return number


def _boolean(value: Any) -> bool | None:
    if value is None or isinstance(value, bool):
        return value
    known = {"true": True, "1": True, "false": False, "0": False}
    try:
        return known[str(value).strip().lower()]
    except KeyError:
        raise ValueError("neither true nor false") from None


def _address(value: Any) -> str | None:
    text = _text(value)
    return None if text is None else json_reader.redact_address(text)


def _page_address(value: Any) -> str | None:
    return json_reader.page_address(_text(value) or "") or None


def _instance_id(value: Any) -> str:
    text = str(value) if type(value) is int else value
    if not isinstance(text, str):
        raise ValueError("no id")
    # The id becomes part of paths, ours and the cloud's. An id that could not be
    # decoded cannot be requested.
    unusable = "/" in text or "\N{REPLACEMENT CHARACTER}" in text
    if unusable or not text.isprintable() or text.strip(". ") != text:
        raise ValueError("unusable id")
    return text


def _free_map(value: Any) -> dict[str, json_reader.Json] | None:
    if value is None:
        return None
    if not isinstance(value, dict):
        raise ValueError("not a map")
    return {
        str(key): _redacted_member(member)
        for key, member in value.items()
        if member is not None
    }


def _redacted_member(value: json_reader.Json) -> json_reader.Json:
    if isinstance(value, str):
        return json_reader.redact_address(value)
    if isinstance(value, dict):
        return {key: _redacted_member(member) for key, member in value.items()}
    if isinstance(value, list):
        return [_redacted_member(member) for member in value]
    return value


def _text_map(value: Any) -> dict[str, str] | None:
    members = _free_map(value)
    if members is None:
        return None
    texts, unreadable = {}, []
    for key, member in members.items():
        if isinstance(member, bool):
            texts[key] = "true" if member else "false"
        elif isinstance(member, str | int | float):
            texts[key] = str(member)
        else:
            unreadable.append(key)
    if unreadable:
        raise PydanticCustomError(
            _UNREADABLE_KEYS, "not only texts", {"keys": unreadable}
        )
    return texts


InstanceId = Annotated[
    str, BeforeValidator(_instance_id), Field(min_length=1, max_length=128)
]
"""The id of an instance: at most 128 printable characters, no slash."""

Text = Annotated[str | None, BeforeValidator(_text)]
"""A string; a number becomes one."""

Integer = Annotated[int | None, BeforeValidator(integer)]
"""A whole number of 64 bits, also from a string."""

MomentMs = Annotated[int | None, BeforeValidator(_moment)]
"""Unix time in milliseconds, from a string or number; in the years 2000 to 9999."""

Seconds = Annotated[int | None, BeforeValidator(_seconds)]
"""A duration in whole seconds, short enough for datetime arithmetic."""

Milliseconds = Annotated[int | None, BeforeValidator(_milliseconds)]
"""A duration in milliseconds, short enough for datetime arithmetic."""

Boolean = Annotated[bool | None, BeforeValidator(_boolean)]
"""A boolean, also from its name or from 0 and 1."""

Address = Annotated[str | None, BeforeValidator(_address)]
"""Text with addresses, without their users, passwords and secret query members."""

PageAddress = Annotated[str | None, BeforeValidator(_page_address)]
"""An ``https`` address of a page: host and path alone; None for any other text."""

TextMap = Annotated[dict[str, str] | None, BeforeValidator(_text_map)]
"""Free map of texts; ``Instance`` drops members that may be secret."""

FreeMap = Annotated[dict[str, Any] | None, BeforeValidator(_free_map)]
"""Free map of JSON values, as in ``TextMap``."""
