"""The tolerant reading of upstream members, for ``schemas``.

A member of the wrong type is no reason to lose an instance: it becomes None and its
path is noted. Numbers may come as strings and strings as numbers.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Annotated, Any, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    field_validator,
)

from dashboard.modelarts import json_reader

_INT64 = 2**63
_FIRST_MOMENT_MS = 946_684_800_000  # 2000: what is less was told in seconds
_LAST_MOMENT_MS = 253_402_300_799_999  # end of the year 9999: datetime's own limit
_LONGEST_SECONDS = 10**10  # about 300 years: still fits datetime arithmetic


class Reading:
    """Where we are inside one document, and what could not be read there."""

    _current: ContextVar["Reading | None"] = ContextVar("reading", default=None)

    def __init__(self) -> None:
        self.path: list[str] = []
        self.problems: list[str] = []

    @classmethod
    @contextmanager
    def begun(cls) -> Iterator[Self]:
        """Collect the problems of everything validated inside the block."""
        reading = cls()
        previous = cls._current.set(reading)
        try:
            yield reading
        finally:
            cls._current.reset(previous)

    @classmethod
    def current(cls) -> "Reading":
        """The reading under way, or a throwaway one outside any block."""
        return cls._current.get() or Reading()

    @contextmanager
    def at(self, name: str) -> Iterator[None]:
        """Inside the member of this name."""
        self.path.append(name)
        try:
            yield
        finally:
            self.path.pop()

    def note(self) -> None:
        """The member we are at could not be read."""
        path = ".".join(self.path)
        if path not in self.problems:
            self.problems.append(path)


class LenientModel(BaseModel):
    """Base of everything that is read from an answer.

    Unknown members are ignored, and a member that cannot be read becomes None. So
    every field of a subclass has the default None, unless nothing works without it.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    @field_validator("*", mode="wrap")
    @classmethod
    def _forgive(
        cls, value: Any, read: ValidatorFunctionWrapHandler, info: ValidationInfo
    ) -> Any:
        name = info.field_name or ""
        # Not ``reading.at``: called for each member of each instance of a listing, a
        # context manager is most of the reading.
        reading = Reading.current()
        reading.path.append(name)
        try:
            return read(value)
        except ValidationError:
            if cls.model_fields[name].is_required():
                raise
            reading.note()
            return None
        finally:
            reading.path.pop()


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return None if value is None else json_reader.clean_text(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    raise ValueError("not a text")


def _whole(value: Any) -> int | None:
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
    number = _whole(value)
    if number is not None and not _FIRST_MOMENT_MS <= number <= _LAST_MOMENT_MS:
        raise ValueError("not a moment")
    return number


def _seconds(value: Any) -> int | None:
    number = _whole(value)
    if number is not None and abs(number) > _LONGEST_SECONDS:
        raise ValueError("not a sensible number of seconds")
    return number


def _flag(value: Any) -> bool | None:
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


def _free_map(value: Any) -> dict[str, json_reader.Json] | None:
    if value is None:
        return None
    if not isinstance(value, dict):
        raise ValueError("not a map")
    return {
        str(key): _freed(member) for key, member in value.items() if member is not None
    }


def _freed(value: json_reader.Json) -> json_reader.Json:
    if isinstance(value, str):
        return json_reader.redact_address(value)
    if isinstance(value, dict):
        return {key: _freed(member) for key, member in value.items()}
    if isinstance(value, list):
        return [_freed(member) for member in value]
    return value


def _text_map(value: Any) -> dict[str, str] | None:
    members = _free_map(value)
    if members is None:
        return None
    reading = Reading.current()
    texts = {}
    for key, member in members.items():
        if isinstance(member, bool):
            texts[key] = "true" if member else "false"
        elif isinstance(member, str | int | float):
            texts[key] = str(member)
        else:
            with reading.at(key):
                reading.note()
    return texts


Text = Annotated[str | None, BeforeValidator(_text)]
"""A string; a number is written out."""

Whole = Annotated[int | None, BeforeValidator(_whole)]
"""A whole number of 64 bits; read from a string, too."""

MomentMs = Annotated[int | None, BeforeValidator(_moment)]
"""Unix time in milliseconds, from a string or number: the years 2000 to 9999."""

Seconds = Annotated[int | None, BeforeValidator(_seconds)]
"""A span in whole seconds, short enough for datetime arithmetic."""

Flag = Annotated[bool | None, BeforeValidator(_flag)]
"""A boolean; read from its name or from 0 and 1, too."""

Address = Annotated[str | None, BeforeValidator(_address)]
"""An address, freed of user, password and secret query members."""

Message = Annotated[str | None, BeforeValidator(_address)]
"""The cloud's own words; addresses that they quote are freed like an ``Address``."""

TextMap = Annotated[dict[str, str] | None, BeforeValidator(_text_map)]
"""Free map of texts, without members that may be secret."""

FreeMap = Annotated[dict[str, Any] | None, BeforeValidator(_free_map)]
"""Free map of anything, without members that may be secret."""
