"""The files and variables that configure clouds, read strictly.

``openstack.config`` skips a file that it cannot read, and fails on malformed entries.
Here an unreadable file is an error, and a malformed entry is an error of its own cloud,
so that the other clouds still work.
"""

import json
import os
from pathlib import Path
from typing import Any

import yaml
from openstack.config import OpenStackConfig, loader
from openstack.exceptions import ConfigException

from dashboard.modelarts.errors import ConfigurationError
from dashboard.modelarts.messages import Problem

_VARIABLES = ("OS_CLIENT_CONFIG_FILE", "OS_CLIENT_SECURE_FILE")

_KEYS = frozenset({"ak", "sk", "access_key", "secret_key", "security_token"})
"""Access keys; braces in them are no placeholders."""

type Fingerprint = tuple[tuple[int, int, int] | None, ...]


class CloudFiles(OpenStackConfig):
    """``openstack.config`` with strictly read files.

    Attributes:
        in_files: Names of the clouds in the files.
        faults: Errors by cloud, for entries that cannot be used.
    """

    def __init__(self, folder: Path | None = None) -> None:
        """Read the files and the ``OS_*`` variables.

        Args:
            folder: Read only the files of this folder, and no variables.

        Raises:
            ConfigurationError: A file cannot be read.
            ConfigException: The files contradict each other.
        """
        self.in_files: list[str] = []
        self.faults: dict[str, ConfigurationError] = {}
        if folder:
            super().__init__(
                config_files=[str(folder / "clouds.yaml")],
                secure_files=[str(folder / "secure.yaml")],
                load_envvars=False,
            )
            return
        for variable in _VARIABLES:
            path = os.environ.get(variable)
            if path and not os.path.exists(path):
                raise ConfigurationError(
                    Problem.FILE_MISSING, {"variable": variable, "path": path}
                )
        super().__init__(config_files=config_files(), secure_files=secure_files())

    def auth_config_hook(self, config: dict[str, Any]) -> dict[str, Any]:
        """Prepare the values of one cloud for the expansion of placeholders.

        ``get_one`` calls it before it fills in ``{…}``. A value whose placeholders have
        no value keeps its braces, since it may be a secret.
        """
        for key, value in config.items():
            if not isinstance(value, str) or key in loader.FORMAT_EXCLUSIONS:
                continue
            if key in _KEYS or not _can_be_filled(value, config):
                config[key] = value.replace("{", "{{").replace("}", "}}")
        verify = str(config.get("verify")).lower()
        if verify in {"true", "false"}:  # OS_VERIFY is always text
            config["verify"] = verify == "true"
        return config

    def _load_yaml_json_file(
        self, filelist: list[str]
    ) -> tuple[str, dict[str, Any]] | tuple[None, None]:
        path = next((path for path in filelist if os.path.exists(path)), None)
        if path is None:
            return None, None
        document = _read(path)
        if filelist is not self._vendor_files:
            document["clouds"] = self._checked_clouds(path, document)
        return path, document

    def _checked_clouds(self, path: str, document: dict[str, Any]) -> dict[str, Any]:
        if document and "clouds" not in document:
            raise ConfigurationError(Problem.FILE_WITHOUT_CLOUDS, {"path": path})
        clouds = document.get("clouds") or {}
        if not isinstance(clouds, dict):
            raise ConfigurationError(Problem.FILE_CLOUDS_SHAPE, {"path": path})
        checked: dict[str, Any] = {}
        for name, entry in clouds.items():
            checked[name] = {} if entry is None else entry
            if fault := _fault(name, checked[name]):
                self.faults[name] = fault
                checked[name] = {}
            elif checked[name].get("auth", {}) is None:
                checked[name]["auth"] = {}
        self.in_files += [name for name in checked if name not in self.in_files]
        return checked


def open_files() -> CloudFiles:
    """Read the configuration of the clouds.

    Raises:
        ConfigurationError: A file cannot be read; the message names file and line.
    """
    return _open(None)


