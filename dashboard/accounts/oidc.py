"""allauth's OpenID Connect client, with one issuer and stricter checks.

allauth trusts every token from the token endpoint and sends no nonce. This module sends
one, and verifies tokens by OpenID Connect Core 1.0, section 3.1.3.7.
"""

import functools
import hashlib
import hmac
import secrets
from typing import Any

import jwt
import requests
import structlog
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialLogin
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.socialaccount.providers.openid_connect.provider import (
    OpenIDConnectProvider,
)
from allauth.socialaccount.providers.openid_connect.views import (
    OpenIDConnectOAuth2Adapter,
)
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import override

from dashboard.audit.services import record_event

from . import sso

logger = structlog.get_logger(__name__)

PROVIDER_ID = "sso"
"""Part of the redirect URL that is registered with the identity provider."""

# Asymmetric only: HS256 would accept signatures by the client secret or a public key.
ALGORITHMS = [
    f"{kind}{size}" for kind in ("RS", "PS", "ES") for size in (256, 384, 512)
]
LEEWAY_SECONDS = 60

_STORED_CLAIMS = ("preferred_username", "name", "email")


TEST = "test"
"""A ``process`` of ours, in the state of a sign-in: show the claims, sign no one in."""


class Adapter(OpenIDConnectOAuth2Adapter):  # type: ignore[misc]  # untyped library
    """Fetches and verifies the token of one sign-in.

    Attributes:
        is_test: Whether to show what the sign-in would do instead of doing it.
    """

    is_test = False

    @functools.cached_property
    def openid_config(self) -> dict[str, Any]:
        """The discovery document.

        Raises:
            OAuth2Error: The document is invalid or of another issuer.
        """
        provider = self.get_provider()
        with provider.requests_session() as session:
            response = session.get(provider.server_url)
            response.raise_for_status()
            document = response.json()
        if not isinstance(document, dict) or document.get("issuer") != provider.issuer:
            raise OAuth2Error("The discovery document belongs to another issuer.")
        return document

    def get_access_token_data(
        self, *args: Any, pkce_code_verifier: str, **kwargs: Any
    ) -> dict[str, Any]:
        """Exchange the code, and store the nonce that the token must contain."""
        self._nonce = nonce_of(pkce_code_verifier)
        data: dict[str, Any] = super().get_access_token_data(
            *args, pkce_code_verifier=pkce_code_verifier, **kwargs
        )
        return data

    def complete_login(
        self, request: HttpRequest, app: SocialApp, token: Any, **kwargs: Any
    ) -> SocialLogin:
        """Verify the token, and add the claims of the userinfo endpoint.

        Raises:
            OAuth2Error: The token or the userinfo is not valid.
        """
        try:
            claims = self._verified(app, kwargs["response"]["id_token"])
            if "userinfo_endpoint" in self.openid_config:
                more = self._fetch_user_info(token.token)
                if more["sub"] != claims["sub"]:
                    raise OAuth2Error("The userinfo belongs to another person.")
                claims = more | claims
        except (jwt.PyJWTError, KeyError, TypeError, ValueError) as error:
            raise OAuth2Error(f"The token is not valid: {error}") from error
        if self.is_test:
            # Before allauth stores or reads anything.
            raise ImmediateHttpResponse(self._rehearsal(request, claims))
        login = self.get_provider().sociallogin_from_response(request, claims)
        login.claims = claims
        return login

    def _rehearsal(self, request: HttpRequest, claims: dict[str, Any]) -> HttpResponse:
        uid = str(claims["sub"])
        known = SocialAccount.objects.filter(provider=PROVIDER_ID, uid=uid).first()
        user = known.user if known else None
        rehearsal = sso.rehearse(claims, user, settings.CURFEW)
        profile = rehearsal.profile
        record_event(
            request.user if request.user.is_authenticated else None,
            "user.sso_tested",
            target_label=profile.username if profile else "",
            after={} if rehearsal.refusal else {"role": rehearsal.role},
        )
        context = {"current": "sso", "rehearsal": rehearsal}
        return render(request, "people/sso_test.html", context)

    def _verified(self, app: SocialApp, id_token: str) -> dict[str, Any]:
        provider = self.get_provider()
        header = jwt.get_unverified_header(id_token)
        # Access and logout tokens have another type.
        if str(header.get("typ", "JWT")).upper() != "JWT":
            raise OAuth2Error("The token is not an ID token.")
        claims: dict[str, Any] = jwt.decode(
            id_token,
            key=self._key(header.get("kid")),
            algorithms=ALGORITHMS,
            audience=app.client_id,
            issuer=provider.issuer,
            leeway=LEEWAY_SECONDS,
            options={"require": ["aud", "exp", "iat", "iss", "nonce", "sub"]},
        )
        if not hmac.compare_digest(str(claims["nonce"]), self._nonce):
            raise OAuth2Error("The nonce does not match.")
        if claims.get("azp", app.client_id) != app.client_id:
            raise OAuth2Error("The token was issued to another client.")
        return claims

    def _key(self, kid: str | None) -> Any:
        with self.get_provider().requests_session() as session:
            response = session.get(self.openid_config["jwks_uri"])
            response.raise_for_status()
            keys = jwt.PyJWKSet.from_dict(response.json()).keys
        matching = [key for key in keys if kid is None or key.key_id == kid]
        if len(matching) != 1:
            raise OAuth2Error("The provider must publish one key for the token.")
        return matching[0].key


