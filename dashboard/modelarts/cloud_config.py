"""The configuration of one cloud, made from the values in clouds.yaml."""

import os
import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx

from dashboard.modelarts.auth import AkSkAuth, IamTokenAuth, StaticTokenAuth
from dashboard.modelarts.endpoints import (
    OTC_REGIONS,
    address_fault,
    billing_endpoint,
    region_endpoint,
    sends_unencrypted,
    split_endpoint,
)
from dashboard.modelarts.errors import ConfigurationError, InsecureEndpointError
from dashboard.modelarts.generations import Generation
from dashboard.modelarts.iam import PasswordCredentials
from dashboard.modelarts.limits import MAX_RUN_SECONDS
from dashboard.modelarts.messages import Problem

ENDPOINT_KEY = "modelartsv1_endpoint_override"
BILLING_KEY = "bss_endpoint_override"
GENERATIONS_KEY = "modelarts_generations"
MAX_RUN_HOURS_KEY = "modelarts_max_run_hours"
NO_AUTO_STOP_KEY = "modelarts_no_auto_stop"
TAGS_KEY = "modelarts_tags"
NOTEBOOK_HOSTS_KEY = "modelarts_notebook_hosts"
CONSOLE_KEY = "modelarts_console_url"

_HUAWEI_DOMAIN = "myhuaweicloud"
_OTC_DOMAIN = "otc.t-systems.com"
_HUAWEI_NOTEBOOK_HOSTS = ("*.huaweicloud.com", "*.myhuaweicloud.com")
_HOST_PATTERN = re.compile(r"(\*\.)?[a-z0-9-]+(\.[a-z0-9-]+)+")
_MAX_CONSOLE_URL = 500
_MAX_RUN_HOURS = MAX_RUN_SECONDS // 3_600
_USUAL_RUN_HOURS = 24

_AUTH_TYPES = frozenset(
    {"password", "v3password", "v2password", "token", "v3token", "none"}
)


@dataclass(frozen=True)
class CloudConfig:
    """The address and the credentials of one cloud project.

    Attributes:
        name: Name in clouds.yaml, or of the cloud from the OS_* variables.
        endpoint: Root address of ModelArts without ``/v1``; None if only the service
            catalog of the token has it.
        project_id: None if only the token has it.
        region: Region in clouds.yaml, if any.
        auth: Keep one per process: it caches the token.
        verify: Whether to check certificates, or the path of the authority.
        allow_http: Whether credentials may be sent unencrypted, to an emulated cloud.
        proxy: Address of the HTTP proxy; None for a direct connection.
        generations: The generations of the API that the cloud serves; None if that must
            be found out.
        max_run_hours: Longest run of a notebook that a start or a renewal may ask for.
        allows_no_auto_stop: Whether a notebook can be started without auto-stop.
        has_tags: Whether notebooks have tags.
        notebook_hosts: The hosts to which "Open notebook" may lead; ``*.`` in front of
            a name stands for all hosts below it.
        console_url: The page of an instance in the vendor's console, with
            ``{instance_id}``; empty for none.
        billing_endpoint: Root address of the service that quotes prices; None for none.
    """

    name: str
    endpoint: str | None
    project_id: str | None
    region: str | None
    auth: httpx.Auth = field(repr=False)
    verify: bool | str = True
    allow_http: bool = False
    proxy: str | None = field(default=None, repr=False)
    generations: tuple[Generation, ...] | None = None
    max_run_hours: int = _USUAL_RUN_HOURS
    allows_no_auto_stop: bool = False
    has_tags: bool = False
    notebook_hosts: tuple[str, ...] = ()
    console_url: str = ""
    billing_endpoint: str | None = None

    def check_endpoint(self, address: str) -> None:
        """Check that credentials may be sent to this address.

        Raises:
            InsecureEndpointError: They would be sent unencrypted.
        """
        if sends_unencrypted(address) and not self.allow_http:
            raise InsecureEndpointError(
                Problem.CLOUD_IN_CLEAR, {"cloud": repr(self.name)}
            )


