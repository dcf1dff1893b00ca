"""Every document, section, decision and test that the project cites exists."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from .guards import ROOT

SOURCES = [
    *ROOT.glob("*.md"),
    *ROOT.glob("*.toml"),
    *ROOT.glob("*.yml"),
    *(ROOT / "deploy").iterdir(),
    *ROOT.glob("dashboard/**/*.py"),
    *ROOT.glob("docs/**/*.md"),
    *ROOT.glob("static/*.js"),
    *ROOT.glob("templates/**/*.*"),
    *ROOT.glob("tests/**/*.py"),
    *ROOT.glob("tests/**/*.toml"),
]
"""Files whose citations are checked."""

DOCUMENTS = [path for path in SOURCES if path.suffix == ".md"]


class Citation:
    """What a file cites, and a name for the list of failures."""

    def __init__(self, source: Path, *cited: str) -> None:
        """Remember the file and the groups of the match."""
        self.source = source
        self.cited = cited

    def __repr__(self) -> str:
        """The file and what it cites."""
        return f"{self.source.relative_to(ROOT)} > {' '.join(self.cited)}"


def citations(pattern: str, sources: list[Path] = SOURCES) -> list[Citation]:
    """Every match of a pattern, once for each file."""

    def found() -> Iterator[Citation]:
        for source in sources:
            for cited in sorted({*re.findall(pattern, source.read_text())}):
                yield Citation(source, *([cited] if isinstance(cited, str) else cited))

    return list(found())


def headings(document: Path) -> set[str]:
    """The titles of a document's sections."""
    return {*re.findall(r"^#+ (.+)$", document.read_text(), re.M)}


def anchors(document: Path) -> set[str]:
    """The anchors that GitHub makes of these titles."""
    return {
        re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
        for title in headings(document)
    }


FILES = citations(r"(?<![\w/.-])((?:docs|tests)/[\w./-]+\.(?:md|py|toml|json))\b")
TESTS = citations(r"(?<![\w/.-])(tests/[\w/]+\.py)::(\w+)")
DECISIONS = citations(r"(?:docs/decisions/|[Dd]ecision )(\d+)\b")
SECTIONS = citations(r"(docs/[\w/-]+\.md)`*,[\s#]+\"([^\"]+)\"")
LINKS = citations(r"\]\(([^)#\s:]*)#?([\w-]*)\)", DOCUMENTS)
API_SECTIONS = citations(r"\b([A-D]\.\d{1,2})\b", [*ROOT.glob("dashboard/**/*.py")])


def test_the_search_finds_citations() -> None:
    assert len(FILES) > 300
    assert len(TESTS) > 200
    assert len(DECISIONS) > 10
    assert len(SECTIONS) > 10
    assert len(LINKS) > 50
    assert len(API_SECTIONS) > 30


@pytest.mark.parametrize("citation", FILES, ids=repr)
def test_a_cited_file_exists(citation: Citation) -> None:
    assert (ROOT / citation.cited[0]).is_file()


@pytest.mark.parametrize("citation", TESTS, ids=repr)
def test_a_cited_test_exists(citation: Citation) -> None:
    path, name = citation.cited
    assert re.search(rf"\b(def|class) {name}\b", (ROOT / path).read_text())


@pytest.mark.parametrize("citation", DECISIONS, ids=repr)
def test_a_cited_decision_exists(citation: Citation) -> None:
    assert list(ROOT.glob(f"docs/decisions/{int(citation.cited[0]):04}-*.md"))


@pytest.mark.parametrize("citation", SECTIONS, ids=repr)
def test_a_cited_section_exists(citation: Citation) -> None:
    path, title = citation.cited
    assert " ".join(title.split()) in headings(ROOT / path)


@pytest.mark.parametrize("citation", API_SECTIONS, ids=repr)
def test_a_cited_section_of_the_api_exists(citation: Citation) -> None:
    numbers = {title.split()[0] for title in headings(ROOT / "docs/modelarts-api.md")}
    assert citation.cited[0] in numbers


@pytest.mark.parametrize("citation", LINKS, ids=repr)
def test_a_link_leads_somewhere(citation: Citation) -> None:
    path, anchor = citation.cited
    target = (citation.source.parent / path).resolve() if path else citation.source
    assert target.exists()
    assert not anchor or anchor in anchors(target)
