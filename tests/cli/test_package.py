"""The distribution of the command alone."""

import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from dashboard.paths import ROOT
from dashboard.version import VERSION
from tests.packages import Environment, build_wheel

PROJECT = ROOT / "deploy" / "cli"
SITE = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CLI = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(PROJECT, tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    return Environment(wheel, tmp_path_factory.mktemp("installed"))


def test_it_contains_only_the_command_line(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    files = {name for name in names if not name.startswith("curfew_cli-")}
    sources = (ROOT / "dashboard" / "cli").glob("*.py")
    modules = {f"dashboard/cli/{source.name}" for source in sources}
    assert files == modules | {"dashboard/version.py"}


def test_it_needs_a_part_of_what_the_site_needs() -> None:
    assert len(CLI["dependencies"]) == 2
    assert set(CLI["dependencies"]) < set(SITE["dependencies"])


def test_both_distributions_have_one_version(wheel: Path) -> None:
    assert SITE["version"] == VERSION
    assert wheel.name.startswith(f"curfew_cli-{VERSION}-")


def test_a_fresh_environment_has_the_command(installed: Environment) -> None:
    code, printed = installed.run("curfew", "--help")
    assert (code, printed.startswith("usage: curfew ")) == (0, True)
    assert installed.run("curfew", "--version") == (0, f"{VERSION}\n")
    code, printed = installed.run(
        *("curfew", "list"),
        env={"CURFEW_URL": "http://127.0.0.1:1", "CURFEW_TOKEN": "canary"},
    )
    assert printed == "Cannot reach Curfew at http://127.0.0.1:1 (ConnectError).\n"


def test_a_fresh_environment_has_no_server(installed: Environment) -> None:
    assert installed.run("python", "-c", "import django")[0] == 1
    code, printed = installed.run("curfew", "demo")
    assert (code, "invalid choice" in printed) == (2, True)


def test_in_a_checkout_the_usage_names_the_typed_command(
    capfd: pytest.CaptureFixture[str],
) -> None:
    subprocess.run(
        [sys.executable, "-m", "dashboard.cli", "--help"], cwd=ROOT, check=True
    )
    assert re.match(r"usage: python -m dashboard\.cli ", capfd.readouterr().out)


def test_bash_completes(installed: Environment) -> None:
    """With the script that the command prints, as bash calls it at a tab."""
    script = """
        source <(curfew completion bash)
        COMP_LINE='curfew extend x --ho' COMP_POINT=20 COMP_TYPE=9
        COMP_WORDS=(curfew extend x --ho) COMP_CWORD=3
        _python_argcomplete curfew --ho x
        printf '%s\\n' "${COMPREPLY[@]}"
    """
    assert installed.run_bash(script) == (0, "--hours \n")
