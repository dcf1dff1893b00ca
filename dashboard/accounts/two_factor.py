"""Two-factor authentication: who must set it up, and which sessions end on changes."""

from typing import Any

from allauth.account.authentication import get_authentication_records
from allauth.mfa.signals import (
    authenticator_added,
    authenticator_removed,
    authenticator_reset,
)
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import SESSION_KEY
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.deprecation import MiddlewareMixin
from django.utils.translation import gettext as _
from django_htmx.http import HttpResponseClientRedirect

from dashboard.web import javascript_catalog

from .http import SignedInRequest
from .models import User

HAS_FACTOR = "curfew_has_second_factor"
"""Session key; caches that the person has a factor, until factors change."""

OPEN_WITHOUT_FACTOR = ("mfa_", "account_", "usersessions_", javascript_catalog.URL_NAME)
"""Prefixes of the URL names that are open without a factor: those for setting one up,
reauthentication and sign-out, and what these pages load."""


@receiver([authenticator_added, authenticator_removed, authenticator_reset])
def _factors_changed(request: HttpRequest, user: User, **_: Any) -> None:
    """End the sessions that used the former factors, or none."""
    request.session.pop(HAS_FACTOR, None)
    sessions = UserSession.objects.filter(user=user)
    for session in sessions.exclude(session_key=request.session.session_key):
        session.end()


class SecondFactorMiddleware(MiddlewareMixin):
    """Redirect people whose role requires two-factor authentication to its setup."""

    def process_view(self, request: SignedInRequest, *view: Any) -> HttpResponse | None:
        match = request.resolver_match
        opens = match and (match.url_name or "").startswith(OPEN_WITHOUT_FACTOR)
        if opens or not lacks_factor(request):
            return None
        page = reverse("mfa_index")
        if request.htmx:
            return HttpResponseClientRedirect(page)
        message = _(
            "Your role requires two-factor authentication. Set it up to continue."
        )
        messages.warning(request, message)
        return HttpResponseRedirect(page)


def lacks_factor(request: SignedInRequest) -> bool:
    """Return whether the person still has to set up two-factor authentication."""
    user = request.user
    roles = settings.CURFEW.second_factor_roles
    if not user.is_authenticated or user.role not in roles:
        return False
    # A request without a session has a token, which ``dashboard.api`` checks.
    if SESSION_KEY not in request.session or request.session.get(HAS_FACTOR):
        return False
    if any(
        record.get("method") == "socialaccount"
        for record in get_authentication_records(request, user)
    ):
        return False
    if user.has_factor:
        request.session[HAS_FACTOR] = True
        return False
    return True
