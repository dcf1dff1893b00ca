"""The layout of the templates: no line is longer than an editor's window."""

from dashboard.paths import FILES

MAX_LENGTH = 160


def test_no_line_is_too_long() -> None:
    templates = FILES / "templates"
    files = list(templates.rglob("*.html"))
    assert len(files) > 100
    assert [
        f"{path.relative_to(templates)}:{number}"
        for path in files
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if len(line) > MAX_LENGTH
    ] == []
