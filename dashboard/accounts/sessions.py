"""How long a session lasts, and what it may do before it has a password of its own."""

import time
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext
from django_htmx.http import HttpResponseClientRedirect

from dashboard.web import javascript_catalog
from dashboard.web.api_requests import is_api_request

from .http import SignedInRequest

GetResponse = Callable[[HttpRequest], HttpResponse]

SIGNED_IN_AT = "curfew_signed_in_at"
ACTIVE_AT = "curfew_active_at"
"""Keys of the session; Unix seconds."""

_NOTED_EVERY = 60
"""Seconds. An idle clock this coarse spares a write for each click."""

POLLERS = ("poller", "filed-")
"""So begin the ids of elements that poll: an open page is nobody's activity."""

OPEN_WITH_ONE_TIME_PASSWORD = {
    *("account_change_password", "account_logout", javascript_catalog.URL_NAME),
    # A wall never meets a sign-in page, whoever is signed in beside it.
    *("handover:wall", "handover:wall_changes"),
}


@receiver(user_logged_in)
def _begin(request: HttpRequest, **_: Any) -> None:
    request.session[SIGNED_IN_AT] = request.session[ACTIVE_AT] = int(time.time())


@receiver(user_logged_out)
def _end(request: HttpRequest, **_: Any) -> None:
    request.has_signed_out = True  # type: ignore[attr-defined]


class SessionLimitsMiddleware:
    """Sign people out who were idle too long, or signed in too long ago.

    Whoever is signed out, here or by their own wish, has the browser forget the pages
    it kept (``Clear-Site-Data``): the next person at that screen sees none by "back".
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: SignedInRequest) -> HttpResponse:
        """Check before the view, clear after it."""
        if request.user.is_authenticated and not is_api_request(request):
            now = int(time.time())
            if reason := _expiry(request, now):
                logout(request)
                messages.info(request, reason)
            elif _is_activity(request, now):
                request.session[ACTIVE_AT] = now
        response = self.get_response(request)
        if getattr(request, "has_signed_out", False):
            response.headers["Clear-Site-Data"] = '"cache", "storage"'
        return response


class OneTimePasswordMiddleware:
    """Lead people whose password an admin made to the page for choosing their own."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Pass on; ``process_view`` knows which page is asked for."""
        return self.get_response(request)

    def process_view(self, request: SignedInRequest, *view: Any) -> HttpResponse | None:
        """Let only that page and the way out through."""
        user = request.user
        if not user.is_authenticated or user.one_time_until is None:
            return None
        if is_api_request(request):
            return None  # its token is not taken at all, see ``dashboard.api``
        match = request.resolver_match
        if match and match.view_name in OPEN_WITH_ONE_TIME_PASSWORD:
            return None
        page = reverse("account_change_password")
        if request.htmx:
            return HttpResponseClientRedirect(page)
        return HttpResponseRedirect(page)


def _expiry(request: HttpRequest, now: int) -> str:
    """Why the session is over; empty while it is not."""
    config = settings.CURFEW
    # A session that does not say when it began has no right to go on.
    begun = request.session.get(SIGNED_IN_AT, 0)
    active = request.session.get(ACTIVE_AT, 0)
    if now - begun >= config.session_hours * 3600:
        return gettext(
            "Your session expired after %(session_hours)s hours. Sign in again."
        ) % {"session_hours": config.session_hours}
    if now - active >= config.session_idle_minutes * 60:
        minutes = config.session_idle_minutes
        return gettext(
            "You were signed out after %(minutes)s minutes of inactivity."
        ) % {"minutes": minutes}
    return ""


def _is_activity(request: SignedInRequest, now: int) -> bool:
    if request.htmx and (request.htmx.trigger or "").startswith(POLLERS):
        return False
    noted: int = request.session[ACTIVE_AT]
    return now - noted >= _NOTED_EVERY
