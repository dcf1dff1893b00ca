"""The papers on security name tests that exist, and leave no threat out."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
MODEL = (ROOT / "docs" / "security.md").read_text()
ASVS = (ROOT / "docs" / "security" / "asvs.md").read_text()

NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py(?:::\w+)?)`", MODEL + ASVS)))


def rows(text: str) -> dict[str, list[str]]:
    cells = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in text.splitlines()
        if line.startswith("| ")
    ]
    return {row[0]: row[1:] for row in cells}


@pytest.mark.parametrize("name", NAMED)
def test_each_named_test_exists(name: str) -> None:
    path, _, function = name.partition("::")
    text = (ROOT / path).read_text()
    assert f"def {function}(" in text if function else "def test_" in text


@pytest.mark.parametrize("threat", [f"T{number}" for number in range(1, 31)])
def test_each_threat_has_a_test_or_is_open(threat: str) -> None:
    assert re.search(r"`tests/|\*open\*", rows(MODEL)[threat][-1])


def test_each_requirement_has_a_state_and_a_reason() -> None:
    judged = {key: row for key, row in rows(ASVS).items() if re.match(r"\d", key)}
    assert judged
    for key, (state, by) in judged.items():
        assert state in {"met", "n/a", "open"}, key
        assert by, key
