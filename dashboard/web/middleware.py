from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo

from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils import timezone
from django.utils.cache import add_never_cache_headers, patch_vary_headers
from django_htmx.http import HttpResponseClientRedirect

from .refusals import sign_in_and_send_again
from .time_zones import time_zone

GetResponse = Callable[[HttpRequest], HttpResponse]

API_PREFIX = "/api/"
"""Middlewares meant for browsers ignore requests below this prefix."""

TIME_ZONE_COOKIE = "curfew_tz"
"""``static/time.js`` writes it: the browser's zone, such as ``Europe/Berlin``.

Over https with the prefix ``__Host-``.
"""


def is_api_request(request: HttpRequest) -> bool:
    return request.path_info.startswith(API_PREFIX)


class SignInRequiredMiddleware(LoginRequiredMiddleware):
    """Ask for a sign-in; an htmx request has to leave the page for it.

    A sign-in form inside a table row would help no one. The API answers 401 itself.
    """

    def process_view(
        self,
        request: HttpRequest,
        view_func: Callable[..., HttpResponseBase],
        view_args: tuple[Any, ...],
        view_kwargs: dict[str, Any],
    ) -> HttpResponseBase | None:
        if is_api_request(request):
            return None
        return super().process_view(request, view_func, view_args, view_kwargs)

    def handle_no_permission(  # type: ignore[override]  # htmx: a header redirects
        self, request: HttpRequest, view_func: Callable[..., HttpResponseBase]
    ) -> HttpResponseBase:
        """Redirect to the sign-in page, which leads back to where the person was.

        Returns:
            302; for htmx 401 with ``HX-Redirect``; for a form 401 with a page that can
            send it again.
        """
        if not request.htmx:  # type: ignore[attr-defined]  # set by HtmxMiddleware
            if request.method == "POST":
                login_url = str(self.get_login_url(view_func))
                return sign_in_and_send_again(request, login_url)
            return super().handle_no_permission(request, view_func)
        # A fragment's own URL is no page to return to.
        try:
            return_to = request.htmx.current_url_abs_path  # type: ignore[attr-defined]
        except ValueError:  # not a URL, such as "//[x"
            return_to = None
        login = redirect_to_login(
            return_to or reverse("home"), self.get_login_url(view_func)
        )
        response = HttpResponseClientRedirect(login.url)
        # Scripts would take 200 for "saved".
        response.status_code = 401
        return response


class PersonalPagesMiddleware:
    """Forbid caches to store pages of signed-in people."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if not response.has_header("Cache-Control"):
            add_never_cache_headers(response)
            patch_vary_headers(response, ["Cookie"])
        return response


class TimeZoneMiddleware:
    """Show times in the viewer's zone; in UTC to programs.

    It is the one that the person has chosen, else the browser's, which sets a cookie.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        with timezone.override(zone_of(request)):
            return self.get_response(request)


def zone_of(request: HttpRequest) -> ZoneInfo:
    """Return the time zone of the answer to a request whose user is known."""
    prefix = "__Host-" if request.is_secure() else ""
    name = request.COOKIES.get(prefix + TIME_ZONE_COOKIE, "")
    if is_api_request(request):
        name = "UTC"
    elif chosen := getattr(request.user, "time_zone", ""):
        name = chosen
    return time_zone(name)
