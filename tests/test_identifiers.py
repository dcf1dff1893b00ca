"""Names in the code are free of private words."""

from pathlib import Path

import pytest

from .identifiers import files, findings


def test_no_name_contains_a_private_word() -> None:
    assert [str(finding) for path in files() for finding in findings(path)] == []


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("tests.identifiers.ROOT", tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("a.py", "open_shelf = 1\n", "open_shelf"),
        ("a.py", "class PulseRate: ...\n", "PulseRate"),
        ("a.py", "# a shelf\nplace = 'shelf'\nshelfish = 1\n", None),
        ("a.html", "{% if row.shelf %}\n", "shelf"),
        ("a.html", '<p class="row pulse">\n', "row pulse"),
        ("a.html", '<p data-pulse-rate="1">\n', "data-pulse-rate"),
        ("a.html", '<p>Pulse {% translate "pulse" %}</p>\n', None),
        ("a.css", ".pulse-rate { color: red }\n", "pulse-rate"),
        ("a.js", "const onPulse = 'x' // shelf\n", "onPulse"),
        ("pulse.css", "", "pulse"),
    ],
)
def test_a_private_word_is_found_in_names_only(
    folder: Path, name: str, text: str, found: str | None
) -> None:
    path = folder / name
    path.write_text(text)
    assert [finding.found for finding in findings(path)] == ([found] if found else [])
