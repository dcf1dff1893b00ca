"""What browsers are told and asked beyond what Django does by itself."""

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
"""Nothing here needs any of these; passkeys and full screen are left alone."""

OURS = frozenset({"same-origin", "none"})
"""Values of ``Sec-Fetch-Site`` of what our own pages send, or the person itself."""


_POLICY = "Content-Security-Policy"

RELEASE_HEADER = "Curfew-Release"
"""On answers to htmx: a page that another release has drawn asks to be reloaded."""


class HeadersMiddleware:
    """Headers on every answer, static files and errors included."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response
        # Now: an update may replace the files of a server that still runs.
        self._release = release_mark()

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer, with the headers."""
        response = self.get_response(request)
        response.headers.setdefault("Permissions-Policy", PERMISSIONS_POLICY)
        response.headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        if "HX-Request" in request.headers:
            response.headers[RELEASE_HEADER] = self._release
        return response


def fixed_headers() -> list[tuple[str, str]]:
    """What the middlewares put on every answer, for one that Django does not make.

    But for the policies of documents: that answer has no body, and only a script of
    ours gets it, by a header that no other page can send. They are two thirds of its
    bytes, and a page that stands open gets hundreds of them in an hour.
    """
    answer = _bare_answer(htmx=True)
    for name in ("Permissions-Policy", _POLICY):
        del answer.headers[name]
    return list(answer.headers.items())


def plain_headers() -> list[tuple[str, str]]:
    """The same for a plain text: what went wrong where Django cannot say it."""
    return list(_bare_answer(htmx=False).headers.items())


def _bare_answer(*, htmx: bool) -> HttpResponse:
    # HSTS is part of answers to https alone; behind the proxy all are.
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
    """A second lock beside the CSRF token: no write that another site has sent.

    Browsers set ``Sec-Fetch-Site`` themselves and no page can forge it. One that does
    not send it has the token to pass all the same.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer; refuse a write from elsewhere as if its token were wrong."""
        site = request.headers.get("Sec-Fetch-Site", "none")
        trusted = request.headers.get("Origin") in settings.CSRF_TRUSTED_ORIGINS
        # No browser adds a token by itself: there is nothing to ride on.
        by_token = is_api_request(request)
        if by_token or request.method in READS or site in OURS or trusted:
            return self.get_response(request)
        refuse = get_callable(settings.CSRF_FAILURE_VIEW)
        refusal: HttpResponse = refuse(request, reason=f"sent by a page {site}")
        return refusal
