"""The command on another machine: what a clone of this project installs."""

import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from dashboard.ops.managed_process import PROJECT
from tests.conftest import missing

PYPROJECT = tomllib.loads((PROJECT / "pyproject.toml").read_text())


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy, as a clone is."""
    uv = shutil.which("uv") or missing("uv")
    clone = tmp_path_factory.mktemp("clone")
    shutil.copytree(
        PROJECT / "dashboard",
        clone / "dashboard",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(PROJECT / name, clone)
    subprocess.run(
        [uv, "build", "--wheel", "--quiet", "--out-dir", clone / "dist", clone],
        check=True,
    )
    (built,) = (clone / "dist").glob("*.whl")
    return built


def test_it_holds_the_command_line_alone(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    files = {name for name in names if name.endswith(".py")}
    sources = (PROJECT / "dashboard" / "cli").glob("*.py")
    assert files == {f"dashboard/cli/{source.name}" for source in sources}


def test_it_wants_httpx_and_nothing_else() -> None:
    assert [one.partition(">")[0] for one in PYPROJECT["project"]["dependencies"]] == [
        "httpx"
    ]
    # What the site runs by has the same bounds.
    for one in PYPROJECT["project"]["dependencies"]:
        assert one in PYPROJECT["dependency-groups"]["server"]


def test_a_fresh_environment_has_the_command(wheel: Path, tmp_path: Path) -> None:
    venv = tmp_path / "venv"
    uv = shutil.which("uv") or missing("uv")
    subprocess.run(
        [uv, "venv", "--quiet", "--python", sys.executable, venv], check=True
    )
    subprocess.run(
        [uv, "pip", "install", "--quiet", "--python", venv / "bin" / "python", wheel],
        check=True,
    )
    curfew = venv / "bin" / "curfew"
    helped = subprocess.run(
        [curfew, "--help"], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert helped.stdout.startswith("usage: curfew ")
    asked = subprocess.run(
        [curfew, "list"],
        cwd=tmp_path,
        env={"CURFEW_URL": "http://127.0.0.1:1", "CURFEW_TOKEN": "canary"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert asked.stderr == "Cannot reach Curfew (ConnectError).\n"


def test_in_a_checkout_the_usage_names_what_was_typed() -> None:
    helped = subprocess.run(
        [sys.executable, "-m", "dashboard.cli", "--help"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert helped.stdout.startswith("usage: python -m dashboard.cli ")
