"""Errors of the API in one format: RFC 9457, ``application/problem+json``."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from django import forms
from django.core.exceptions import NON_FIELD_ERRORS
from django.http import JsonResponse
from ninja import Schema
from pydantic import Field

CONTENT_TYPE = "application/problem+json"


class Kind(NamedTuple):
    """A kind of problem; ``detail`` is the default."""

    status: int
    title: str
    detail: str


KINDS: dict[str, Kind] = {
    "bad-request": Kind(
        400, "Bad request", "The request cannot be read, or is too large."
    ),
    "unauthorized": Kind(
        401,
        "Missing or invalid token",
        "The token is missing, wrong or no longer valid. Send a valid one as "
        "“Authorization: Bearer curfew_…”. The API accepts no passwords and no "
        "sessions.",
    ),
    "forbidden": Kind(403, "Not allowed", "Your role does not allow this."),
    "insufficient-scope": Kind(
        403, "Insufficient scope", "The token lacks the scope for this."
    ),
    "not-found": Kind(404, "Not found", "It does not exist, or you may not see it."),
    "method-not-allowed": Kind(
        405, "Method not allowed", "See the header Allow for the allowed methods."
    ),
    "conflict": Kind(
        409,
        "Changed in the meantime",
        "The values are no longer those in “seen”. Compare them, and send the request "
        "again with the current ones if you still want the change.",
    ),
    "rule-refused": Kind(
        409, "Not allowed by a policy", "An enforced policy does not allow this."
    ),
    "not-now": Kind(409, "Not possible now", "The current state does not allow this."),
    "key-reused": Kind(
        409,
        "Idempotency key reused",
        "You have used this Idempotency-Key for another request.",
    ),
    "length-required": Kind(
        411,
        "Length required",
        "Send the body with Content-Length; chunked bodies are not accepted.",
    ),
    "invalid": Kind(422, "Invalid values", "See “errors”."),
    "too-many-requests": Kind(
        429, "Too many requests", "Wait for the time in Retry-After."
    ),
    "fault": Kind(
        500, "Server error", "Nothing was changed. The error has been logged."
    ),
    "busy": Kind(
        503,
        "Temporarily unavailable",
        "The database is not available. Try again in a few seconds.",
    ),
}
"""By the last word of their ``type``."""


class FieldError(Schema):
    """An error of a field; an empty name means the whole request."""

    field: str
    message: str


class Difference(Schema):
    """A conflicting field with its three values."""

    field: str
    seen: Any
    now: Any
    requested: Any


class Problem(Schema):
    """Any error (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[FieldError] = []
    differences: list[Difference] = []
    seen: str = Field("", description="In a conflict: token of the current settings.")


class ProblemError(Exception):
    """An exception that ends a request with a problem.

    Args:
        kind: A key of ``KINDS``.
        detail: A plain sentence or two about this case.
        members: Further members, such as ``errors``.
    """

    def __init__(
        self,
        kind: str,
        detail: str = "",
        *,
        headers: Mapping[str, str] | None = None,
        **members: Any,
    ) -> None:
        super().__init__(detail or KINDS[kind].detail)
        self.kind = kind
        self.detail = detail
        self.headers = headers
        self.members = members

    def answer(self) -> JsonResponse:
        return answer(self.kind, self.detail, headers=self.headers, **self.members)


def invalid(errors: Mapping[str, list[str]]) -> ProblemError:
    """Return a 422 problem with the errors of each field.

    Args:
        errors: Sentences by field name; an empty name means the whole request.
    """
    field_errors = [
        {"field": name, "message": sentence}
        for name, sentences in errors.items()
        for sentence in sentences
    ]
    detail = " ".join(error["message"] for error in field_errors)
    return ProblemError("invalid", detail, errors=field_errors)


def of_form(form: forms.Form) -> dict[str, list[str]]:
    """Return the errors of a form, for ``invalid``."""
    return {
        "" if name == NON_FIELD_ERRORS else name: [error["message"] for error in errors]
        for name, errors in form.errors.get_json_data().items()
    }


def answer(
    kind: str,
    detail: str = "",
    *,
    headers: Mapping[str, str] | None = None,
    **members: Any,
) -> JsonResponse:
    known = KINDS[kind]
    body = {
        "type": f"urn:curfew:problem:{kind}",
        "title": known.title,
        "status": known.status,
        "detail": detail or known.detail,
        **members,
    }
    return JsonResponse(
        body, status=known.status, content_type=CONTENT_TYPE, headers=headers
    )


def plain(status: int) -> JsonResponse:
    """Return the problem that replaces an error page meant for browsers."""
    fallback = "fault" if status >= 500 else "bad-request"
    kinds = (name for name, kind in KINDS.items() if kind.status == status)
    return answer(next(kinds, fallback))
