"""``manage.py serve``: everything Curfew needs, on one machine, for your own clouds.

``prepare_environment`` runs before Django reads its settings. Each part that the
settings do not name is an embedded one: the database, the broker, the secret key.
"""

import argparse
import os
import secrets
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from dotenv import dotenv_values

from dashboard.config import PREFIX
from dashboard.paths import MANAGE_NAME, VAR

from . import broker
from .data_directory import DataDirectory, StartError
from .ports import LOOPBACK, free_port
from .stack import ANY_ADDRESS, add_arguments, in_url

embedded: dict[str, str] = {}
"""What ``prepare_environment`` has added to the environment."""


def prepare_environment(arguments: Sequence[str]) -> None:
    """Add the embedded parts to the environment of this process and all it starts.

    Ends the process for ``--help`` and, with a sentence, for invalid options.

    Args:
        arguments: The command line behind ``serve``.
    """
    parser = argparse.ArgumentParser(
        prog=f"{MANAGE_NAME} serve", description="Run Curfew with your own clouds."
    )
    add_arguments(parser, data_dir=default_data_dir())
    # Django parses its own options (--verbosity …).
    options, _ = parser.parse_known_args(arguments)
    files = DataDirectory(options.data_dir.resolve())
    try:
        files.create()
    except StartError as error:
        raise SystemExit(str(error)) from None
    files.keep_secret_key()
    embedded.update(embedded_parts(files, options, given=given_settings(files)))
    os.environ |= embedded


def default_data_dir() -> Path:
    return Path(os.environ.get(f"{PREFIX}DATA_DIR") or VAR)


def given_settings(files: DataDirectory) -> dict[str, str]:
    """Return the variables that people have set, for this process or in the file."""
    in_file = {name: value or "" for name, value in _lines(files.settings).items()}
    return {name: value for name, value in (in_file | os.environ).items() if value}


def _lines(path: Path) -> Mapping[str, str | None]:
    return dotenv_values(path) if path.exists() else {}


def embedded_parts(
    files: DataDirectory, options: argparse.Namespace, *, given: Mapping[str, str]
) -> dict[str, str]:
    """Return variables for everything that the settings leave out."""
    wanted = {
        "SECRET_KEY_FILE": str(files.secret_key),
        "DATABASE_URL": f"sqlite:///{files.database}",
        "REDIS_URL": broker.url(free_port(), password=secrets.token_urlsafe(24)),
        "ALLOWED_HOSTS": ",".join(_host_names(options.host, given)),
        "URL": _url(options.host, options.port, given),
    }
    parts = {f"{PREFIX}{name}": value for name, value in wanted.items() if value}
    return {f"{PREFIX}DATA_DIR": str(files.folder)} | {
        name: value
        for name, value in parts.items()
        if not {name, f"{name}_FILE", name.removesuffix("_FILE")}.intersection(given)
    }


def _host_names(host: str, given: Mapping[str, str]) -> list[str]:
    names = ["localhost", LOOPBACK, in_url(_reached(host))]
    if public := urlsplit(given.get(f"{PREFIX}URL", "")).hostname:
        names.append(in_url(public))
    return list(dict.fromkeys(names))


def _url(host: str, port: int, given: Mapping[str, str]) -> str:
    # Otherwise the settings make it of the first name that others can reach.
    is_named = f"{PREFIX}ALLOWED_HOSTS" in given
    return "" if is_named else f"http://{in_url(_reached(host))}:{port}"


def _reached(host: str) -> str:
    return socket.gethostname() if host in ANY_ADDRESS else host
