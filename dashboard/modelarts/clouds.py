"""Which clouds there are and how to reach them.

Found by ``openstack.config``, so with the files, variables and precedence that the
``openstack`` client, Terraform and otcextensions know. Credentials stay in the
returned objects; nothing here prints or stores them.
"""

import warnings

from openstack.exceptions import ConfigException

from dashboard.modelarts import messages
from dashboard.modelarts.cloud_config import CloudConfig, describe
from dashboard.modelarts.cloud_files import (
    CloudFiles,
    Fingerprint,
    fingerprint,
    open_files,
)
from dashboard.modelarts.errors import ConfigurationError
from dashboard.outbound.transport import ssl_context

__all__ = [
    "CloudConfig",
    "Fingerprint",
    "configured_clouds",
    "fingerprint",
    "load_cloud",
]


def configured_clouds() -> list[str]:
    """Names of every cloud in the files, in their order.

    Where no file describes one but OS_* variables do, the name of that cloud
    (``envvars``, unless OS_CLOUD_NAME says otherwise).

    Raises:
        ConfigurationError: A file cannot be read, or the files contradict each other.
    """
    return _names(open_files())


def load_cloud(name: str | None = None, *, proxy: str | None = None) -> CloudConfig:
    """Describe one cloud.

    Args:
        name: Name in clouds.yaml. None means what the ``openstack`` client would take:
            OS_CLOUD, else the OS_* variables, else the only cloud of the file.
        proxy: Address of the HTTP proxy on the way to the cloud.

    Raises:
        ConfigurationError: There is no such cloud or something is missing; the
            message says what to do.
    """
    files = open_files()
    if name is None:
        name = _default_name(files)
    elif name not in _names(files) and name != files.envvar_key:
        known = ", ".join(_names(files)) or "none"
        raise ConfigurationError(
            messages.UNKNOWN_CLOUD, {"cloud": repr(name), "known": known}
        )
    if fault := files.faults.get(name):
        raise fault
    cloud = {"cloud": repr(name)}
    try:
        with warnings.catch_warnings():
            # About keys that the library deprecates, and InfluxDB in any case.
            warnings.simplefilter("ignore")
            region = files.get_one(name, validate=False)
            verify, _ = region.get_requests_verify_args()
    except ConfigException as error:
        raise ConfigurationError(
            messages.CLOUD_REFUSED, cloud | {"reason": str(error)}
        ) from None
    except (KeyError, IndexError, ValueError):
        raise ConfigurationError(messages.CLOUD_AUTH_URL_PLACEHOLDER, cloud) from None
    except (AttributeError, TypeError):
        raise ConfigurationError(messages.CLOUD_VALUE_SHAPE, cloud) from None
    key = "cacert" if region.config.get("cacert") else "verify"
    return describe(
        name,
        region.config,
        verify=_checked_verify(name, key, verify),
        proxy=proxy,
    )


def _names(files: CloudFiles) -> list[str]:
    # Any OS_* variable beside a file makes up one more cloud, even OS_CACERT alone.
    if files.in_files:
        return files.in_files
    made_up = str(files.envvar_key)
    return [made_up] if made_up in files.cloud_config["clouds"] else []


def _default_name(files: CloudFiles) -> str:
    name = files.default_cloud
    names = _names(files)
    if name == files.envvar_key and names and name not in names:
        # OS_* beside a file: a cloud of its own only if it can sign in.
        variables = files.cloud_config["clouds"][name]
        keys = ("password", "token", "ak", "access_key")
        if not any(variables.get(key) for key in keys):
            name = names[0] if len(names) == 1 else None
    if not names:
        raise ConfigurationError(messages.NO_CLOUD)
    if name is None:
        known = {"known": ", ".join(names)}
        raise ConfigurationError(messages.NO_CLOUD_CHOSEN, known)
    return str(name)


def _checked_verify(name: str, key: str, verify: bool | str | None) -> bool | str:
    if not isinstance(verify, str):
        return verify is not False
    try:
        ssl_context(verify)
    except OSError:  # ssl.SSLError is one, too
        raise ConfigurationError(
            messages.CLOUD_CACERT if key == "cacert" else messages.CLOUD_VERIFY,
            {"cloud": repr(name), "path": repr(verify)},
        ) from None
    return verify
