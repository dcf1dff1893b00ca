"""The configured clouds.

``openstack.config`` finds them, so files, variables and precedence are those of the
``openstack`` client, Terraform and otcextensions. Credentials stay in the returned
objects; nothing here prints or stores them.

Import this module and ``cloud_files`` in the function that needs a cloud: ``openstack``
takes a fifth of the CPU of a process's start, and only workers read clouds often.
"""

import warnings
from pathlib import Path

from openstack.exceptions import ConfigException

from dashboard.modelarts.cloud_config import CloudConfig, make_config
from dashboard.modelarts.cloud_files import CloudFiles, open_files, open_folder
from dashboard.modelarts.errors import ConfigurationError
from dashboard.modelarts.messages import Problem
from dashboard.outbound.transport import ssl_context


def configured_clouds() -> list[str]:
    """Return the names of the clouds in the files, in their order.

    If only OS_* variables configure a cloud, return its name (``envvars``, unless
    OS_CLOUD_NAME sets another).

    Raises:
        ConfigurationError: A file cannot be read, or the files contradict each other.
    """
    return names_in(open_files())


def load_cloud(name: str | None = None, *, proxy: str | None = None) -> CloudConfig:
    """Return the configuration of one cloud.

    Args:
        name: Name in clouds.yaml. With None, chosen like the ``openstack`` client does:
            OS_CLOUD, else the OS_* variables, else the only cloud of the file.
        proxy: Address of the HTTP proxy to the cloud.

    Raises:
        ConfigurationError: The cloud is unknown or its configuration is incomplete;
            the message says what to do.
    """
    files = open_files()
    if name is None:
        name = _default_name(files)
    elif name not in names_in(files) and name != files.envvar_key:
        known = ", ".join(names_in(files)) or "none"
        raise ConfigurationError(
            Problem.UNKNOWN_CLOUD, {"cloud": repr(name), "known": known}
        )
    return _load(files, name, proxy)


def load_cloud_of(folder: Path, name: str, *, proxy: str | None = None) -> CloudConfig:
    """Return the configuration of a cloud by the files of a folder alone.

    Raises:
        ConfigurationError: As ``load_cloud``.
    """
    return _load(open_folder(folder), name, proxy)


def _load(files: CloudFiles, name: str, proxy: str | None) -> CloudConfig:
    if fault := files.faults.get(name):
        raise fault
    cloud = {"cloud": repr(name)}
    try:
        with warnings.catch_warnings():
            # The library warns about deprecated keys, and always about InfluxDB.
            warnings.simplefilter("ignore")
            region = files.get_one(name, validate=False)
            verify, _ = region.get_requests_verify_args()
    except ConfigException as error:
        raise ConfigurationError(
            Problem.CLOUD_REFUSED, cloud | {"reason": str(error)}
        ) from None
    except (KeyError, IndexError, ValueError):
        raise ConfigurationError(Problem.CLOUD_AUTH_URL_PLACEHOLDER, cloud) from None
    except (AttributeError, TypeError):
        raise ConfigurationError(Problem.CLOUD_VALUE_SHAPE, cloud) from None
    key = "cacert" if region.config.get("cacert") else "verify"
    return make_config(
        name,
        region.config,
        verify=_checked_verify(name, key, verify),
        proxy=proxy,
    )


def names_in(files: CloudFiles) -> list[str]:
    """Return the names of the clouds, as ``configured_clouds``."""
    # Any OS_* variable next to a file adds a cloud, even OS_CACERT alone.
    if files.in_files:
        return files.in_files
    name = str(files.envvar_key)
    return [name] if name in files.cloud_config["clouds"] else []


def _default_name(files: CloudFiles) -> str:
    name = files.default_cloud
    names = names_in(files)
    if name == files.envvar_key and names and name not in names:
        # OS_* variables next to a file are a cloud only if they can sign in.
        variables = files.cloud_config["clouds"][name]
        keys = ("password", "token", "ak", "access_key")
        if not any(variables.get(key) for key in keys):
            name = names[0] if len(names) == 1 else None
    if not names:
        raise ConfigurationError(Problem.NO_CLOUD)
    if name is None:
        known = {"known": ", ".join(names)}
        raise ConfigurationError(Problem.NO_CLOUD_CHOSEN, known)
    return str(name)


def _checked_verify(name: str, key: str, verify: bool | str | None) -> bool | str:
    if not isinstance(verify, str):
        return verify is not False
    try:
        ssl_context(verify)
    except OSError:  # includes ssl.SSLError
        raise ConfigurationError(
            Problem.CLOUD_CACERT if key == "cacert" else Problem.CLOUD_VERIFY,
            {"cloud": repr(name), "path": repr(verify)},
        ) from None
    return verify
