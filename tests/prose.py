"""Find banned words, typos and British spellings in what people read.

    python -m tests.prose

checks the files of ``COVERED`` against ``tests/banned.toml`` and with codespell, and
prints each finding. The exit status is 1 if there are any.
"""

import contextlib
import io
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import NamedTuple

from babel.messages.pofile import read_po
from codespell_lib import main as codespell

from .guards import ROOT

COVERED = [
    "*.md",
    "docs/**/*.md",
    "locale/*/LC_MESSAGES/*.po",
]
"""Globs of the files to check. The check reads the messages of a ``.po`` file without
their placeholders, a Markdown file without its code, and all of any other."""

BANNED = tomllib.loads((ROOT / "tests" / "banned.toml").read_text())

SPELLING = [
    "--builtin=clear,rare,en-GB_to_en-US",
    "--ignore-words-list=cancelled,iif,acknowledgement",
    r"--ignore-regex=“[^”]*”",
]


class Finding(NamedTuple):
    """A banned word or phrase in a file."""

    path: str
    line: int
    found: str
    better: str

    def __str__(self) -> str:
        """The finding as an editor can jump to it."""
        return f"{self.path}:{self.line}: {self.found!r}, better: {self.better}"


def patterns() -> list[tuple[re.Pattern[str], str]]:
    """Each banned expression, and what to write instead."""
    words = ((rf"\b(?:{word})\b", better) for word, better in BANNED["words"].items())
    phrases = (
        (r"\s+".join(map(re.escape, phrase.split())), better)
        for phrase, better in BANNED["phrases"].items()
    )
    return [(re.compile(p, re.IGNORECASE), better) for p, better in [*words, *phrases]]


def prose(path: Path) -> str:
    """What a person reads of a file, with its line numbers kept."""
    text = path.read_text()
    if path.suffix == ".po":
        return _messages(text)
    if path.suffix == ".md":
        code = r"^```.*?^```|`[^`]+`|\]\([^)]*\)|<!--.*?-->"
        return re.sub(code, _blank, text, flags=re.M | re.S)
    return text


def _messages(catalog: str) -> str:
    lines: dict[int, str] = {}
    for message in read_po(io.StringIO(catalog)):
        text = message.id if isinstance(message.id, str) else " ".join(message.id)
        text = re.sub(r"%\(\w+\)s", "…", text)
        lines[message.lineno or 0] = " ".join(text.split())
    return "\n".join(lines.get(number, "") for number in range(1, max(lines) + 1))


def _blank(code: re.Match[str]) -> str:
    return re.sub(r"[^\n]", "_", code.group())


def findings(path: Path) -> Iterator[Finding]:
    """The banned words and phrases in a file."""
    text = prose(path)
    for pattern, better in patterns():
        for match in pattern.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            yield Finding(str(path.relative_to(ROOT)), line, match.group(), better)


def misspellings(path: Path) -> str:
    """What codespell reports on a file's prose."""
    report = io.StringIO()
    with NamedTemporaryFile("w", suffix=".txt") as copy:
        copy.write(prose(path))
        copy.flush()
        with contextlib.redirect_stdout(report):
            codespell(*SPELLING, copy.name)
        return report.getvalue().replace(copy.name, str(path.relative_to(ROOT)))


def covered() -> list[Path]:
    """The files to check."""
    return sorted({path for pattern in COVERED for path in ROOT.glob(pattern)})


def report(path: Path) -> list[str]:
    """Everything that is wrong with a file, one line each."""
    return [*map(str, findings(path)), *misspellings(path).splitlines()]


def main() -> int:
    """Print all findings."""
    lines = [line for path in covered() for line in report(path)]
    print(*lines, sep="\n")  # noqa: T201
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
