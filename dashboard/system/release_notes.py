"""The newest section of ``CHANGELOG.md``."""

import re
from dataclasses import dataclass
from functools import cache

from dashboard.paths import FILES

_LINK = re.compile(r"\[([^\]]+)\]\([^)]*\)")
_MARKS = re.compile(r"\*\*|`")


@dataclass(frozen=True)
class Section:
    """A section of the changelog.

    Attributes:
        title: Such as ``Unreleased`` or ``1.2.0 - 2026-11-30``.
        groups: Pairs of a heading, such as ``Added``, and its entries.
    """

    title: str
    groups: list[tuple[str, list[str]]]


@cache
def newest() -> Section | None:
    """Return the newest section; None where the changelog is not installed."""
    try:
        text = (FILES / "CHANGELOG.md").read_text()
    except OSError:
        return None
    return parse(text)


def parse(text: str) -> Section | None:
    """Return the first section of a changelog, as text without marks."""
    first, _, rest = text.partition("\n## ")[2].partition("\n")
    if not first:
        return None
    groups: list[tuple[str, list[str]]] = []
    for block in rest.partition("\n## ")[0].split("\n### ")[1:]:
        heading, _, body = block.partition("\n")
        items: list[str] = []
        topic = ""
        for paragraph in re.split(r"\n(?=- )|\n\s*\n", body):
            line = " ".join(paragraph.split())
            if line.startswith("- "):
                items.append(_plain(line[2:]))
            elif line:
                topic = _plain(line)
                groups.append((f"{heading}: {topic}", items := []))
        if not topic:
            groups.append((heading, items))
    return Section(first.strip("[] "), groups)


def _plain(text: str) -> str:
    return _MARKS.sub("", _LINK.sub(r"\1", text))
