"""A cloud that was entered in the form: tested in files of its own, then adopted.

The files of the test are in a folder of the data directory, ``new-cloud-<id>``; the
credentials are in ``secure.yaml`` alone and exist until the test is over.
"""

import re
import shutil
import time
from pathlib import Path
from typing import Any

import yaml
from django.conf import settings

from dashboard.modelarts.cloud_config import ENDPOINT_KEY, CloudConfig

from . import known_clouds, private_files

_PREFIX = "new-cloud-"
_ID = re.compile(r"[A-Za-z0-9_-]{10,64}")
_STALE_SECONDS = 600
_HEADER = "# Written by the setup pages of Curfew. Credentials are in secure.yaml.\n"


def write_files(test_id: str, name: str, values: dict[str, str]) -> CloudConfig:
    """Write the files of a test, and return the configuration that they make.

    Args:
        values: The cleaned data of ``CloudForm``.

    Raises:
        ConfigurationError: A value is missing or wrong; nothing stays behind.
    """
    _remove_stale()
    folder = _folder(test_id)
    folder.mkdir(mode=0o700)
    try:
        for file, entry in zip(
            ("clouds.yaml", "secure.yaml"), _entries(values), strict=True
        ):
            private_files.write(folder / file, _yaml({name: entry}))
        return load(test_id, name)
    except BaseException:
        remove_files(test_id)
        raise


def load(test_id: str, name: str) -> CloudConfig:
    """Return the configuration of the cloud of a test.

    Raises:
        ConfigurationError: A value is missing or wrong.
    """
    from dashboard.modelarts.clouds import load_cloud_of  # slow to import, see there

    return load_cloud_of(_folder(test_id), name, proxy=settings.CURFEW.cloud_proxy_url)


def has_files(test_id: str) -> bool:
    return (_folder(test_id) / "clouds.yaml").exists()


def adopt(test_id: str, name: str) -> None:
    """Add the cloud of a test to ``clouds.yaml`` and ``secure.yaml``.

    A choice of clouds that was saved before includes it from now on. Call it under
    ``private_files.locked``.

    Raises:
        OSError: A file cannot be written.
    """
    # Credentials first: the other file makes them count.
    for file in ("secure.yaml", "clouds.yaml"):
        path = private_files.data_dir() / file
        clouds = _read(path) if path.exists() else {}
        private_files.write(path, _yaml(clouds | _read(_folder(test_id) / file)))
    if (choice := known_clouds.saved_choice()) and name not in choice:
        known_clouds.save_choice([*choice, name])


def remove_files(test_id: str) -> None:
    shutil.rmtree(_folder(test_id), ignore_errors=True)


def _entries(values: dict[str, str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the entry of ``clouds.yaml`` and that of ``secure.yaml``."""
    by_key = values["method"] == "key"
    names = ["auth_url", "project_name", "project_id"]
    if not by_key:
        names += ["username", "user_domain_name"]
    auth = {key: values[key] for key in names if values[key]}
    open_entry: dict[str, Any] = {"auth": auth}
    if values["region_name"]:
        open_entry["region_name"] = values["region_name"]
    if values["endpoint"]:
        open_entry[ENDPOINT_KEY] = values["endpoint"]
    if by_key:
        return open_entry, {"ak": values["ak"], "sk": values["sk"]}
    return open_entry, {"auth": {"password": values["password"]}}


def _yaml(clouds: dict[str, Any]) -> str:
    text = yaml.safe_dump({"clouds": clouds}, sort_keys=False, allow_unicode=True)
    return _HEADER + text


def _read(path: Path) -> dict[str, Any]:
    document = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    clouds: dict[str, Any] = document.get("clouds") or {}
    return clouds


def _folder(test_id: str) -> Path:
    if not _ID.fullmatch(test_id):
        raise ValueError("not the ID of a test")
    return private_files.data_dir() / f"{_PREFIX}{test_id}"


def _remove_stale() -> None:
    """Remove the files of tests that no worker has run."""
    for folder in private_files.data_dir().glob(f"{_PREFIX}*"):
        if time.time() - folder.stat().st_mtime > _STALE_SECONDS:
            shutil.rmtree(folder, ignore_errors=True)
