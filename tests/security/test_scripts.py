"""Our scripts write to no place that data names: nobody changes a prototype by it."""

import re
from pathlib import Path

import pytest

SCRIPTS = sorted((Path(__file__).resolve().parents[2] / "static").glob("*.js"))

WRITES = {
    "to a computed member": r"\w\[[^\]]+\]\s*(?:[-+*/|&?]{0,2})=(?!=|>)",
    "by merging": r"Object\.(?:assign|defineProperty|defineProperties|setPrototypeOf)",
    "by reflection": r"Reflect\.(?:set|defineProperty|setPrototypeOf)",
    "to a prototype": r"__proto__|\.prototype\b",
}


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_nothing_is_written_where_data_says(script: Path) -> None:
    for how, pattern in WRITES.items():
        assert not re.search(pattern, script.read_text()), how


@pytest.mark.parametrize(
    "line",
    [
        "element[property] = value;",
        "all[a.b] ||= {};",
        "Object.assign(target, JSON.parse(text));",
        "x.__proto__.y = 1;",
    ],
)
def test_it_would_be_found(line: str) -> None:
    assert any(re.search(pattern, line) for pattern in WRITES.values())


@pytest.mark.parametrize("line", ["if (a[b] === c) {}", "const [a, b] = pair;"])
def test_what_only_reads_is_let_be(line: str) -> None:
    assert not any(re.search(pattern, line) for pattern in WRITES.values())
