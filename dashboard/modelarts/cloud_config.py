"""What Curfew needs to know of one cloud, out of the values that describe it."""

import os
from dataclasses import dataclass, field
from typing import Any

import httpx

from dashboard.modelarts import messages
from dashboard.modelarts.auth import AkSkAuth, IamTokenAuth, StaticTokenAuth
from dashboard.modelarts.endpoints import (
    OTC_REGIONS,
    address_fault,
    region_endpoint,
    sends_in_clear,
    split_endpoint,
)
from dashboard.modelarts.errors import ConfigurationError, InsecureEndpointError
from dashboard.modelarts.iam import PasswordCredentials

ENDPOINT_KEY = "modelartsv1_endpoint_override"

_AUTH_TYPES = frozenset(
    {"password", "v3password", "v2password", "token", "v3token", "none"}
)


@dataclass(frozen=True)
class CloudConfig:
    """One cloud project: where it is and how to prove who we are.

    Attributes:
        name: Name in clouds.yaml, or that of the cloud made of OS_* variables.
        endpoint: Root address of ModelArts without ``/v1``; None where only the
            token's service catalog knows it.
        project_id: None where only the token knows it.
        region: Region in clouds.yaml, if any.
        auth: Proves who we are; keep one per process, it holds the token.
        verify: Whether to check certificates, or the path of the authority.
        allow_http: Whether credentials may be sent in clear, to an emulated cloud.
        proxy: Address of the HTTP proxy on the way there, None for a direct way.
    """

    name: str
    endpoint: str | None
    project_id: str | None
    region: str | None
    auth: httpx.Auth = field(repr=False)
    verify: bool | str = True
    allow_http: bool = False
    proxy: str | None = field(default=None, repr=False)

    def check_endpoint(self, address: str) -> None:
        """Make sure that credentials may be sent to this address.

        Raises:
            InsecureEndpointError: They could be read on the way.
        """
        if sends_in_clear(address) and not self.allow_http:
            raise InsecureEndpointError(
                messages.CLOUD_IN_CLEAR, {"cloud": repr(self.name)}
            )


class _Settings:
    """Settings of one cloud. Those of ``auth`` win, as they do in openstack.config."""

    def __init__(self, name: str, values: dict[str, Any]) -> None:
        self.name = name
        self._values = values
        self._auth = values.get("auth") or {}

    def get(self, *keys: str) -> str | None:
        """The value of the first of these synonyms that has one."""
        for values in (self._auth, self._values):
            for key in keys:
                # openstack.config turns a key left empty into the word "None".
                if values.get(key) not in (None, "", "None"):
                    return str(values[key])
        return None

    def need(self, key: str, missing: str) -> str:
        value = self.get(key)
        if value is None:
            raise self.error(missing)
        return value

    def error(self, code: str, **params: str) -> ConfigurationError:
        return ConfigurationError(code, {"cloud": repr(self.name), **params})


def describe(
    name: str,
    values: dict[str, Any],
    *,
    verify: bool | str,
    proxy: str | None,
) -> CloudConfig:
    """Make the description of a cloud out of its values.

    Args:
        name: Name of the cloud.
        values: As ``openstack.config`` gives them.
        verify: Whether to check certificates, or the path of the authority.
        proxy: Address of the HTTP proxy on the way to the cloud.

    Raises:
        ConfigurationError: Something is missing or wrong; the message says what.
    """
    settings = _Settings(name, values)
    region = settings.get("region_name")
    endpoint, project_id = _place(settings)
    auth: httpx.Auth | None
    auth = _key_auth(settings, project_id) or _token_auth(settings)
    if auth is None:
        auth = IamTokenAuth(
            _password_credentials(settings, project_id),
            with_catalog=endpoint is None,
            region=region,
            verify=verify,
            proxy=proxy,
        )
    elif project_id is None:
        raise settings.error(messages.CLOUD_TOKEN_WITHOUT_PROJECT)
    else:
        endpoint = endpoint or _endpoint_of(settings, region)
    config = CloudConfig(
        name=name,
        endpoint=endpoint,
        project_id=project_id,
        region=region,
        auth=auth,
        verify=verify,
        allow_http=settings.get("allow_http") == "True",
        proxy=proxy,
    )
    for address in (settings.get("auth_url"), endpoint):
        config.check_endpoint(address or "")
    return config


