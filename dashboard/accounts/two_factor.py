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
from django.utils.translation import gettext
from django_htmx.http import HttpResponseClientRedirect

from dashboard.web import javascript_catalog
from dashboard.web.middleware import GetResponse

from .http import SignedInRequest
from .models import User

HAS_ONE = "curfew_has_second_factor"
"""Session key; caches that the person has a factor, until factors change."""

OPEN_WITHOUT_ONE = ("mfa_", "account_", "usersessions_", javascript_catalog.URL_NAME)
"""Prefixes of the URL names that are open without a factor: those for setting one up,
reauthentication and sign-out, and what these pages load."""


@receiver([authenticator_added, authenticator_removed, authenticator_reset])
def _factors_changed(request: HttpRequest, user: User, **_: Any) -> None:
    """End the sessions that used the former factors, or none."""
    request.session.pop(HAS_ONE, None)
    current_key = request.session.session_key
    for session in UserSession.objects.filter(user=user).exclude(
        session_key=current_key
    ):
        session.end()


class SecondFactorMiddleware:
    """Redirect people whose role requires two-factor authentication to its setup."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request: SignedInRequest, *view: Any) -> HttpResponse | None:
        match = request.resolver_match
        opens = match and (match.url_name or "").startswith(OPEN_WITHOUT_ONE)
        if opens or not _lacks_one(request):
            return None
        page = reverse("mfa_index")
        if request.htmx:
            return HttpResponseClientRedirect(page)
        messages.warning(
            request,
            gettext(
                "Your role requires two-factor authentication. Set it up to continue."
            ),
        )
        return HttpResponseRedirect(page)


def _lacks_one(request: SignedInRequest) -> bool:
    user = request.user
    roles = settings.CURFEW.second_factor_roles
    if not user.is_authenticated or user.role not in roles:
        return False
    # A program: ``dashboard.api`` refuses its token.
    if SESSION_KEY not in request.session:
        return False
    if request.session.get(HAS_ONE):
        return False
    if any(
        record.get("method") == "socialaccount"
        for record in get_authentication_records(request, user)
    ):
        return False
    if user.has_factor:
        request.session[HAS_ONE] = True
        return False
    return True
