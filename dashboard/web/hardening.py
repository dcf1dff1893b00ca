"""Security headers and checks beyond Django's own."""

from io import BytesIO

from django.conf import settings
from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpRequest, HttpResponse
from django.middleware.clickjacking import XFrameOptionsMiddleware
from django.middleware.csp import ContentSecurityPolicyMiddleware
from django.middleware.security import SecurityMiddleware
from django.urls import get_callable

from .api_requests import is_api_request
from .limits import READS
from .middleware import GetResponse
from .release import release_mark

PERMISSIONS_POLICY = ", ".join(
    f"{feature}=()"
    for feature in (
        "accelerometer",
        "camera",
        "display-capture",
        "geolocation",
        "gyroscope",
        "magnetometer",
        "microphone",
        "midi",
        "payment",
        "usb",
    )
)
"""Pages need none of these features; passkeys and full screen stay allowed."""

OURS = frozenset({"same-origin", "none"})
"""``Sec-Fetch-Site`` of requests from our own pages or typed by the person."""


_POLICY = "Content-Security-Policy"

RELEASE_HEADER = "Curfew-Release"
"""On responses to htmx: a page drawn by another release asks to be reloaded."""


class HeadersMiddleware:
    """Set headers on every response, static files and errors included."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response
        # Read at startup: an update may replace the files while the server still runs.
        self._release = release_mark()

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        response.headers.setdefault("Permissions-Policy", PERMISSIONS_POLICY)
        response.headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        if "HX-Request" in request.headers:
            response.headers[RELEASE_HEADER] = self._release
        return response


def fixed_headers() -> list[tuple[str, str]]:
    """Return the headers for a response that Django does not make.

    The policies for documents are missing: that response has no body, and only our
    script gets it, by a header that no other page can send. They would be two thirds of
    its bytes, and an open page gets hundreds of them in an hour.
    """
    answer = _bare_answer(htmx=True)
    for name in ("Permissions-Policy", _POLICY):
        del answer.headers[name]
    return list(answer.headers.items())


def plain_headers() -> list[tuple[str, str]]:
    """Return the same for a plain-text error that Django cannot send."""
    return list(_bare_answer(htmx=False).headers.items())


def _bare_answer(*, htmx: bool) -> HttpResponse:
    # HSTS is only sent over https; behind the proxy everything is.
    scheme = "https" if settings.SECURE_SSL_REDIRECT else "http"
    environ = {"REQUEST_METHOD": "GET", "wsgi.url_scheme": scheme}
    if htmx:
        environ["HTTP_HX_REQUEST"] = "true"
    request = WSGIRequest(environ | {"wsgi.input": BytesIO()})
    answer = HttpResponse(headers={"Cache-Control": "private, no-store"})
    del answer.headers["Content-Type"]
    answer = HeadersMiddleware(lambda _: answer)(request)
    for middleware in (
        ContentSecurityPolicyMiddleware,
        XFrameOptionsMiddleware,
        SecurityMiddleware,
    ):
        answer = middleware(_never).process_response(request, answer)
    return answer


def _never(request: HttpRequest) -> HttpResponse:
    raise AssertionError("only what follows the answer is asked of a middleware")


class SameOriginMiddleware:
    """Reject writes sent by another site, in addition to the CSRF token.

    Browsers set ``Sec-Fetch-Site`` themselves, and no page can forge it. Clients
    without it still need the token.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer; a write from elsewhere is rejected like one with a wrong token."""
        site = request.headers.get("Sec-Fetch-Site", "none")
        trusted = request.headers.get("Origin") in settings.CSRF_TRUSTED_ORIGINS
        # No browser adds a bearer token on its own, so CSRF does not apply.
        by_token = is_api_request(request)
        if by_token or request.method in READS or site in OURS or trusted:
            return self.get_response(request)
        refuse = get_callable(settings.CSRF_FAILURE_VIEW)
        refusal: HttpResponse = refuse(request, reason=f"sent by a page {site}")
        return refusal
