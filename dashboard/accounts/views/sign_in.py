"""The sign-in form, and the two URLs of single sign-on."""

from typing import Any

import requests
from allauth.account.views import LoginView
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.decorators import rate_limit
from allauth.socialaccount.helpers import render_authentication_error
from allauth.socialaccount.internal.statekit import get_states
from allauth.socialaccount.models import SocialApp
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.socialaccount.providers.oauth2.views import (
    OAuth2CallbackView,
    OAuth2LoginView,
)
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.decorators import method_decorator
from django.views.decorators.http import require_safe
from redis import RedisError

from dashboard.accounts.oidc import PROVIDER_ID, TEST, Adapter
from dashboard.accounts.permissions import can_manage_people
from dashboard.web.errors import not_now


class SignInView(LoginView):  # type: ignore[misc]  # untyped library
    """The sign-in form.

    Redis counts the attempts. No one can sign in while it is unavailable, since
    passwords could then be guessed without a limit.
    """

    @method_decorator(login_not_required)
    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Respond as allauth does; without Redis, 503 with the typed username."""
        try:
            return super().dispatch(request, *args, **kwargs)
        except RedisError as error:
            initial = {"login": request.POST.get("login", "")[:150]}
            form = self.get_form_class()(request=request, initial=initial)
            context = self.get_context_data(form=form, is_unavailable=True)
            response = self.render_to_response(context, status=503)
            return not_now(request, response, error)


@require_safe
def no_password(request: HttpRequest) -> HttpResponse:
    """Explain why an account without a password cannot set one.

    It signs in with the identity provider. A password set here would still work after
    the provider has revoked the access.
    """
    return render(request, "account/password_set.html")


@require_safe
@login_not_required
@rate_limit(action="login")  # type: ignore[untyped-decorator]
def sso_begin(request: HttpRequest, provider_id: str) -> HttpResponse:
    """Redirect the browser to the identity provider, with PKCE, state and nonce.

    A link from another site leads to our sign-in page instead, so that no other site
    can sign people in.

    Returns:
        302; 401 if the provider cannot be reached; 404 without a provider.
    """
    if request.headers.get("Sec-Fetch-Site") in {"cross-site", "same-site"}:
        return redirect("account_login")
    return _run(request, provider_id, OAuth2LoginView)


@require_safe
@login_not_required
@rate_limit(action="login")  # type: ignore[untyped-decorator]
def sso_callback(request: HttpRequest, provider_id: str) -> HttpResponse:
    """Sign a person in with the code from the identity provider.

    Returns:
        302 to the page they requested; 401 if the code, state or token is not valid;
        403 for a person without access; 404 without a provider.
    """
    return _run(request, provider_id, OAuth2CallbackView)


def _run(request: HttpRequest, provider_id: str, view: Any) -> HttpResponse:
    if provider_id != PROVIDER_ID:
        raise Http404
    adapter = Adapter(request, provider_id)
    adapter.is_test = _is_test(request)
    if adapter.is_test and not can_manage_people(request.user):
        raise PermissionDenied
    try:
        provider = adapter.get_provider()
    except SocialApp.DoesNotExist:
        raise Http404 from None
    try:
        response: HttpResponse = view.adapter_view(adapter)(request)
    except ImmediateHttpResponse as immediate:
        response = immediate.response
    except (requests.RequestException, OAuth2Error, KeyError, ValueError) as error:
        response = render_authentication_error(request, provider, exception=error)
    return response


def _is_test(request: HttpRequest) -> bool:
    """Return whether this browser has begun the sign-in as a test."""
    stashed = get_states(request).get(request.GET.get("state", ""))
    return bool(stashed) and stashed[0].get("process") == TEST