class Provider(OpenIDConnectProvider):  # type: ignore[misc]  # untyped library
    oauth2_adapter_class = Adapter

    @property
    def issuer(self) -> str:
        return str(self.app.settings["issuer"])

    def requests_session(self) -> requests.Session:
        session: requests.Session = SocialAdapter().get_requests_session()
        return session

    def get_pkce_params(self) -> dict[str, str]:
        parameters: dict[str, str] = super().get_pkce_params()
        return parameters | {"nonce": nonce_of(parameters["code_verifier"])}

    def get_redirect_from_request_kwargs(self, request: HttpRequest) -> dict[str, Any]:
        """Return where to go after the sign-in.

        allauth would also take scopes and parameters of the provider from the URL.
        """
        kwargs: dict[str, Any] = super().get_redirect_from_request_kwargs(request)
        return {"process": "login", "next_url": kwargs.get("next_url")}

    def extract_extra_data(self, data: dict[str, Any]) -> dict[str, Any]:
        return {name: data[name] for name in _STORED_CLAIMS if name in data}


class SocialAdapter(DefaultSocialAccountAdapter):  # type: ignore[misc]  # untyped
    """Decides who may sign in, and with which role."""

    def list_apps(
        self,
        request: HttpRequest | None,
        provider: str | None = None,
        client_id: str | None = None,
    ) -> list[SocialApp]:
        """Return the configured provider, if any; never one from the database."""
        config = settings.CURFEW
        if not config.oidc_issuer or provider not in {None, PROVIDER_ID, Provider.id}:
            return []
        return [
            SocialApp(
                provider=Provider.id,
                provider_id=PROVIDER_ID,
                name=config.oidc_name,
                client_id=config.oidc_client_id,
                secret=config.oidc_client_secret.get_secret_value(),
                settings={
                    "issuer": config.oidc_issuer,
                    "server_url": config.oidc_issuer.rstrip("/"),
                    "oauth_pkce_enabled": True,
                    "scope": config.oidc_scopes,
                },
            )
        ]

    def generate_state_param(self, state: dict[str, Any]) -> str:
        return secrets.token_urlsafe(32)

    def get_requests_session(self) -> requests.Session:
        session: requests.Session = super().get_requests_session()
        # Never follow redirects, although ``session.get`` allows them.
        session.max_redirects = 0
        return session

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        """Update or create the account by the claims; 403 with a page if refused."""
        config = settings.CURFEW
        try:
            profile = sso.profile_from_claims(sociallogin.claims, config)
            if sociallogin.is_existing:
                sso.sync_user(sociallogin.user, profile)
                sociallogin.user.refresh_from_db()
            else:
                sociallogin.user = sso.provision_user(profile, config)
                sociallogin.save(request, connect=True)
        except sso.RefusedError as refusal:
            with override("en"):
                logger.warning("oidc_refused", reason=str(refusal))
            page = render(
                request,
                "socialaccount/refused.html",
                {"reason": str(refusal)},
                status=403,
            )
            raise ImmediateHttpResponse(page) from None

    def on_authentication_error(
        self, request: HttpRequest, provider: Provider, **details: Any
    ) -> None:
        """Log the reason; the page only says that the sign-in failed."""
        logger.warning(
            "oidc_failed",
            error=str(details.get("error")),
            exception=repr(details.get("exception")),
        )


def nonce_of(code_verifier: str) -> str:
    """Return the nonce of a sign-in.

    It is derived from the verifier, which is secret, random and stored with the state
    of the sign-in.
    """
    return hashlib.sha256(b"nonce:" + code_verifier.encode()).hexdigest()
