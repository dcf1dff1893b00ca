"""Documents are free of banned words, typos and British spellings."""

from pathlib import Path

import pytest

from .guards import ROOT
from .prose import covered, findings, patterns, prose, report


@pytest.mark.parametrize(
    "path", covered(), ids=lambda path: str(path.relative_to(ROOT))
)
def test_a_covered_file_has_no_findings(path: Path) -> None:
    assert report(path) == []


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("tests.prose.ROOT", tmp_path)
    return tmp_path / "page.md"


def test_a_banned_word_and_a_banned_phrase_are_found(page: Path) -> None:
    page.write_text("# Edits\n\nYour wish is\nqueued. Nothing was\nsaved yet.\n")
    assert [(found.line, found.found) for found in findings(page)] == [
        (3, "wish"),
        (4, "Nothing was\nsaved yet"),
    ]


def test_a_british_spelling_is_found(page: Path) -> None:
    page.write_text("The colour of a flavor.\n")
    assert "colour ==> color" in "".join(report(page))


def test_code_is_not_prose(page: Path) -> None:
    page.write_text("`wishes.py`\n\n```\nwish\n```\n\n[here](wishes.md)\n")
    assert list(findings(page)) == []


def test_of_a_catalog_only_the_messages_are_prose(tmp_path: Path) -> None:
    catalog = tmp_path / "django.po"
    catalog.write_text('#: wishes.py:1\nmsgid "Your wish"\nmsgstr "Der Wish"\n')
    assert prose(catalog).strip() == "Your wish"


def test_what_is_proposed_is_not_banned_itself() -> None:
    ours = [better for _, better in patterns()]
    for pattern, _ in patterns():
        assert not [better for better in ours if pattern.search(better)]
