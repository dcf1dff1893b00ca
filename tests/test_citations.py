"""Every document, section, decision and test that the project cites exists."""

import re
from collections.abc import Iterator
from pathlib import Path

from .guards import ROOT

SOURCES = [
    *ROOT.glob("*.md"),
    *ROOT.glob("*.toml"),
    *ROOT.glob("*.yml"),
    *(path for path in ROOT.glob("deploy/**/*") if path.is_file()),
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
API_SECTIONS = citations(r"\b([A-E]\.\d{1,2})\b", [*ROOT.glob("dashboard/**/*.py")])


def test_the_search_finds_citations() -> None:
    assert len(FILES) > 300
    assert len(TESTS) > 200
    assert len(DECISIONS) > 10
    assert len(SECTIONS) > 10
    assert len(LINKS) > 50
    assert len(API_SECTIONS) > 30


def test_each_cited_file_exists() -> None:
    assert [each for each in FILES if not (ROOT / each.cited[0]).is_file()] == []


def test_each_cited_test_exists() -> None:
    def exists(citation: Citation) -> bool:
        path, name = citation.cited
        found = re.search(rf"\b(def|class) {name}\b", (ROOT / path).read_text())
        return found is not None

    assert [each for each in TESTS if not exists(each)] == []


def test_each_cited_decision_exists() -> None:
    def exists(citation: Citation) -> bool:
        return any(ROOT.glob(f"docs/decisions/{int(citation.cited[0]):04}-*.md"))

    assert [each for each in DECISIONS if not exists(each)] == []


def test_each_cited_section_exists() -> None:
    def exists(citation: Citation) -> bool:
        path, title = citation.cited
        return " ".join(title.split()) in headings(ROOT / path)

    assert [each for each in SECTIONS if not exists(each)] == []


def test_each_cited_section_of_the_api_exists() -> None:
    numbers = {title.split()[0] for title in headings(ROOT / "docs/modelarts-api.md")}
    assert [each for each in API_SECTIONS if each.cited[0] not in numbers] == []


def test_each_link_leads_somewhere() -> None:
    def leads(citation: Citation) -> bool:
        path, anchor = citation.cited
        source = citation.source
        target = (source.parent / path).resolve() if path else source
        return target.exists() and (not anchor or anchor in anchors(target))

    assert [each for each in LINKS if not leads(each)] == []
