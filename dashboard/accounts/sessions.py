"""Expiry of sessions, and the restrictions of a one-time password."""

import time
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.middleware import get_user
from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.deprecation import MiddlewareMixin
from django.utils.translation import gettext as _
from django_htmx.http import HttpResponseClientRedirect

from dashboard.web import javascript_catalog
from dashboard.web.middleware import GetResponse, is_api_request

from .http import SignedInRequest

SIGNED_IN_AT = "curfew_signed_in_at"
ACTIVE_AT = "curfew_active_at"
"""Keys of the session; Unix seconds."""

_STORE_ACTIVITY_EVERY_SECONDS = 60

POLLERS = ("poller", "submitted-")
"""Prefixes of the IDs of elements that poll. A poll is no activity of a person."""

OPEN_WITH_ONE_TIME_PASSWORD = {
    *("account_change_password", "account_logout", javascript_catalog.URL_NAME),
    # A wallboard never shows a sign-in page, even if someone is signed in.
    *("handover:wall", "handover:wall_changes"),
}


@receiver(user_logged_in)
def _begin(request: HttpRequest, **_: Any) -> None:
    request.session[SIGNED_IN_AT] = request.session[ACTIVE_AT] = int(time.time())


@receiver(user_logged_out)
def _end(request: HttpRequest, **_: Any) -> None:
    request.has_signed_out = True  # type: ignore[attr-defined]


class LoadedUserMiddleware:
    """Put the user in place of what loads the user at the first use.

    By then the log has loaded it. A page reads it fifty times, each time through the
    layers of Django and of the log: together 1,600 calls of functions.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: SignedInRequest) -> HttpResponse:
        # The question also tells the session that the response depends on it. A
        # program's user comes from its token.
        if request.user.is_authenticated and not is_api_request(request):
            request.user = get_user(request)  # type: ignore[assignment]  # not anonymous
        return self.get_response(request)


class SessionLimitsMiddleware:
    """Sign people out who were idle too long, or signed in too long ago.

    Every sign-out also clears the pages that the browser has cached
    (``Clear-Site-Data``), so that "back" does not show them to the next person.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: SignedInRequest) -> HttpResponse:
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


class OneTimePasswordMiddleware(MiddlewareMixin):
    """Redirect people with a one-time password to the page that changes it."""

    def process_view(self, request: SignedInRequest, *view: Any) -> HttpResponse | None:
        user, match = request.user, request.resolver_match
        if not user.is_authenticated or user.one_time_until is None:
            return None
        if is_api_request(request):
            return None  # ``dashboard.api`` refuses the token
        if match and match.view_name in OPEN_WITH_ONE_TIME_PASSWORD:
            return None
        page = reverse("account_change_password")
        if request.htmx:
            return HttpResponseClientRedirect(page)
        return HttpResponseRedirect(page)


def is_expired(request: HttpRequest, now: int) -> bool:
    """Return whether a session is too old or was idle for too long.

    Args:
        now: Unix seconds.
    """
    return bool(_expiry(request, now))


def _expiry(request: HttpRequest, now: int) -> str:
    """Return why the session has expired; empty if it has not."""
    config = settings.CURFEW
    # A session without a start has expired.
    begun = request.session.get(SIGNED_IN_AT, 0)
    active = request.session.get(ACTIVE_AT, 0)
    if now - begun >= config.session_hours * 3600:
        return _(
            "Your session expired after %(session_hours)s hours. Sign in again."
        ) % {"session_hours": config.session_hours}
    if now - active >= config.session_idle_minutes * 60:
        minutes = config.session_idle_minutes
        return _("You were signed out after %(minutes)s minutes of inactivity.") % {
            "minutes": minutes
        }
    return ""


def _is_activity(request: SignedInRequest, now: int) -> bool:
    if request.htmx and (request.htmx.trigger or "").startswith(POLLERS):
        return False
    active_at: int = request.session[ACTIVE_AT]
    return now - active_at >= _STORE_ACTIVITY_EVERY_SECONDS
