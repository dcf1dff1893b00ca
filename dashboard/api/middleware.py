import structlog
from django.contrib.auth.models import AnonymousUser
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.utils.cache import patch_vary_headers

from dashboard.audit.services import acting_through
from dashboard.web.api_requests import is_api_request
from dashboard.web.middleware import GetResponse

from . import auth, problems
from .messages import VIA_TOKEN
from .selectors import token_of

log = structlog.get_logger(__name__)


class TokenMiddleware:
    """Set ``request.user`` to the owner of the token.

    It runs after the session middleware and replaces its user: a cookie opens nothing
    in the API.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer; error pages meant for browsers become problems in JSON."""
        if not is_api_request(request):
            return self.get_response(request)
        request.user = AnonymousUser()
        try:
            token = token_of(auth.bearer(request))
        except DatabaseError as error:
            log.error("token not looked up", reason=str(error)[:200])
            return _finished(problems.answer("busy", headers={"Retry-After": "5"}))
        request.api_token = token  # type: ignore[attr-defined]
        try:
            auth.hold_pace(request, token)
        except problems.ProblemError as error:
            return _finished(error.answer())
        if _is_of_unknown_length(request):
            return _finished(problems.answer("length-required"))
        if token is None:
            return _finished(self.get_response(request))
        request.user = token.owner
        with acting_through(VIA_TOKEN(token=token.name)):
            return _finished(self.get_response(request))


def _is_of_unknown_length(request: HttpRequest) -> bool:
    # Django reads as much of a body as Content-Length says: of a chunked one, nothing.
    return "Transfer-Encoding" in request.headers and not request.headers.get(
        "Content-Length"
    )


def _finished(response: HttpResponse) -> HttpResponse:
    content_type = response.headers.get("Content-Type", "")
    if response.status_code >= 400 and not content_type.startswith(
        problems.CONTENT_TYPE
    ):
        told_anew = problems.plain(response.status_code)
        for name in ("Allow", "Retry-After"):
            if name in response.headers:
                told_anew.headers[name] = response.headers[name]
        response = told_anew
    response.headers["Cache-Control"] = "no-store"
    patch_vary_headers(response, ["Authorization"])
    return response
