"""Tokens from the identity service.

Source: IAM API Reference, "Obtaining a User Token Through Password Authentication".
The token is in the header ``X-Subject-Token`` of a 201; its lifetime and its project
are in the body.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx

from dashboard.modelarts import json_reader, responses
from dashboard.modelarts.endpoints import SERVICE_TYPE
from dashboard.modelarts.errors import (
    AuthenticationError,
    ConfigurationError,
    ModelArtsError,
    NotSentError,
    ThrottledError,
)
from dashboard.modelarts.messages import Problem
from dashboard.modelarts.transport_errors import connect_message
from dashboard.outbound.transport import NEVER_SENT, open_http

_DEFAULT_LIFE_SECONDS = 3_600.0
"""Used if the answer has no lifetime; 24 h are documented."""


@dataclass(frozen=True, slots=True)
class PasswordCredentials:
    """A user's password, and the project to sign in for.

    Attributes:
        auth_url: Address of IAM, with or without ``/v3``.
        username: Name of the user, unless ``user_id`` is given.
        user_domain_name: The user's account, unless ``user_domain_id`` is given.
        project_id: The token's project; wins over ``project_name``.
        project_name: IAM looks it up in the user's domain unless another is given.
    """

    auth_url: str
    password: str = field(repr=False)
    username: str | None = None
    user_id: str | None = None
    user_domain_name: str | None = None
    user_domain_id: str | None = None
    project_id: str | None = None
    project_name: str | None = None
    project_domain_name: str | None = None
    project_domain_id: str | None = None


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A token as IAM issued it.

    Attributes:
        value: For ``X-Auth-Token``.
        life_seconds: Lifetime from its issue, by IAM's clock.
        project_id: The token's project.
        endpoint: Address of ModelArts in the token's catalog, if any.
        password_expires_at: When the password will no longer be accepted; None if
            never, or if IAM does not say.
    """

    value: str = field(repr=False)
    life_seconds: float
    project_id: str | None
    endpoint: str | None
    password_expires_at: datetime | None = None


def fetch_token(
    credentials: PasswordCredentials,
    *,
    with_catalog: bool,
    region: str | None = None,
    verify: bool | str = True,
    proxy: str | None = None,
    transport: httpx.BaseTransport | None = None,
) -> IssuedToken:
    """Sign in once, without a retry: wrong passwords lock the user.

    Args:
        credentials: Who signs in.
        with_catalog: Whether the service catalog is needed.
        region: The region whose ModelArts to take from the catalog.
        verify: See ``transport.open_http``.
        proxy: See ``transport.open_http``.
        transport: See ``transport.open_http``.

    Raises:
        AuthenticationError: IAM refuses the sign-in (any 4xx except 408 and 429).
        ThrottledError: IAM asks to wait.
        NotSentError: IAM cannot be reached or has a problem; ModelArts got no request.
        ConfigurationError: The address is no HTTP address.
    """
    error: ModelArtsError
    try:
        with open_http(verify=verify, proxy=proxy, transport=transport) as http:
            response = http.post(
                _tokens_url(credentials.auth_url),
                params=None if with_catalog else {"nocatalog": "1"},
                content=json.dumps(_request_body(credentials)).encode(),
                headers={"Content-Type": "application/json;charset=utf8"},
            )
        if response.is_success:
            return _issued_token(response, region)
        error = _refusal(response, credentials)
    except (httpx.UnsupportedProtocol, httpx.InvalidURL):
        error = ConfigurationError(Problem.AUTH_URL_NOT_HTTP)
    except NEVER_SENT as failure:
        error = NotSentError(*connect_message(failure, to_sign_in=True))
    except httpx.RequestError:
        error = NotSentError(Problem.SIGN_IN_TIMED_OUT)
    # Raised outside the handlers, since httpx's error holds the password.
    raise error


def _tokens_url(auth_url: str) -> str:
    root = auth_url.strip().rstrip("/")
    return f"{root if root.endswith('/v3') else root + '/v3'}/auth/tokens"


