"""The layout of the templates: no line is longer than an editor's window."""

from pathlib import Path

from dashboard.settings import BASE_DIR

LONGEST = 160
CHECKED = [
    "account",
    "allauth",
    "audit",
    "mfa",
    "people",
    "policies",
    "reminders",
    "saved",
    "socialaccount",
    "tokens",
    "usersessions",
]


def test_no_line_is_too_long() -> None:
    templates = Path(BASE_DIR) / "templates"
    files = [path for name in CHECKED for path in (templates / name).rglob("*.html")]
    assert len(files) > len(CHECKED)
    assert [
        f"{path.relative_to(templates)}:{number}"
        for path in files
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if len(line) > LONGEST
    ] == []