def open_folder(folder: Path) -> CloudFiles:
    """Read ``clouds.yaml`` and ``secure.yaml`` of a folder, and nothing else.

    Raises:
        ConfigurationError: A file cannot be read; the message names file and line.
    """
    return _open(folder)


def _open(folder: Path | None) -> CloudFiles:
    try:
        return CloudFiles(folder)
    except ConfigException as error:
        raise ConfigurationError(
            Problem.FILES_REFUSED, {"reason": str(error)}
        ) from None
    except (AttributeError, KeyError, TypeError, ValueError):
        # Structures that the library does not check, such as a list under "client:".
        # Its own error may quote a value.
        raise ConfigurationError(Problem.FILES_SHAPE) from None


def config_files() -> list[str]:
    """Return where ``clouds.yaml`` may be: in our data directory, and as usual."""
    return [*_in_data_directory("clouds.yaml"), *loader.CONFIG_FILES]


def secure_files() -> list[str]:
    return [*_in_data_directory("secure.yaml"), *loader.SECURE_FILES]


def _in_data_directory(name: str) -> list[str]:
    folder = os.environ.get("CURFEW_DATA_DIR")
    return [os.path.join(folder, name)] if folder else []


def fingerprint() -> Fingerprint:
    """Return a value that changes with the files that configure clouds."""
    named = [os.environ.get(variable, "") for variable in _VARIABLES]
    paths = [*named, *config_files(), *secure_files(), *loader.VENDOR_FILES]
    return tuple(_state(path) for path in paths)


def _state(path: str) -> tuple[int, int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def _read(path: str) -> dict[str, Any]:
    """Return the mapping in a file, with all keys as text.

    The parsers' own errors are not passed on, since they may quote a password.
    """
    try:
        with open(path, "rb") as file:
            document = (
                json.load(file) if path.endswith("json") else yaml.safe_load(file)
            )
    except OSError as error:
        reason = {"path": path, "reason": error.strerror or type(error).__name__}
        raise ConfigurationError(Problem.FILE_UNREADABLE, reason) from None
    except json.JSONDecodeError as error:
        place = {"path": path, "line": error.lineno}
        raise ConfigurationError(Problem.FILE_NOT_JSON, place) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = {"path": path, "line": mark.line + 1 if mark else "?"}
        raise ConfigurationError(Problem.FILE_NOT_YAML, place) from None
    except (ValueError, RecursionError, yaml.YAMLError):
        raise ConfigurationError(Problem.FILE_NOT_TEXT, {"path": path}) from None
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise ConfigurationError(Problem.FILE_WITHOUT_CLOUDS, {"path": path})
    return {str(key): _with_text_keys(value) for key, value in document.items()}


def _with_text_keys(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _with_text_keys(member) for key, member in value.items()}
    if isinstance(value, list):
        return [_with_text_keys(member) for member in value]
    return value


def _fault(name: str, entry: Any) -> ConfigurationError | None:
    """Return why the entry of a cloud cannot be used; None if it can."""
    cloud = {"cloud": repr(name)}
    if not isinstance(entry, dict):
        return ConfigurationError(Problem.CLOUD_SHAPE, cloud)
    auth = entry.get("auth")
    if auth is not None and not isinstance(auth, dict):
        return ConfigurationError(Problem.CLOUD_AUTH_SHAPE, cloud)
    for section in (entry, auth or {}):
        for key, value in section.items():
            if isinstance(value, bool) and "password" in key:
                return ConfigurationError(
                    Problem.CLOUD_PASSWORD_SHAPE, cloud | {"key": key}
                )
    regions = entry.get("regions", [])
    if not isinstance(regions, list) or not all(
        _is_region(region) for region in regions
    ):
        return ConfigurationError(Problem.CLOUD_REGIONS_SHAPE, cloud)
    return None


def _is_region(region: Any) -> bool:
    if not isinstance(region, dict):
        return isinstance(region, str)
    values = region.get("values", {})
    return isinstance(region.get("name"), str) and isinstance(values, dict)


def _can_be_filled(value: str, config: dict[str, Any]) -> bool:
    try:
        value.format(**config)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):
        return False
    return True