def _request_body(credentials: PasswordCredentials) -> dict[str, Any]:
    user: dict[str, Any] = {"password": credentials.password}
    if credentials.user_id:
        user["id"] = credentials.user_id
    else:
        user["name"] = credentials.username
        user["domain"] = _domain(
            credentials.user_domain_id, credentials.user_domain_name
        )
    project: dict[str, Any]
    if credentials.project_id:
        project = {"id": credentials.project_id}
    else:
        project = {"name": credentials.project_name}
        domain = _domain(credentials.project_domain_id, credentials.project_domain_name)
        if domain:
            project["domain"] = domain
    return {
        "auth": {
            "identity": {"methods": ["password"], "password": {"user": user}},
            "scope": {"project": project},
        }
    }


def _domain(domain_id: str | None, domain_name: str | None) -> dict[str, str]:
    if domain_id:
        return {"id": domain_id}
    return {"name": domain_name} if domain_name else {}


def _refusal(
    response: httpx.Response, credentials: PasswordCredentials
) -> ModelArtsError:
    status = response.status_code
    refusal = responses.error_from(response)
    kind: type[ModelArtsError] = AuthenticationError
    message = Problem.SIGN_IN_REFUSED
    if status == 429 or (status == 503 and refusal.retry_after_seconds is not None):
        kind, message = ThrottledError, Problem.SIGN_IN_TOO_MANY_REQUESTS
    elif status >= 500 or status == 408:
        kind, message = NotSentError, Problem.SIGN_IN_SERVER_ERROR
    elif refusal.error_code and refusal.error_code.startswith("IAM."):
        message = refusal.message
    elif status < 400 or status in {404, 405}:
        message = Problem.NO_SIGN_IN_SERVICE
    text = refusal.upstream_message
    return kind(
        message,
        status=status,
        error_code=refusal.error_code,
        # Some servers quote the request.
        upstream_message=text and text.replace(credentials.password, "…"),
        request_id=refusal.request_id,
        retry_after_seconds=refusal.retry_after_seconds,
    )


def _issued_token(response: httpx.Response, region: str | None) -> IssuedToken:
    value = response.headers.get("X-Subject-Token", "").strip()
    if not value or not value.isascii():
        raise NotSentError(Problem.SIGN_IN_WITHOUT_TOKEN)
    try:
        body = json_reader.read_json(response.content)
    except ValueError:
        body = None
    token = _member(body, "token")
    project_id = _member(_member(token, "project"), "id")
    return IssuedToken(
        value=value,
        life_seconds=_life_seconds(token),
        project_id=project_id if isinstance(project_id, str) else None,
        endpoint=_catalog_endpoint(token, region),
        password_expires_at=_moment(
            _member(_member(token, "user"), "password_expires_at")
        ),
    )


def _life_seconds(token: json_reader.Json) -> float:
    """Return expiry minus issue: both by IAM's clock, so ours need not be right."""
    expires_at = _moment(_member(token, "expires_at"))
    issued_at = _moment(_member(token, "issued_at")) or datetime.now(UTC)
    if expires_at is None or expires_at <= issued_at:
        return _DEFAULT_LIFE_SECONDS
    return (expires_at - issued_at).total_seconds()


def _moment(text: json_reader.Json) -> datetime | None:
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _catalog_endpoint(token: json_reader.Json, region: str | None) -> str | None:
    for endpoint in _modelarts_endpoints(_member(token, "catalog")):
        url = _member(endpoint, "url")
        if (
            isinstance(url, str)
            and url.startswith(("https://", "http://"))
            and _member(endpoint, "interface") in (None, "public")
            and (not region or _member(endpoint, "region") in (region, None, "*"))
        ):
            return url
    return None


def _modelarts_endpoints(catalog: json_reader.Json) -> Iterator[json_reader.Json]:
    for service in catalog if isinstance(catalog, list) else []:
        endpoints = _member(service, "endpoints")
        if _member(service, "type") == SERVICE_TYPE and isinstance(endpoints, list):
            yield from endpoints


def _member(value: json_reader.Json, name: str) -> json_reader.Json:
    return value.get(name) if isinstance(value, dict) else None
