"""Signing in: the form, and the two addresses of single sign-on."""

from collections.abc import Callable
from typing import Any

import requests
from allauth.account.views import LoginView
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.decorators import rate_limit
from allauth.socialaccount.helpers import render_authentication_error
from allauth.socialaccount.models import SocialApp
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.socialaccount.providers.oauth2.views import (
    OAuth2CallbackView,
    OAuth2LoginView,
)
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.decorators import method_decorator
from django.views.decorators.http import require_safe
from redis import RedisError

from dashboard.accounts.oidc import PROVIDER_ID, Adapter
from dashboard.web.unavailable import not_now


class SignInView(LoginView):  # type: ignore[misc]  # untyped library
    """The sign-in form, which outlives a Redis that is away.

    Attempts are counted there, and nobody may guess uncounted.
    """

    @method_decorator(login_not_required)
    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Answer as allauth does; without Redis 503 with the form, the name kept."""
        try:
            answer: HttpResponseBase = super().dispatch(request, *args, **kwargs)
        except RedisError as reason:
            typed = {"login": request.POST.get("login", "")[:150]}
            form = self.get_form_class()(request=request, initial=typed)
            context = self.get_context_data(form=form, away=True)
            return not_now(
                request, self.render_to_response(context, status=503), reason
            )
        return answer


@require_safe
def no_password(request: HttpRequest) -> HttpResponse:
    """Say why there is no password to change, and who can give one.

    An account without a password belongs to the identity provider: a password chosen
    here would outlive what the provider takes away.
    """
    return render(request, "account/password_set.html")


@require_safe
@login_not_required
@rate_limit(action="login")  # type: ignore[untyped-decorator]
def sso_begin(request: HttpRequest, provider_id: str) -> HttpResponse:
    """Send the browser to the identity provider, with PKCE, state and nonce.

    A link from another site leads to our sign-in page first: nobody shall be signed in
    by somebody else's page.

    Returns:
        302; 401 with a page when the provider cannot be reached; 404 without one.
    """
    if request.headers.get("Sec-Fetch-Site") in {"cross-site", "same-site"}:
        return redirect("account_login")
    return _run(request, provider_id, OAuth2LoginView)


@require_safe
@login_not_required
@rate_limit(action="login")  # type: ignore[untyped-decorator]
def sso_callback(request: HttpRequest, provider_id: str) -> HttpResponse:
    """Take the code that the identity provider sent along, and sign the person in.

    Returns:
        302 to where they were going; 401 with a page when code, state or token are not
        good; 403 with a page for somebody without access; 404 without a provider.
    """
    return _run(request, provider_id, OAuth2CallbackView)


def _run(request: HttpRequest, provider_id: str, view: Any) -> HttpResponse:
    if provider_id != PROVIDER_ID:
        raise Http404
    adapter = Adapter(request, provider_id)
    try:
        provider = adapter.get_provider()
    except SocialApp.DoesNotExist:
        raise Http404 from None
    run: Callable[[HttpRequest], HttpResponse] = view.adapter_view(adapter)
    try:
        return run(request)
    except ImmediateHttpResponse as answer:
        return answer.response  # type: ignore[no-any-return]
    except (requests.RequestException, OAuth2Error, KeyError, ValueError) as error:
        page: HttpResponse = render_authentication_error(
            request, provider, exception=error
        )
        return page
