"""Test of single sign-on, for admins."""

import requests
from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.helpers import render_authentication_error
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from django.conf import settings
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe

from dashboard.accounts.http import SignedInRequest, admins_only
from dashboard.accounts.models import User
from dashboard.accounts.oidc import PROVIDER_ID, TEST
from dashboard.config import Config


@require_safe
@admins_only
def page(request: SignedInRequest) -> HttpResponse:
    """Show how claims become accounts; 404 without a provider."""
    config = _config()
    default_role = config.oidc_default_role
    context = {
        "current": "sso",
        "config": config,
        "roles": [
            (group, User.Role(role).label)
            for group, role in sorted(config.oidc_roles.items())
        ],
        "default_role": User.Role(default_role).label if default_role else "",
    }
    return render(request, "people/sso.html", context)


@require_safe
@admins_only
def begin(request: SignedInRequest) -> HttpResponse:
    """Redirect the browser to the identity provider, for a test.

    The callback shows the claims (``oidc.Adapter``). The provider asks who signs in, so
    that an admin can test another account.

    Returns:
        302; 401 if the provider cannot be reached; 404 without a provider.
    """
    _config()
    if request.headers.get("Sec-Fetch-Site") in {"cross-site", "same-site"}:
        return redirect("people:sso")
    provider = get_adapter(request).get_provider(request, provider=PROVIDER_ID)
    try:
        response: HttpResponse = provider.redirect(
            request,
            process=TEST,
            auth_params={**provider.get_auth_params(), "prompt": "login"},
        )
    except (requests.RequestException, OAuth2Error, KeyError, ValueError) as error:
        response = render_authentication_error(request, provider, exception=error)
    return response


def _config() -> Config:
    if not settings.CURFEW.oidc_issuer:
        raise Http404
    config: Config = settings.CURFEW
    return config
