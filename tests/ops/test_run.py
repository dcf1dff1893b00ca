"""``manage.py run`` says what has to be done first, and then becomes the server."""

import itertools
import os
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError

from dashboard.ops.management.commands import run


class BecameError(Exception):
    """Stands in for the process being replaced."""


@pytest.fixture
def became(monkeypatch: pytest.MonkeyPatch, db: None) -> list[str]:
    command: list[str] = []

    def execv(_path: str, arguments: list[str]) -> None:
        command.extend(arguments)
        raise BecameError

    monkeypatch.setattr(os, "execv", execv)
    monkeypatch.setattr(run.connection, "close", lambda: None)
    return command


@pytest.fixture
def collected(settings: Any, tmp_path: Path) -> Path:
    settings.STATIC_ROOT = tmp_path
    manifest = tmp_path / "staticfiles.json"
    manifest.write_text("{}")
    return manifest


def test_becomes_the_server(became: list[str], collected: Path) -> None:
    with pytest.raises(BecameError):
        call_command(
            "run", "--host", "::1", "--port", "81", "--workers", "3", "--threads", "5"
        )
    options = dict(itertools.pairwise(became))
    assert options["-m"] == "dashboard.ops.server"
    assert options["--host"] == "::1"
    assert options["--port"] == "81"
    assert options["--workers"] == "3"
    assert options["--threads"] == "5"


def test_without_static_files(became: list[str], collected: Path) -> None:
    collected.unlink()
    with pytest.raises(CommandError, match=r"manage\.py collectstatic"):
        call_command("run")
    assert not became


def test_without_migrations(
    became: list[str], collected: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "pending_migrations", lambda: 2)
    with pytest.raises(CommandError, match=r"2 migrations .* manage\.py migrate"):
        call_command("run")
    assert not became


def test_without_database(
    became: list[str], collected: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> int:
        raise OperationalError("connection refused")

    monkeypatch.setattr(run, "pending_migrations", refuse)
    with pytest.raises(CommandError, match="database cannot be reached"):
        call_command("run")
    assert not became
