"""The clouds that are configured, and which of them form the fleet."""

import os
from pathlib import Path
from typing import NamedTuple

from django.conf import settings
from dotenv import dotenv_values, set_key

from dashboard.instances.upstream import is_usable_name

from . import private_files

VARIABLE = "CURFEW_CLOUDS"


class KnownClouds(NamedTuple):
    """The clouds of the configuration.

    Attributes:
        names: In the order of the file.
        path: The file; empty if there is none.
        is_ours: Whether the setup may add clouds: there is no file, or it wrote it.
    """

    names: list[str]
    path: str
    is_ours: bool


def known_clouds() -> KnownClouds:
    """Read the names of the configured clouds.

    Raises:
        ConfigurationError: A file cannot be read; the message names file and line.
    """
    from dashboard.modelarts.cloud_files import open_files
    from dashboard.modelarts.clouds import names_in  # slow to import, see there

    files = open_files()
    names, path = names_in(files), files.config_filename
    ours = private_files.data_dir() / "clouds.yaml"
    is_ours = not names if path is None else Path(path) == ours
    return KnownClouds(names, path or "", is_ours)


def can_be_chosen(name: str) -> bool:
    """Whether a cloud can be named in ``CURFEW_CLOUDS``."""
    return is_usable_name(name) and not {",", "$"}.intersection(name)


def is_fixed() -> bool:
    """Whether the environment names the clouds, which wins over the file."""
    return bool(os.environ.get(VARIABLE))


def saved_choice() -> list[str]:
    """Return the saved choice; empty without one."""
    text = dotenv_values(_settings_file()).get(VARIABLE) or ""
    return [name.strip() for name in text.split(",") if name.strip()]


def chosen_clouds(known: list[str]) -> list[str]:
    """Return the clouds of the fleet: those of the choice, else all that are known."""
    fixed: list[str] = settings.CURFEW.clouds if is_fixed() else saved_choice()
    return fixed or known


def save_choice(names: list[str]) -> None:
    """Save which clouds form the fleet; ``serve`` then restarts its processes.

    Call it under ``private_files.locked``.
    """
    path = _settings_file()
    if not path.exists():
        private_files.write(path, "")
    set_key(path, VARIABLE, ",".join(names))


def _settings_file() -> Path:
    return private_files.data_dir() / "settings.env"
