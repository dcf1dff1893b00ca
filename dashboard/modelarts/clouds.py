"""Which clouds there are and how to reach them.

Found by ``openstack.config``, so with the files, variables and precedence that the
``openstack`` client, Terraform and otcextensions know. Credentials stay in the
returned objects; nothing here prints or stores them.
"""

import warnings
from dataclasses import dataclass, field
from typing import Any

import httpx
from openstack.config import OpenStackConfig
from openstack.exceptions import ConfigException

from dashboard.modelarts.auth import AkSkAuth, IamTokenAuth, StaticTokenAuth
from dashboard.modelarts.endpoints import (
    region_endpoint,
    sends_in_clear,
    split_endpoint,
)
from dashboard.modelarts.errors import ConfigurationError, InsecureEndpointError
from dashboard.modelarts.iam import PasswordCredentials
from dashboard.modelarts.transport import ssl_context

_ENDPOINT_KEY = "modelartsv1_endpoint_override"
_NO_FILE_CLOUD = "defaults"  # what openstack.config makes up where it finds nothing


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
    """

    name: str
    endpoint: str | None
    project_id: str | None
    region: str | None
    auth: httpx.Auth = field(repr=False)
    verify: bool | str = True
    allow_http: bool = False

    def check_endpoint(self, address: str) -> None:
        """Make sure that credentials may be sent to this address.

        Raises:
            InsecureEndpointError: They could be read on the way.
        """
        if sends_in_clear(address) and not self.allow_http:
            raise InsecureEndpointError(
                f"Cloud {self.name!r}: an address begins with http://, so credentials "
                "could be read on the way; correct it to https:// in clouds.yaml, or "
                "set allow_http there where the cloud is only an emulated one."
            )


def configured_clouds() -> list[str]:
    """Names of every cloud in the files, in their order.

    Where no file describes one but OS_* variables do, the name of that cloud
    (``envvars``, unless OS_CLOUD_NAME says otherwise).

    Raises:
        ConfigurationError: The files contradict themselves.
    """
    return _names(_open_config())


def load_cloud(name: str | None = None) -> CloudConfig:
    """Describe one cloud.

    Args:
        name: Name in clouds.yaml. None means what the ``openstack`` client would take:
            OS_CLOUD, else the OS_* variables, else the only cloud of the file.

    Raises:
        ConfigurationError: There is no such cloud or something is missing; the
            sentence says what to do.
    """
    config = _open_config()
    if name is None:
        name = _default_name(config)
    elif name not in _names(config) and name != config.envvar_key:
        known = ", ".join(_names(config)) or "none"
        raise ConfigurationError(
            f"There is no cloud {name!r} in clouds.yaml; described are: {known}."
        )
    try:
        with warnings.catch_warnings():
            # It speaks up for everybody, metrics configured or not.
            warnings.filterwarnings("ignore", message="Support for InfluxDB")
            found = config.get_one(name, validate=False)
        verify, _ = found.get_requests_verify_args()
    except ConfigException as error:
        raise ConfigurationError(f"Cloud {name!r}: {error}") from None
    except (KeyError, IndexError, ValueError):
        # openstack.config expands {braces} in values and trips over others.
        raise ConfigurationError(
            f"Cloud {name!r}: a value with braces cannot be read; where it is a key "
            "or a password, put it under auth."
        ) from None
    described = _described(name, found.config, _checked_verify(name, verify))
    for address in (found.config.get("auth", {}).get("auth_url"), described.endpoint):
        described.check_endpoint(address or "")
    return described


def _open_config() -> OpenStackConfig:
    try:
        return OpenStackConfig()
    except ConfigException as error:
        raise ConfigurationError(str(error)) from None


def _names(config: OpenStackConfig) -> list[str]:
    names = [str(name) for name in config.get_cloud_names()]
    if names == [_NO_FILE_CLOUD] and config.config_filename is None:
        return []
    # Any OS_* variable beside a file makes up one more cloud, even OS_CACERT alone.
    in_files = [name for name in names if name != config.envvar_key]
    return in_files or names


def _default_name(config: OpenStackConfig) -> str:
    name = config.default_cloud
    names = _names(config)
    if name == config.envvar_key and names and name not in names:
        # OS_* beside a file: a cloud of its own only if it can sign in.
        variables = config.cloud_config["clouds"][name]
        if not any(variables.get(key) for key in ("password", "token", "ak")):
            name = names[0] if len(names) == 1 else None
    if name is None or not names:
        raise ConfigurationError(
            f"No cloud is chosen; set OS_CLOUD to one of: {', '.join(names)}."
            if names
            else "No cloud is described; write a clouds.yaml, or set "
            "OS_CLIENT_CONFIG_FILE to the path of one."
        )
    return str(name)


def _checked_verify(name: str, verify: bool | str | None) -> bool | str:
    if not isinstance(verify, str):
        return verify is not False
    try:
        ssl_context(verify)
    except OSError:  # ssl.SSLError is one, too
        raise ConfigurationError(
            f"Cloud {name!r}: cacert {verify!r} is no readable certificate authority."
        ) from None
    return verify


class _Settings:
    """Settings of one cloud. Those of ``auth`` win, as they do in openstack.config."""

    def __init__(self, name: str, values: dict[str, Any]) -> None:
        self.name = name
        self._values = values
        self._auth = values.get("auth") or {}

    def get(self, key: str) -> str | None:
        for values in (self._auth, self._values):
            # openstack.config turns a key left empty into the word "None".
            if values.get(key) not in (None, "", "None"):
                return str(values[key])
        return None

    def need(self, key: str, purpose: str) -> str:
        value = self.get(key)
        if value is None:
            raise ConfigurationError(
                f"Cloud {self.name!r}: {key} is missing; {purpose}."
            )
        return value


def _described(name: str, values: dict[str, Any], verify: bool | str) -> CloudConfig:
    settings = _Settings(name, values)
    region = settings.get("region_name")
    endpoint, project_id = _place(settings)
    allow_http = settings.get("allow_http") == "True"
    auth: httpx.Auth
    access_key, secret_key = settings.get("ak"), settings.get("sk")
    if access_key and secret_key and project_id:
        auth = AkSkAuth(
            access_key=_sendable(settings, access_key),
            secret_key=secret_key,
            project_id=project_id,
            security_token=settings.get("security_token"),
        )
    elif token := settings.get("token"):
        auth = StaticTokenAuth(_sendable(settings, token))
    else:
        return CloudConfig(
            name=name,
            endpoint=endpoint,
            project_id=project_id,
            region=region,
            auth=IamTokenAuth(
                _password_credentials(settings, project_id),
                with_catalog=endpoint is None,
                region=region,
                verify=verify,
            ),
            verify=verify,
            allow_http=allow_http,
        )
    endpoint = endpoint or region_endpoint(region)
    if endpoint is None:
        raise ConfigurationError(
            f"Cloud {name!r}: set {_ENDPOINT_KEY}; without a password the address of "
            "ModelArts is known for the regions eu-de and eu-nl only."
        )
    if project_id is None:
        raise ConfigurationError(
            f"Cloud {name!r}: set auth.project_id; a token alone does not tell it."
        )
    return CloudConfig(name, endpoint, project_id, region, auth, verify, allow_http)


def _sendable(settings: _Settings, text: str) -> str:
    """Text for a header, where HTTP takes nothing but printable ASCII."""
    if not (text.isascii() and text.isprintable()):
        raise ConfigurationError(
            f"Cloud {settings.name!r}: ak or token holds characters that cannot be "
            "sent; copy it again."
        )
    return text


def _place(settings: _Settings) -> tuple[str | None, str | None]:
    """Root address and project, as far as they are configured."""
    project_id = settings.get("project_id")
    override = settings.get(_ENDPOINT_KEY)
    if override is None:
        return None, project_id
    root, named_project = split_endpoint(override)
    if not root.startswith(("https://", "http://")):
        raise ConfigurationError(
            f"Cloud {settings.name!r}: {_ENDPOINT_KEY} must begin with https://."
        )
    if project_id and named_project and project_id != named_project:
        raise ConfigurationError(
            f"Cloud {settings.name!r}: {_ENDPOINT_KEY} names another project than "
            "auth.project_id; make them agree."
        )
    return root, project_id or named_project


def _password_credentials(
    settings: _Settings, project_id: str | None
) -> PasswordCredentials:
    how = "give a user and password, a token, or ak, sk and project_id"
    auth_url = settings.need("auth_url", "it is the address of IAM")
    password = settings.need("password", how)
    if not settings.get("user_id"):
        settings.need("username", how)
        if not settings.get("user_domain_id"):
            settings.need("user_domain_name", "it is the account the user belongs to")
    if not project_id and not settings.get("project_name"):
        raise ConfigurationError(
            f"Cloud {settings.name!r}: set auth.project_id or auth.project_name; "
            "ModelArts takes only tokens of a project."
        )
    return PasswordCredentials(
        # Vendor profiles name the region in the address.
        auth_url=auth_url.replace("{region_name}", settings.get("region_name") or ""),
        password=password,
        username=settings.get("username"),
        user_id=settings.get("user_id"),
        user_domain_name=settings.get("user_domain_name"),
        user_domain_id=settings.get("user_domain_id"),
        project_id=project_id,
        project_name=settings.get("project_name"),
        project_domain_name=settings.get("project_domain_name"),
        project_domain_id=settings.get("project_domain_id"),
    )