def _place(settings: _Settings) -> tuple[str | None, str | None]:
    """Root address and project, as far as they are configured."""
    project_id = settings.get("project_id")
    override = settings.get(ENDPOINT_KEY, "modelartsv1_endpoint")
    if override is None:
        return None, project_id
    root, named_project = split_endpoint(override)
    if fault := address_fault(f"{root}/{named_project or ''}"):
        raise settings.error(fault, key=ENDPOINT_KEY)
    if project_id and named_project and project_id != named_project:
        raise settings.error(messages.CLOUD_TWO_PROJECTS, key=ENDPOINT_KEY)
    return root, project_id or named_project


def _endpoint_of(settings: _Settings, region: str | None) -> str:
    endpoint = region_endpoint(region)
    if endpoint is None:
        known = ", ".join(OTC_REGIONS)
        if not region:
            raise settings.error(
                messages.CLOUD_NO_REGION, known=known, key=ENDPOINT_KEY
            )
        raise settings.error(
            messages.CLOUD_UNKNOWN_REGION,
            region=repr(region),
            known=known,
            key=ENDPOINT_KEY,
        )
    return endpoint


def _key_auth(settings: _Settings, project_id: str | None) -> AkSkAuth | None:
    """Signing with an access key, where there is a whole one or nothing else."""
    access_key = settings.get("access_key", "ak")
    secret_key = settings.get("secret_key", "sk")
    security_token = settings.get("security_token")
    other_way = settings.get("password", "token")
    if not (access_key or secret_key or other_way):
        # As otcextensions, for any cloud that brings no key of its own.
        access_key = os.environ.get("OS_ACCESS_KEY")
        secret_key = os.environ.get("OS_SECRET_KEY")
        security_token = os.environ.get("OS_SECURITY_TOKEN")
    if access_key and secret_key and project_id:
        return AkSkAuth(
            access_key=_sendable(settings, access_key),
            secret_key=secret_key,
            project_id=project_id,
            security_token=security_token,
        )
    if other_way or not (access_key or secret_key):
        return None
    if access_key and secret_key:
        raise settings.error(messages.CLOUD_KEY_WITHOUT_PROJECT)
    lacking = "sk" if access_key else "ak"
    raise settings.error(messages.CLOUD_KEY_HALF, key=lacking)


def _token_auth(settings: _Settings) -> StaticTokenAuth | None:
    token = settings.get("token")
    return StaticTokenAuth(_sendable(settings, token)) if token else None


def _sendable(settings: _Settings, text: str) -> str:
    """Text for a header, where HTTP takes nothing but printable ASCII."""
    if not (text.isascii() and text.isprintable()):
        raise settings.error(messages.CLOUD_NOT_SENDABLE)
    return text


def _password_credentials(
    settings: _Settings, project_id: str | None
) -> PasswordCredentials:
    auth_type = settings.get("auth_type") or "none"
    if settings.get("application_credential_id", "application_credential_name"):
        auth_type = "v3applicationcredential"
    if auth_type not in _AUTH_TYPES:
        raise settings.error(messages.CLOUD_AUTH_TYPE, auth_type=auth_type)
    auth_url = settings.need("auth_url", messages.CLOUD_NO_AUTH_URL)
    if fault := address_fault(auth_url):
        raise settings.error(fault, key="auth_url")
    if auth_url.rstrip("/").endswith("/tokens"):
        raise settings.error(messages.CLOUD_AUTH_URL_TOKENS)
    password = settings.need("password", messages.CLOUD_NO_PASSWORD)
    user_id = settings.get("user_id")
    username = settings.get("username", "user_name")
    user_domain_id = settings.get("user_domain_id", "default_domain_id")
    user_domain_name = settings.get("user_domain_name", "default_domain_name")
    if not user_id and not username:
        raise settings.error(messages.CLOUD_NO_USERNAME)
    if not (user_id or user_domain_id or user_domain_name):
        raise settings.error(messages.CLOUD_NO_USER_DOMAIN)
    if not project_id and not settings.get("project_name"):
        raise settings.error(messages.CLOUD_NO_PROJECT)
    return PasswordCredentials(
        auth_url=auth_url,
        password=password,
        username=username,
        user_id=user_id,
        user_domain_name=user_domain_name,
        user_domain_id=user_domain_id,
        project_id=project_id,
        project_name=settings.get("project_name"),
        project_domain_name=settings.get("project_domain_name", "default_domain_name"),
        project_domain_id=settings.get("project_domain_id", "default_domain_id"),
    )