class _Settings:
    """The values of one cloud. Those in ``auth`` win, as in openstack.config."""

    def __init__(self, name: str, values: dict[str, Any]) -> None:
        self.name = name
        self._values = values
        self._auth = values.get("auth") or {}

    def get(self, *keys: str) -> str | None:
        """Return the value of the first of these synonyms that is set."""
        for values in (self._auth, self._values):
            for key in keys:
                # openstack.config turns a key left empty into the word "None".
                if values.get(key) not in (None, "", "None"):
                    return str(values[key])
        return None

    def names(self, key: str) -> list[str] | None:
        """Return a list, or a text with commas, in lower case; None if not set."""
        if self.get(key) is None:
            return None
        value = self._auth[key] if key in self._auth else self._values.get(key)
        items = value if isinstance(value, list) else str(value).split(",")
        return [str(item).strip().lower() for item in items]

    def switch(self, key: str, *, default: bool) -> bool:
        """Return the value of a key that may be true or false."""
        value = self.get(key)
        if value is None:
            return default
        if (word := value.strip().lower()) not in {"true", "false"}:
            raise self.error(Problem.CLOUD_SWITCH, key=key)
        return word == "true"

    def need(self, key: str, missing: Problem) -> str:
        value = self.get(key)
        if value is None:
            raise self.error(missing)
        return value

    def error(self, message: Problem, **params: str) -> ConfigurationError:
        return ConfigurationError(message, {"cloud": repr(self.name), **params})


def make_config(
    name: str, values: dict[str, Any], *, verify: bool | str, proxy: str | None
) -> CloudConfig:
    """Return the configuration of a cloud, from the values of ``openstack.config``.

    Raises:
        ConfigurationError: A value is missing or wrong; the message says which.
    """
    settings = _Settings(name, values)
    region = settings.get("region_name")
    endpoint, project_id = _configured_address(settings)
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
        raise settings.error(Problem.CLOUD_TOKEN_WITHOUT_PROJECT)
    else:
        endpoint = endpoint or _endpoint_of(settings, region)
    addresses = f"{endpoint} {settings.get('auth_url')}".lower()
    is_huawei = _HUAWEI_DOMAIN in addresses
    config = CloudConfig(
        name=name,
        endpoint=endpoint,
        project_id=project_id,
        region=region,
        auth=auth,
        verify=verify,
        allow_http=settings.get("allow_http") == "True",
        proxy=proxy,
        generations=_generations(settings),
        max_run_hours=_max_run_hours(settings, is_huawei=is_huawei),
        allows_no_auto_stop=settings.switch(NO_AUTO_STOP_KEY, default=is_huawei),
        has_tags=settings.switch(TAGS_KEY, default=is_huawei),
        notebook_hosts=_notebook_hosts(settings, addresses),
        console_url=_console_url(settings),
        billing_endpoint=_billing_endpoint(settings, endpoint),
    )
    for address in (settings.get("auth_url"), endpoint, config.billing_endpoint):
        config.check_endpoint(address or "")
    return config


def _configured_address(settings: _Settings) -> tuple[str | None, str | None]:
    """Return the root address and the project, as far as they are configured."""
    project_id = settings.get("project_id")
    override = settings.get(ENDPOINT_KEY, "modelartsv1_endpoint")
    if override is None:
        return None, project_id
    root, named_project = split_endpoint(override)
    if fault := address_fault(f"{root}/{named_project or ''}"):
        raise settings.error(fault, key=ENDPOINT_KEY)
    if project_id and named_project and project_id != named_project:
        raise settings.error(Problem.CLOUD_TWO_PROJECTS, key=ENDPOINT_KEY)
    return root, project_id or named_project


def _billing_endpoint(settings: _Settings, endpoint: str | None) -> str | None:
    """Return the configured root address, else that of the vendor's site."""
    override = settings.get(BILLING_KEY, "bss_endpoint")
    if override is None:
        return billing_endpoint(settings.get("auth_url"), endpoint)
    if fault := address_fault(override):
        raise settings.error(fault, key=BILLING_KEY)
    return override.strip().rstrip("/")


def _generations(settings: _Settings) -> tuple[Generation, ...] | None:
    """Return the configured generations in their usual order; None without the key."""
    names = settings.names(GENERATIONS_KEY)
    if names is None:
        return None
    if not names or not set(names) <= set(Generation):
        raise settings.error(Problem.CLOUD_GENERATIONS, key=GENERATIONS_KEY)
    return tuple(generation for generation in Generation if generation in names)


def _max_run_hours(settings: _Settings, *, is_huawei: bool) -> int:
    text = settings.get(MAX_RUN_HOURS_KEY)
    if text is None:
        return _MAX_RUN_HOURS if is_huawei else _USUAL_RUN_HOURS
    if not text.isascii() or not text.isdecimal() or len(text) > 4:
        hours = 0
    else:
        hours = int(text)
    if not 1 <= hours <= _MAX_RUN_HOURS:
        most = str(_MAX_RUN_HOURS)
        raise settings.error(Problem.CLOUD_MAX_RUN, key=MAX_RUN_HOURS_KEY, most=most)
    return hours


