"""Distributions as a person gets them: built, and installed outside the checkout."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from dashboard.paths import ROOT

from .programs import missing


def build(project: Path, folder: Path) -> Path:
    """Build the source distribution and from it the wheel; return the wheel's path."""
    return _build(project, folder)


def build_wheel(project: Path, folder: Path) -> Path:
    return _build(project, folder, "--wheel")


def _build(project: Path, folder: Path, *options: str) -> Path:
    command = [_uv(), "build", "--quiet", *options, "--out-dir", folder, project]
    subprocess.run(command, check=True)
    (wheel,) = folder.glob("*.whl")
    return wheel


class Environment:
    """A fresh virtual environment with one wheel and what it asks for.

    Attributes:
        home: Of a person who has nothing yet; commands run there.
    """

    def __init__(self, wheel: Path, folder: Path) -> None:
        self.home = folder / "home"
        self.home.mkdir()
        self._bin = folder / "venv" / "bin"
        venv = [_uv(), "venv", "--quiet", "--python", sys.executable, folder / "venv"]
        subprocess.run(venv, check=True)
        install = [
            *(_uv(), "pip", "install", "--quiet"),
            *("--python", self._bin / "python"),
            # What is tested here is what the other tests run with.
            *("--constraint", ROOT / "requirements" / "dev.txt"),
        ]
        subprocess.run([*install, wheel], check=True, cwd=self.home)

    def start(
        self, *command: str, env: dict[str, str] | None = None
    ) -> subprocess.Popen[str]:
        """Start a program of the environment, with nothing of our own variables."""
        return subprocess.Popen(
            [self._bin / command[0], *command[1:]],
            cwd=self.home,
            env={"HOME": str(self.home), "PATH": os.defpath, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *command: str, env: dict[str, str] | None = None) -> tuple[int, str]:
        """Run a program; return its exit code and all it printed."""
        process = self.start(*command, env=env)
        printed, _ = process.communicate(timeout=120)
        return process.returncode, printed

    def run_bash(self, script: str) -> tuple[int, str]:
        """Run lines of bash that find the environment's programs."""
        result = subprocess.run(
            ["bash", "-c", script],
            cwd=self.home,
            env={"HOME": str(self.home), "PATH": f"{self._bin}:{os.defpath}"},
            capture_output=True,
            text=True,
            check=False,
        )
        return result.returncode, result.stdout


def _uv() -> str:
    return shutil.which("uv") or missing("uv")
