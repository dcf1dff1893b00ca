"""Turns an HTTP answer into a document or an error.

The status decides first, then the code: some codes mean different things under
different statuses (ModelArts API Reference, "Error Codes").
"""

import math
import re
import time
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import NamedTuple

import httpx

from dashboard.modelarts import json_reader
from dashboard.modelarts.codes import Kind, Meaning, meaning_of
from dashboard.modelarts.errors import (
    AmbiguousError,
    AuthenticationError,
    InstanceNotFoundError,
    InvalidInputError,
    ModelArtsError,
    NotServedError,
    PermissionRefusedError,
    RefusedError,
    StateRefusedError,
    ThrottledError,
)
from dashboard.modelarts.messages import Problem

MAX_RETRY_AFTER_SECONDS = 60.0
"""Longest wait that upstream may ask for; a longer one is cut."""

_MESSAGE_LENGTH = 300
_NAME_LENGTH = 128
_CODE_KEYS = ("error_code", "errorCode", "code")
_MESSAGE_KEYS = ("error_message", "error_msg", "errorMsg", "message")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
# No readable word is that long, but a token or a key is.
_LONG_RUN = re.compile(r"[A-Za-z0-9+/_=-]{60,}")

_ERRORS: dict[Kind, type[ModelArtsError]] = {
    Kind.INPUT: InvalidInputError,
    Kind.STATE: StateRefusedError,
    Kind.GONE: InstanceNotFoundError,
    # 408, 429 and 5xx are handled before. The rest, such as sold-out hardware, is final
    # for this call: a person decides when to try again.
    Kind.LATER: RefusedError,
    Kind.CREDENTIALS: AuthenticationError,
    Kind.PERMISSION: PermissionRefusedError,
    Kind.OPERATOR: RefusedError,
}
_NOT_SERVED = frozenset({404, 405, 410})
_BY_STATUS: dict[int, tuple[type[ModelArtsError], Problem]] = {
    401: (AuthenticationError, Problem.CREDENTIALS_REFUSED),
    403: (PermissionRefusedError, Problem.FORBIDDEN),
    409: (StateRefusedError, Problem.STATE_CONFLICT),
    413: (InvalidInputError, Problem.REQUEST_TOO_LARGE),
    414: (InvalidInputError, Problem.REQUEST_TOO_LARGE),
    422: (InvalidInputError, Problem.BAD_VALUE),
}


class ErrorBody(NamedTuple):
    """The content of an error body; None for members that it does not have."""

    code: str | None = None
    message: str | None = None
    request_id: str | None = None


def read_document(response: httpx.Response) -> dict[str, json_reader.Json]:
    """Return the JSON object of a successful answer that has been read.

    Raises:
        AmbiguousError: The body is not a JSON object.
    """
    try:
        document = json_reader.read_json(response.content)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise unreadable(response)
    return document


def unreadable(response: httpx.Response) -> AmbiguousError:
    """Return the error for a successful answer with an undocumented body."""
    return AmbiguousError(
        Problem.UNREADABLE,
        status=response.status_code,
        request_id=_request_id(response, ErrorBody()),
    )


def error_from(
    response: httpx.Response,
    *,
    about_instance: bool = False,
    special: Mapping[Problem, Meaning] | None = None,
) -> ModelArtsError:
    """Return the error for a 3xx, 4xx or 5xx answer.

    Args:
        response: Already read, as far as possible.
        about_instance: Whether a 404 without a code means that the instance does not
            exist.
        special: What some problems mean for this call alone.
    """
    status = response.status_code
    body = read_error_body(response.content)
    kind, message = _classify(response, body, about_instance)
    if special and message in special:
        kind, message = _ERRORS[special[message].kind], special[message].message
    return kind(
        message,
        status=status,
        error_code=body.code,
        upstream_message=body.message,
        request_id=_request_id(response, body),
        retry_after_seconds=retry_after_seconds(response.headers),
    )


