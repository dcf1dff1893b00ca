"""Security headers and checks beyond Django's own."""

from io import BytesIO

from django.conf import settings
from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpRequest, HttpResponse
from django.middleware.clickjacking import XFrameOptionsMiddleware
from django.middleware.csp import ContentSecurityPolicyMiddleware
from django.middleware.security import SecurityMiddleware
from django.urls import get_callable

from .limits import READS
from .middleware import GetResponse, is_api_request
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

OWN_SITES = frozenset({"same-origin", "none"})
"""``Sec-Fetch-Site`` of requests from our own pages or typed by the person."""

FOR_DOCUMENTS = (
    "Content-Security-Policy",
    "Permissions-Policy",
    "X-Frame-Options",
    "Cross-Origin-Opener-Policy",
)
"""Headers that only matter on documents (``docs/decisions/0037-first-load.md``)."""

NO_DOCUMENTS = ("text/css", "text/javascript")

VALIDATORS = ("ETag", "Last-Modified")
"""For a file that may have changed. What is immutable has not (RFC 8246)."""

RELEASE_HEADER = "Curfew-Release"
"""On responses to htmx: a page drawn by another release asks to be reloaded."""


class HeadersMiddleware:
    """Set headers on every response, static files and errors included.

    It comes first, so that it can remove what styles and scripts do not need.
    """

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
        if response.headers.get("Content-Type", "").startswith(NO_DOCUMENTS):
            for name in FOR_DOCUMENTS:
                response.headers.pop(name, None)
        if "immutable" in response.headers.get("Cache-Control", ""):
            for name in VALIDATORS:
                response.headers.pop(name, None)
        return response


def fixed_headers() -> list[tuple[str, str]]:
    """Return the headers for a response that Django does not make.

    It lacks the policies for documents: that response has no body, and only our script
    gets it, because no other page can send the header that asks for it. They would be
    two thirds of its bytes, and an open page gets hundreds of responses in an hour.
    """
    response = _bare_response(htmx=True)
    for name in ("Permissions-Policy", "Content-Security-Policy"):
        del response.headers[name]
    return list(response.headers.items())


def headers_of_fragments() -> dict[str, str]:
    """Return the headers of a part of a page that middleware does not see."""
    headers = dict(_bare_response(htmx=True).headers)
    return {**headers, "Vary": "Cookie"}


def plain_headers() -> list[tuple[str, str]]:
    """Return the same for a plain-text error that Django cannot send."""
    return list(_bare_response(htmx=False).headers.items())


def _bare_response(*, htmx: bool) -> HttpResponse:
    # HSTS is only sent over https; behind the proxy everything is.
    scheme = "https" if settings.SECURE_SSL_REDIRECT else "http"
    environ = {"REQUEST_METHOD": "GET", "wsgi.url_scheme": scheme}
    if htmx:
        environ["HTTP_HX_REQUEST"] = "true"
    request = WSGIRequest(environ | {"wsgi.input": BytesIO()})
    bare = HttpResponse(headers={"Cache-Control": "private, no-store"})
    del bare.headers["Content-Type"]

    def view(request: HttpRequest) -> HttpResponse:
        return bare

    response = HeadersMiddleware(view)(request)
    for middleware in (
        ContentSecurityPolicyMiddleware,
        XFrameOptionsMiddleware,
        SecurityMiddleware,
    ):
        response = middleware(view).process_response(request, response)
    return response


class SameOriginMiddleware:
    """Reject writes sent by another site, in addition to the CSRF token.

    Browsers set ``Sec-Fetch-Site`` themselves, and no page can forge it. Clients
    without it still need the token.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        site = request.headers.get("Sec-Fetch-Site", "none")
        trusted = request.headers.get("Origin") in settings.CSRF_TRUSTED_ORIGINS
        # No browser adds a bearer token on its own, so CSRF does not apply.
        by_token = is_api_request(request)
        if by_token or request.method in READS or site in OWN_SITES or trusted:
            return self.get_response(request)
        refuse = get_callable(settings.CSRF_FAILURE_VIEW)
        refusal: HttpResponse = refuse(request, reason=f"sent by a page {site}")
        return refusal
