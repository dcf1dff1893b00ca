"""From an HTTP answer to a value, or to the error it stands for.

Decided by status first, then by code, as "Error Codes" of the ModelArts API Reference
needs: the same code means different things under different statuses.
"""

import math
import re
import time
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import NamedTuple

import httpx

from dashboard.modelarts import json_reader, messages
from dashboard.modelarts.codes import Kind, Meaning, meaning_of
from dashboard.modelarts.errors import (
    AmbiguousError,
    AuthenticationError,
    InstanceNotFoundError,
    InvalidInputError,
    ModelArtsError,
    PermissionRefusedError,
    RefusedError,
    StateRefusedError,
    ThrottledError,
)

MAX_RETRY_AFTER_SECONDS = 60.0
"""Longest wait that upstream may ask for; more is cut to this."""

_MESSAGE_LENGTH = 300
_NAME_LENGTH = 128
_CODE_KEYS = ("error_code", "errorCode", "code")
_MESSAGE_KEYS = ("error_message", "error_msg", "errorMsg", "message")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
# Nothing a person reads is that long; a token or a key is.
_LONG_RUN = re.compile(r"[A-Za-z0-9+/_=-]{60,}")

_ERRORS: dict[Kind, type[ModelArtsError]] = {
    Kind.INPUT: InvalidInputError,
    Kind.STATE: StateRefusedError,
    Kind.GONE: InstanceNotFoundError,
    Kind.LATER: RefusedError,
    Kind.CREDENTIALS: AuthenticationError,
    Kind.PERMISSION: PermissionRefusedError,
    Kind.OPERATOR: RefusedError,
}
_BY_STATUS: dict[int, Meaning] = {
    401: Meaning(Kind.CREDENTIALS, messages.CREDENTIALS_REFUSED),
    403: Meaning(Kind.PERMISSION, messages.FORBIDDEN),
    409: Meaning(Kind.STATE, messages.STATE_CONFLICT),
    413: Meaning(Kind.INPUT, messages.REQUEST_TOO_LARGE),
    414: Meaning(Kind.INPUT, messages.REQUEST_TOO_LARGE),
    422: Meaning(Kind.INPUT, messages.BAD_VALUE),
}
_GONE = Meaning(Kind.GONE, messages.GONE)
_REFUSED = Meaning(Kind.OPERATOR, messages.REFUSED)
_NO_SUCH_API = Meaning(Kind.OPERATOR, messages.NO_MODELARTS)
_REDIRECT = Meaning(Kind.OPERATOR, messages.REDIRECTED)


class ErrorBody(NamedTuple):
    """What an error body of any of the documented shapes says; None where silent."""

    code: str | None = None
    message: str | None = None
    request_id: str | None = None


def read_document(response: httpx.Response) -> dict[str, json_reader.Json]:
    """Return the JSON object of a successful answer that was read.

    Raises:
        AmbiguousError: The body is no JSON object.
    """
    try:
        document = json_reader.read_json(response.content)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise unreadable(response)
    return document


def unreadable(response: httpx.Response) -> AmbiguousError:
    """Return the error for a successful answer in an undocumented shape."""
    return AmbiguousError(
        messages.UNREADABLE,
        status=response.status_code,
        request_id=_request_id(response, ErrorBody()),
    )


def error_from(
    response: httpx.Response, *, about_instance: bool = False
) -> ModelArtsError:
    """Return the error that a 3xx, 4xx or 5xx answer stands for.

    Args:
        response: Already read, as far as it could be.
        about_instance: Whether the path named an instance, so that a bare 404 means
            that instance.
    """
    status = response.status_code
    body = read_error_body(response.content)
    meaning = meaning_of(status, body.code)
    kind, message = _classify(response, body, meaning, about_instance)
    return kind(
        message,
        status=status,
        error_code=body.code,
        upstream_message=body.message,
        request_id=_request_id(response, body),
        retry_after_seconds=retry_after_seconds(response.headers),
    )


def is_credentials_refusal(response: httpx.Response) -> bool:
    """Whether the cloud refuses our credentials, so that a new token may help."""
    return isinstance(error_from(response), AuthenticationError)


def read_error_body(body: bytes) -> ErrorBody:
    """Read the error body of ModelArts, of its gateway or of IAM.

    Args:
        body: JSON of any documented shape, HTML, or nothing.

    Returns:
        All None for what is no such JSON; nobody should be shown a page of HTML.
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
    """Return the seconds of a Retry-After header, 0 to 60; None if it has none.

    A date in it is relative to the ``Date`` header.
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
    response: httpx.Response,
    body: ErrorBody,
    meaning: Meaning | None,
    about_instance: bool,
) -> tuple[type[ModelArtsError], str]:
    status = response.status_code
    waits = retry_after_seconds(response.headers) is not None
    if status == 429 or (status == 503 and waits):
        return ThrottledError, _transient_message(meaning, messages.BUSY)
    if status >= 500 or status == 408:
        return AmbiguousError, _transient_message(meaning, messages.SERVER_ERROR)
    if status < 400:
        meaning = _REDIRECT
    if meaning is None and status == 404:
        gone = about_instance and not (body.code or "").startswith("APIG")
        meaning = _GONE if gone else _NO_SUCH_API
    meaning = meaning or _BY_STATUS.get(status, _REFUSED)
    return _ERRORS[meaning.kind], meaning.message


def _transient_message(meaning: Meaning | None, default: str) -> str:
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
    """A code or an id: short, one printable word, or nothing."""
    if not isinstance(value, str) or not value.isprintable():
        return None
    return value[:_NAME_LENGTH].strip() or None
