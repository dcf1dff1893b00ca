"""Second factors: who must have one, and what ends when they change."""

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
"""Key of the session: looked up once, until factors change."""

OPEN_WITHOUT_ONE = ("mfa_", "account_", "usersessions_", javascript_catalog.URL_NAME)
"""So begin the names of the pages that set one up, prove who it is, and lead out, and
of what these load."""


@receiver([authenticator_added, authenticator_removed, authenticator_reset])
def _factors_changed(request: HttpRequest, user: User, **_: Any) -> None:
    """Whoever came in by the former factors, or without any, is out."""
    request.session.pop(HAS_ONE, None)
    here = request.session.session_key
    for session in UserSession.objects.filter(user=user).exclude(session_key=here):
        session.end()


class SecondFactorMiddleware:
    """Lead people whose role wants a second factor to the page for setting one up."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Pass on; ``process_view`` knows which page is asked for."""
        return self.get_response(request)

    def process_view(self, request: SignedInRequest, *view: Any) -> HttpResponse | None:
        """Let only that page, what belongs to it and the way out through."""
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
    wanted = settings.CURFEW.second_factor_roles
    if not wanted or not user.is_authenticated or user.role not in wanted:
        return False
    # A program, whose token is not taken at all then, see ``dashboard.api``.
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
