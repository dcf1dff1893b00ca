"""The command line, as a person runs it: a process, against a site that runs."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dashboard.ops.managed_process import PROJECT
from dashboard.ops.ports import free_port
from tests.ops.processes import wait_until

from .conftest import Demo, SignIn
from .places import create_token

pytestmark = [pytest.mark.browser, pytest.mark.stack, pytest.mark.timeout(300)]

MINE = "turbine-debug-59"
"""No other test touches it."""


class Shell:
    """Somebody's shell, with address and token set."""

    def __init__(self, url: str, token: str, home: Path) -> None:
        outside = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("CURFEW_", "DJANGO_", "OS_"))
        }
        self.environ = outside | {
            "CURFEW_URL": url,
            "CURFEW_TOKEN": token,
            "HOME": str(home),
            "NO_PROXY": "127.0.0.1",
        }
        self.home = home

    def run(self, *arguments: str) -> tuple[int, str, str]:
        """Exit code, standard output and standard error."""
        ended = subprocess.run(
            _command(*arguments),
            cwd=PROJECT,
            env=self.environ,
            capture_output=True,
            text=True,
            timeout=150,
            check=False,
        )
        return ended.returncode, ended.stdout, ended.stderr

    @contextmanager
    def running(self, *arguments: str) -> Iterator[Path]:
        """Go on in the background; yields the file of what it prints."""
        printed = self.home / "printed"
        with (
            printed.open("w") as output,
            subprocess.Popen(
                _command(*arguments), cwd=PROJECT, env=self.environ, stdout=output
            ) as process,
        ):
            try:
                yield printed
            finally:
                process.terminate()


def _command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "dashboard.cli", *arguments]


def test_list_due_set_and_watch(sign_in: SignIn, demo: Demo, tmp_path: Path) -> None:
    page = sign_in("oskar")
    page.goto("/accounts/tokens/")
    for box in page.locator("[name=scopes]").all():
        box.check()
    shell = Shell(demo.url, create_token(page, "shell"), tmp_path)

    code, printed, _ = shell.run("list", "--q", MINE)
    assert code == 0
    head, line = printed.splitlines()
    assert head.startswith("NAME")
    assert line.startswith(MINE)

    code, printed, _ = shell.run("due")
    assert code == 0
    assert re.search(r"^.+ \(\d+\)$", printed, re.MULTILINE)

    with shell.running("watch", "--q", MINE) as watched:
        wait_until(lambda: MINE in watched.read_text(), seconds=60)
        words = "Said from a shell"
        code, printed, wrong = shell.run("set", MINE, "--description", words, "--wait")
        assert (code, wrong) == (0, "")
        assert printed.startswith(f"{MINE}: ")
        assert demo.instance(MINE)["description"] == words
        # A live table is drawn again for what changed.
        wait_until(lambda: watched.read_text().count(MINE) > 1, seconds=60)

    code, _, wrong = shell.run("set", "no-such-instance", "--hours", "4")
    assert code == 4
    assert "No instance matches" in wrong

    shell.environ["CURFEW_TOKEN"] = "curfew_wrong"
    code, printed, wrong = shell.run("list")
    assert (code, printed) == (3, "")
    assert "Traceback" not in wrong


def test_nobody_answers(tmp_path: Path) -> None:
    shell = Shell(f"http://127.0.0.1:{free_port()}", "curfew_any", tmp_path)
    code, printed, wrong = shell.run("list")
    assert (code, printed) == (6, "")
    assert "Cannot reach Curfew" in wrong
    assert "Traceback" not in wrong
