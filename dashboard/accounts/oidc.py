"""OpenID Connect: allauth's client, held to one issuer, PKCE, nonce and signature.

allauth trusts a token that came straight from the token endpoint, and sends no nonce.
Here each token is verified as OpenID Connect Core 1.0, section 3.1.3.7, lists it,
whatever way it came.
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
from allauth.socialaccount.models import SocialApp, SocialLogin
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.socialaccount.providers.openid_connect.provider import (
    OpenIDConnectProvider,
)
from allauth.socialaccount.providers.openid_connect.views import (
    OpenIDConnectOAuth2Adapter,
)
from django.conf import settings
from django.http import HttpRequest
from django.shortcuts import render
from django.utils.translation import override

from . import sso

logger = structlog.get_logger(__name__)

PROVIDER_ID = "sso"
"""Part of the address that is registered with the identity provider."""

# Asymmetric only: with HS256 our client secret, or a public key, would sign.
ALGORITHMS = [
    f"{kind}{size}" for kind in ("RS", "PS", "ES") for size in (256, 384, 512)
]
LEEWAY_SECONDS = 60

_KEPT = ("preferred_username", "name", "email")
"""All that is stored of the claims."""


class Adapter(OpenIDConnectOAuth2Adapter):  # type: ignore[misc]  # untyped library
    """One sign-in: fetches the token and verifies it."""

    @functools.cached_property
    def openid_config(self) -> dict[str, Any]:
        """The discovery document.

        Raises:
            OAuth2Error: It is of another issuer, or no such document.
        """
        provider = self.get_provider()
        with provider.requests_session() as session:
            answer = session.get(provider.server_url)
            answer.raise_for_status()
            found = answer.json()
        if not isinstance(found, dict) or found.get("issuer") != provider.issuer:
            raise OAuth2Error("The discovery document is of another issuer.")
        return found

    def get_access_token_data(
        self, *args: Any, pkce_code_verifier: str, **kwargs: Any
    ) -> dict[str, Any]:
        """Exchange the code; remember which nonce the token must carry."""
        self._nonce = nonce_of(pkce_code_verifier)
        data: dict[str, Any] = super().get_access_token_data(
            *args, pkce_code_verifier=pkce_code_verifier, **kwargs
        )
        return data

    def complete_login(
        self, request: HttpRequest, app: SocialApp, token: Any, **kwargs: Any
    ) -> SocialLogin:
        """Verify the token; claims only it lacks come from the userinfo endpoint.

        Raises:
            OAuth2Error: Anything is not as it must be.
        """
        try:
            claims = self._verified(app, kwargs["response"]["id_token"])
            if "userinfo_endpoint" in self.openid_config:
                more = self._fetch_user_info(token.token)
                if more["sub"] != claims["sub"]:
                    raise OAuth2Error("The userinfo is of somebody else.")
                claims = more | claims
        except (jwt.PyJWTError, KeyError, TypeError, ValueError) as error:
            raise OAuth2Error(f"The token is not valid: {error}") from error
        login = self.get_provider().sociallogin_from_response(request, claims)
        login.claims = claims
        return login

    def _verified(self, app: SocialApp, id_token: str) -> dict[str, Any]:
        provider = self.get_provider()
        header = jwt.get_unverified_header(id_token)
        # Access tokens, sign-outs and the like say in their type what they are.
        if str(header.get("typ", "JWT")).upper() != "JWT":
            raise OAuth2Error("This is a token of another type.")
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
            raise OAuth2Error("The nonce is not ours.")
        if claims.get("azp", app.client_id) != app.client_id:
            raise OAuth2Error("The token was made for another client.")
        return claims

    def _key(self, kid: str | None) -> Any:
        with self.get_provider().requests_session() as session:
            answer = session.get(self.openid_config["jwks_uri"])
            answer.raise_for_status()
            keys = jwt.PyJWKSet.from_dict(answer.json()).keys
        fitting = [key for key in keys if kid is None or key.key_id == kid]
        if len(fitting) != 1:
            raise OAuth2Error("No one key fits the token.")
        return fitting[0].key


class Provider(OpenIDConnectProvider):  # type: ignore[misc]  # untyped library
    """The configured identity provider."""

    oauth2_adapter_class = Adapter

    @property
    def issuer(self) -> str:
        """As configured, to the letter."""
        return str(self.app.settings["issuer"])

    def requests_session(self) -> requests.Session:
        """For all calls to it: with a time-out, and without redirects."""
        session: requests.Session = SocialAdapter().get_requests_session()
        return session

    def get_pkce_params(self) -> dict[str, str]:
        """A fresh verifier, its challenge, and the nonce that belongs to it."""
        parameters: dict[str, str] = super().get_pkce_params()
        return parameters | {"nonce": nonce_of(parameters["code_verifier"])}

    def get_redirect_from_request_kwargs(self, request: HttpRequest) -> dict[str, Any]:
        """Where to go afterwards, and nothing else that an address may ask for.

        allauth would also take scopes and parameters for the provider from it.
        """
        wanted: dict[str, Any] = super().get_redirect_from_request_kwargs(request)
        return {"process": "login", "next_url": wanted.get("next_url")}

    def extract_extra_data(self, data: dict[str, Any]) -> dict[str, Any]:
        """What is stored with the account."""
        return {name: data[name] for name in _KEPT if name in data}


class SocialAdapter(DefaultSocialAccountAdapter):  # type: ignore[misc]  # untyped
    """Decides who comes in, and as what."""

    def list_apps(
        self,
        request: HttpRequest | None,
        provider: str | None = None,
        client_id: str | None = None,
    ) -> list[SocialApp]:
        """The one provider that is configured, or none; never one from the database."""
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
        """What ties the answer to its question: 256 random bits."""
        return secrets.token_urlsafe(32)

    def get_requests_session(self) -> requests.Session:
        """With a time-out, and without redirects: addresses are those it published."""
        session: requests.Session = super().get_requests_session()
        # Not by allow_redirects: ``session.get`` says True by itself.
        session.max_redirects = 0
        return session

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        """Let somebody in whose token is good, as what their claims say."""
        config = settings.CURFEW
        try:
            wanted = sso.profile_from_claims(sociallogin.claims, config)
            if sociallogin.is_existing:
                sso.sync_user(sociallogin.user, wanted)
                sociallogin.user.refresh_from_db()
            else:
                sociallogin.user = sso.provision_user(wanted, config)
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
        """Log why; the page tells the person no more than that it failed."""
        logger.warning(
            "oidc_failed",
            error=str(details.get("error")),
            exception=repr(details.get("exception")),
        )


def nonce_of(code_verifier: str) -> str:
    """The nonce of one sign-in.

    The verifier is secret, random and kept with the state of this one sign-in, so what
    is derived from it is, too; and it needs no place of its own to be kept.
    """
    return hashlib.sha256(b"nonce:" + code_verifier.encode()).hexdigest()
