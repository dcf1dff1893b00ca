"""Each guard taken away once: does a test notice?

``python -m tests.guards [word ...]`` copies the project. Each guard of ``LISTS``, or
each with one of the words in its name or test, is taken out of the copy, and the tests
run that shall fail then. The exit status is 1 if one is not missed.

``tests/test_guards.py`` holds the lists to the code and to the papers.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from itertools import chain
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
LISTS = {
    "tests/security/guards.toml": "docs/security/guards.md",
    "tests/faults/guards.toml": "docs/reliability.md",
}
"""Lists, each with the paper that has the table of it."""

OPTIONS = ("-q", "-x", "-n", "0", "-p", "no:cacheprovider")
LEFT_OUT = (".*", "var", "__pycache__")


class Guard(NamedTuple):
    """One guard, and how to take it away.

    Attributes:
        what: In words, for the table.
        path: The file it is in.
        old: Its text there, which occurs once.
        new: What stands there without it.
        test: Tests that fail then.
    """

    what: str
    path: str
    old: str
    new: str
    test: str


def guards(path: str) -> list[Guard]:
    """All of one list, in its order."""
    listed = tomllib.loads((ROOT / path).read_text())
    return [Guard(**entry) for entry in listed["guard"]]


def status_of(test: str, copy: Path) -> int:
    """How pytest ends: 0 when all is well, 1 when tests fail, else it did not run."""
    return subprocess.run(
        [sys.executable, "-m", "pytest", *OPTIONS, test],
        cwd=copy,
        env=os.environ | {"CI": "true"},
        capture_output=True,
        check=False,
    ).returncode


def outcome(guard: Guard, copy: Path) -> str:
    """Whether the tests fail without it, and without it only."""
    path = copy / guard.path
    with_it = path.read_text()
    path.write_text(with_it.replace(guard.old, guard.new))
    try:
        without = status_of(guard.test, copy)
    finally:
        path.write_text(with_it)
    if without != 1:
        return f"SURVIVED ({without})"
    return "missed" if status_of(guard.test, copy) == 0 else "FAILS ANYWAY"


def main(words: list[str]) -> int:
    """Try each guard, and say what became of it."""
    survived = 0
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "project"
        shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(*LEFT_OUT))
        for guard in chain.from_iterable(map(guards, LISTS)):
            if words and not any(word in guard.what + guard.test for word in words):
                continue
            found = outcome(guard, copy)
            survived += found != "missed"
            print(f"{found:14}{guard.what}", flush=True)  # noqa: T201
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
