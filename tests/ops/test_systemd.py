"""The unit for systemd: systemd itself understands it, and it starts ``serve``."""

import configparser
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import load_command_class

from dashboard.ops.managed_process import PROJECT
from dashboard.ops.stack import WEB_GRACE_SECONDS, WORKER_GRACE_SECONDS
from tests.programs import missing

UNIT = PROJECT / "deploy" / "systemd" / "curfew.service"
PYTHON = "/opt/curfew/.venv/bin/python"


def _verified(folder: Path, text: str) -> subprocess.CompletedProcess[str]:
    program = shutil.which("systemd-analyze") or missing("systemd-analyze")
    unit = folder / UNIT.name
    # It checks that the program exists.
    unit.write_text(text.replace(PYTHON, sys.executable))
    return subprocess.run(
        [program, "verify", "--man=no", str(unit)],
        capture_output=True,
        text=True,
        check=False,
    )


def test_systemd_understands_it(tmp_path: Path) -> None:
    verified = _verified(tmp_path, UNIT.read_text())
    assert (verified.returncode, verified.stderr) == (0, "")


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("KillMode=mixed", "KillMode=gentle"),
        ("ExecStart=", "ExecStart=/nowhere"),
        ("ProtectHome=yes", "ProtectsHome=yes"),
    ],
)
def test_systemd_would_say_what_is_wrong(
    tmp_path: Path, right: str, wrong: str
) -> None:
    verified = _verified(tmp_path, UNIT.read_text().replace(right, wrong, 1))
    assert verified.stderr


def _service() -> configparser.SectionProxy:
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(UNIT)
    return unit["Service"]


def test_serve_takes_its_options() -> None:
    python, manage, name, *options = shlex.split(_service()["ExecStart"])
    assert (python, manage, name) == (PYTHON, "manage.py", "serve")
    command = load_command_class("dashboard.ops", name)
    parsed = command.create_parser("manage.py", name).parse_args(options)
    # systemd creates that folder for its user.
    assert str(parsed.data_dir) == f"/var/lib/{_service()['StateDirectory']}"


def test_there_is_time_to_stop_in_order() -> None:
    needed = WORKER_GRACE_SECONDS + 5  # then those that the others need
    assert needed > WEB_GRACE_SECONDS
    assert int(_service()["TimeoutStopSec"]) > needed
