"""Which clouds there are and how to reach them.

Found by ``openstack.config``, so with the files, variables and precedence that the
``openstack`` client, Terraform and otcextensions know. Credentials stay in the
returned objects; nothing here prints or stores them.
"""

import warnings

from openstack.exceptions import ConfigException

from dashboard.modelarts.cloud_config import CloudConfig, describe
from dashboard.modelarts.cloud_files import (
    CloudFiles,
    Fingerprint,
    fingerprint,
    open_files,
)
from dashboard.modelarts.errors import ConfigurationError
from dashboard.modelarts.transport import ssl_context

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
            sentence says what to do.
    """
    files = open_files()
    if name is None:
        name = _default_name(files)
    elif name not in _names(files) and name != files.envvar_key:
        known = ", ".join(_names(files)) or "none"
        raise ConfigurationError(
            f"There is no cloud {name!r} in clouds.yaml; described are: {known}."
        )
    if fault := files.faults.get(name):
        raise ConfigurationError(fault)
    try:
        with warnings.catch_warnings():
            # About keys that the library deprecates, and InfluxDB in any case.
            warnings.simplefilter("ignore")
            found = files.get_one(name, validate=False)
            verify, _ = found.get_requests_verify_args()
    except ConfigException as error:
        raise ConfigurationError(f"Cloud {name!r}: {error}") from None
    except (KeyError, IndexError, ValueError):
        raise ConfigurationError(
            f"Cloud {name!r}: auth_url holds a placeholder that is not filled in; "
            "write the address out."
        ) from None
    except (AttributeError, TypeError):
        raise ConfigurationError(
            f"Cloud {name!r}: a value of its entry has a wrong shape; compare it with "
            "the example in docs/settings.md."
        ) from None
    key = "cacert" if found.config.get("cacert") else "verify"
    return describe(
        name,
        found.config,
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
    if name is None or not names:
        raise ConfigurationError(
            f"No cloud is chosen; set OS_CLOUD to one of: {', '.join(names)}."
            if names
            else "No cloud is described; write a clouds.yaml, or set "
            "OS_CLIENT_CONFIG_FILE to the path of one."
        )
    return str(name)


def _checked_verify(name: str, key: str, verify: bool | str | None) -> bool | str:
    if not isinstance(verify, str):
        return verify is not False
    try:
        ssl_context(verify)
    except OSError:  # ssl.SSLError is one, too
        hint = "" if key == "cacert" else "; it must be true or false"
        raise ConfigurationError(
            f"Cloud {name!r}: {key} {verify!r} is no readable certificate "
            f"authority{hint}."
        ) from None
    return verify