def read_error_body(body: bytes) -> ErrorBody:
    """Read the error body of ModelArts, its gateway or IAM.

    It may have any of the documented structures, be HTML or be empty. All members of
    the result are None unless it is a JSON object.
    """
    try:
        document = json_reader.read_json(body)
    except ValueError:
        return ErrorBody()
    if not isinstance(document, dict):
        return ErrorBody()
    levels = [document, *(v for v in document.values() if isinstance(v, dict))]
    return ErrorBody(
        code=_first_name(levels, _CODE_KEYS),
        message=_first_message(levels),
        request_id=_first_name(levels, ("request_id", "requestId")),
    )


def retry_after_seconds(headers: httpx.Headers) -> float | None:
    """Return the seconds of the Retry-After header, 0 to 60; None without one.

    A date is relative to the ``Date`` header.
    """
    text = headers.get("Retry-After", "").strip()
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        moment_ms = http_date_ms(text)
        if moment_ms is None:
            return None
        now_ms = http_date_ms(headers.get("Date", "")) or time.time_ns() // 1_000_000
        seconds = (moment_ms - now_ms) / 1_000
    if math.isnan(seconds):
        return None
    return min(max(seconds, 0.0), MAX_RETRY_AFTER_SECONDS)


def http_date_ms(text: str) -> int | None:
    """Return the Unix milliseconds of an HTTP date; None if it is malformed."""
    try:
        moment = parsedate_to_datetime(text)
        return int(moment.replace(tzinfo=moment.tzinfo or UTC).timestamp() * 1_000)
    except (ValueError, OverflowError):
        return None


def clean_message(text: str) -> str:
    """Return a message as one short line without control characters or long keys."""
    line = " ".join(_UNPRINTABLE.sub(" ", json_reader.redact_address(text)).split())
    line = _LONG_RUN.sub("…", line)
    return line if len(line) <= _MESSAGE_LENGTH else line[: _MESSAGE_LENGTH - 1] + "…"


def _classify(
    response: httpx.Response, body: ErrorBody, about_instance: bool
) -> tuple[type[ModelArtsError], Problem]:
    status = response.status_code
    meaning = meaning_of(status, body.code)
    waits = retry_after_seconds(response.headers) is not None
    if status == 429 or (status == 503 and waits):
        return ThrottledError, _transient_message(meaning, Problem.BUSY)
    if status >= 500 or status == 408:
        return AmbiguousError, _transient_message(meaning, Problem.SERVER_ERROR)
    if status < 400:
        return RefusedError, Problem.REDIRECTED
    if meaning is not None and meaning.message is Problem.WRONG_ADDRESS:
        return NotServedError, meaning.message
    if meaning is None and status in _NOT_SERVED:
        from_gateway = (body.code or "").startswith("APIG")
        if status == 404 and about_instance and not from_gateway:
            return InstanceNotFoundError, Problem.GONE
        return NotServedError, Problem.NO_MODELARTS
    if meaning is not None:
        return _ERRORS[meaning.kind], meaning.message
    return _BY_STATUS.get(status, (RefusedError, Problem.REFUSED))


def _transient_message(meaning: Meaning | None, default: Problem) -> Problem:
    return meaning.message if meaning and meaning.kind is Kind.LATER else default


def _request_id(response: httpx.Response, body: ErrorBody) -> str | None:
    return body.request_id or _name(response.headers.get("X-Request-Id"))


def _first_name(
    levels: list[dict[str, json_reader.Json]], keys: tuple[str, ...]
) -> str | None:
    names = (_name(level.get(key)) for level in levels for key in keys)
    return next((name for name in names if name), None)


def _first_message(levels: list[dict[str, json_reader.Json]]) -> str | None:
    texts = (level.get(key) for level in levels for key in _MESSAGE_KEYS)
    return next(
        (clean_message(text) for text in texts if text and isinstance(text, str)), None
    )


def _name(value: json_reader.Json) -> str | None:
    """Return a printable code or id, shortened; None for anything else."""
    if not isinstance(value, str) or not value.isprintable():
        return None
    return value[:_NAME_LENGTH].strip() or None
