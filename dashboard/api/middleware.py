import structlog
from django.contrib.auth.models import AnonymousUser
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.utils.cache import patch_vary_headers

from dashboard.audit.services import acting_through
from dashboard.web.middleware import GetResponse, is_api_request

from . import auth, problems
from .messages import VIA_TOKEN
from .selectors import token_of

log = structlog.get_logger(__name__)


class TokenMiddleware:
    """Set ``request.user`` to the owner of the token.

    It replaces the user of the session, since the API does not accept cookies. It also
    replaces error pages for browsers with problems in JSON.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not is_api_request(request):
            return self.get_response(request)
        request.user = AnonymousUser()
        try:
            token = token_of(auth.bearer(request))
        except DatabaseError as error:
            log.error("token not looked up", reason=str(error)[:200])
            return _finalized(problems.answer("busy", headers={"Retry-After": "5"}))
        request.api_token = token  # type: ignore[attr-defined]
        try:
            auth.check_rate_limits(request, token)
        except problems.ProblemError as error:
            return _finalized(error.answer())
        # Django reads no chunked bodies, since they have no Content-Length.
        headers = request.headers
        if "Transfer-Encoding" in headers and not headers.get("Content-Length"):
            return _finalized(problems.answer("length-required"))
        if token is None:
            return _finalized(self.get_response(request))
        request.user = token.owner
        with acting_through(VIA_TOKEN(token=token.name)):
            return _finalized(self.get_response(request))


def _finalized(response: HttpResponse) -> HttpResponse:
    content_type = response.headers.get("Content-Type", "")
    if response.status_code >= 400 and not content_type.startswith(
        problems.CONTENT_TYPE
    ):
        problem = problems.plain(response.status_code)
        for name in ("Allow", "Retry-After"):
            if name in response.headers:
                problem.headers[name] = response.headers[name]
        response = problem
    response.headers["Cache-Control"] = "no-store"
    patch_vary_headers(response, ["Authorization"])
    return response