def _notebook_hosts(settings: _Settings, addresses: str) -> tuple[str, ...]:
    """Return the configured hosts, else those of the vendor with these addresses."""
    hosts = settings.names(NOTEBOOK_HOSTS_KEY)
    if hosts is None:
        if _HUAWEI_DOMAIN in addresses:
            return _HUAWEI_NOTEBOOK_HOSTS
        return (f"*.{_OTC_DOMAIN}",) if _OTC_DOMAIN in addresses else ()
    if not all(_HOST_PATTERN.fullmatch(host) for host in hosts):
        raise settings.error(Problem.CLOUD_NOTEBOOK_HOSTS, key=NOTEBOOK_HOSTS_KEY)
    return tuple(hosts)


def _console_url(settings: _Settings) -> str:
    url = settings.get(CONSOLE_KEY) or ""
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = urlsplit("")
    is_page = parts.scheme == "https" and parts.hostname and not parts.username
    if url and not (is_page and url.isprintable() and len(url) <= _MAX_CONSOLE_URL):
        raise settings.error(Problem.CLOUD_CONSOLE, key=CONSOLE_KEY)
    return url


def _endpoint_of(settings: _Settings, region: str | None) -> str:
    endpoint = region_endpoint(region)
    if endpoint is None:
        known = ", ".join(OTC_REGIONS)
        if not region:
            raise settings.error(Problem.CLOUD_NO_REGION, known=known, key=ENDPOINT_KEY)
        raise settings.error(
            Problem.CLOUD_UNKNOWN_REGION,
            region=repr(region),
            known=known,
            key=ENDPOINT_KEY,
        )
    return endpoint


def _key_auth(settings: _Settings, project_id: str | None) -> AkSkAuth | None:
    """Return how to sign with an access key; None if another way is configured."""
    access_key = settings.get("access_key", "ak")
    secret_key = settings.get("secret_key", "sk")
    security_token = settings.get("security_token")
    other_way = settings.get("password", "token")
    if not (access_key or secret_key or other_way):
        # Like otcextensions, for any cloud without credentials of its own.
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
        raise settings.error(Problem.CLOUD_KEY_WITHOUT_PROJECT)
    lacking = "sk" if access_key else "ak"
    raise settings.error(Problem.CLOUD_KEY_HALF, key=lacking)


def _token_auth(settings: _Settings) -> StaticTokenAuth | None:
    token = settings.get("token")
    return StaticTokenAuth(_sendable(settings, token)) if token else None


def _sendable(settings: _Settings, text: str) -> str:
    """Return the text if it can be a header, which is printable ASCII."""
    if not (text.isascii() and text.isprintable()):
        raise settings.error(Problem.CLOUD_NOT_SENDABLE)
    return text


def _password_credentials(
    settings: _Settings, project_id: str | None
) -> PasswordCredentials:
    auth_type = settings.get("auth_type") or "none"
    if settings.get("application_credential_id", "application_credential_name"):
        auth_type = "v3applicationcredential"
    if auth_type not in _AUTH_TYPES:
        raise settings.error(Problem.CLOUD_AUTH_TYPE, auth_type=auth_type)
    auth_url = settings.need("auth_url", Problem.CLOUD_NO_AUTH_URL)
    if fault := address_fault(auth_url):
        raise settings.error(fault, key="auth_url")
    if auth_url.rstrip("/").endswith("/tokens"):
        raise settings.error(Problem.CLOUD_AUTH_URL_TOKENS)
    password = settings.need("password", Problem.CLOUD_NO_PASSWORD)
    user_id = settings.get("user_id")
    username = settings.get("username", "user_name")
    user_domain_id = settings.get("user_domain_id", "default_domain_id")
    user_domain_name = settings.get("user_domain_name", "default_domain_name")
    if not user_id and not username:
        raise settings.error(Problem.CLOUD_NO_USERNAME)
    if not (user_id or user_domain_id or user_domain_name):
        raise settings.error(Problem.CLOUD_NO_USER_DOMAIN)
    if not project_id and not settings.get("project_name"):
        raise settings.error(Problem.CLOUD_NO_PROJECT)
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
