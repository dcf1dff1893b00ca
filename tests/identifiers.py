"""Find private words in the names that the code uses.

    python -m tests.identifiers

looks for the words of ``[identifiers]`` in ``tests/banned.toml`` in names of Python,
templates, style sheets, scripts and files. A word counts as a whole part of a name:
``obstacle`` is found in ``first_obstacle`` and ``ObstacleList``, not in ``obstacles``.
The exit status is 1 if there are any.
"""

import re
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

from .guards import ROOT
from .prose import BANNED, Finding

FOLDERS = ["dashboard", "static", "templates", "tests"]

_PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_TAG = re.compile(r"\{[{%](.*?)[}%]\}")
_NAME = re.compile(r"[A-Za-z_]\w*")
_HTML = re.compile(r"\b(data-[\w-]+)|\b(?:class|id|name)=\"([^\"]*)\"")
_STYLE = re.compile(r"[.#]([A-Za-z][\w-]*)|\[(data-[\w-]+)|--([\w-]+)")
_QUOTED = re.compile(r"\"[^\"\n]*\"|'[^'\n]*'")


def findings(path: Path) -> Iterator[Finding]:
    """The private words in the names of a file, and in its own name."""
    where = str(path.relative_to(ROOT))
    for line, name in [(1, path.stem), *names(path)]:
        for part in _PARTS.findall(name):
            if better := BANNED["identifiers"].get(part.lower()):
                yield Finding(where, line, name, better)


def names(path: Path) -> Iterator[tuple[int, str]]:
    """The names in a file, each with its line."""
    if path.suffix == ".py":
        with tokenize.open(path) as file:
            for token in tokenize.generate_tokens(file.readline):
                if token.type == tokenize.NAME:
                    yield token.start[0], token.string
        return
    read = {".html": _in_template, ".css": _in_style, ".js": _in_script}.get(
        path.suffix
    )
    for number, line in enumerate(path.read_text().splitlines() if read else [], 1):
        for name in read(line) if read else []:
            yield number, name


def _in_template(line: str) -> Iterator[str]:
    for code in _TAG.findall(line):
        yield from _NAME.findall(_QUOTED.sub("", code))
    for groups in _HTML.findall(_TAG.sub("", line)):
        yield from groups


def _in_style(line: str) -> Iterator[str]:
    for groups in _STYLE.findall(line):
        yield from groups


def _in_script(line: str) -> Iterator[str]:
    yield from _NAME.findall(_QUOTED.sub("", line.partition("//")[0]))


_READERS = {".html": _in_template, ".css": _in_style, ".js": _in_script}


def files() -> list[Path]:
    """The files whose names are checked."""
    return sorted(
        path
        for folder in FOLDERS
        for path in (ROOT / folder).rglob("*")
        if path.suffix in {".py", *_READERS}
    )


if __name__ == "__main__":
    found = [str(finding) for path in files() for finding in findings(path)]
    sys.stdout.writelines(f"{line}\n" for line in found)
    sys.exit(bool(found))
