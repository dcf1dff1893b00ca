"""What is collected of our styles and scripts: all but what only authors read."""

import re
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from dashboard.paths import ROOT
from dashboard.web.static_storage import without_comments

OURS = sorted(
    path for path in (ROOT / "static").iterdir() if path.suffix in {".css", ".js"}
)


@pytest.mark.parametrize(
    ("written", "served"),
    [
        ("/* A. */\n@layer base;\n\na {}\n", "@layer base;\na {}\n"),
        ("{\n  // Why.\n  a();\n}\n", "{\na();\n}\n"),
        ("{\n  /* Why,\n     and // how. */\n  a();\n}\n", "{\na();\n}\n"),
        ("/* One. */ a(); /* Two. */\nb();\n", "/* One. */ a(); /* Two. */\nb();\n"),
        ("a(); // Why.\n", "a(); // Why.\n"),
        ('a("https://b");\n', 'a("https://b");\n'),
        ("a() /* Why.\n*/\nb();\n", "a() /* Why.\n*/\nb();\n"),
    ],
)
def test_only_lines_of_comments_are_removed(written: str, served: str) -> None:
    assert without_comments(written) == served
    assert without_comments(served) == served


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.name)
def test_no_text_of_ours_spans_lines(path: Path) -> None:
    """So every line begins in code or in a comment, and never in a text."""
    without_blocks = re.sub(r"^\s*/\*.*?\*/", "", path.read_text(), flags=re.M | re.S)
    for line in without_blocks.splitlines():
        assert line.count("`") % 2 == 0, line
        assert not line.endswith("\\"), line
        # A comment that begins behind code ends on its line.
        assert line.count("/*") == line.count("*/"), line


def test_the_name_has_the_hash_of_what_is_served(settings: Any, tmp_path: Path) -> None:
    sources, root = tmp_path / "sources", tmp_path / "static"
    (sources / "library").mkdir(parents=True)
    settings.STATICFILES_DIRS = [sources]
    settings.STATICFILES_FINDERS = [
        "django.contrib.staticfiles.finders.FileSystemFinder"
    ]
    settings.STATIC_ROOT = root
    settings.STORAGES = {
        "staticfiles": {"BACKEND": "dashboard.web.static_storage.StaticStorage"}
    }
    settings.WHITENOISE_KEEP_ONLY_HASHED_FILES = True

    def collected(comment: str) -> dict[str, str]:
        code = f"{{\n  // {comment}\n  a();\n}}\n"
        (sources / "ours.js").write_text(code)
        (sources / "library" / "theirs.js").write_text(code)
        call_command("collectstatic", interactive=False, verbosity=0, clear=True)
        return {
            path.name: path.read_text()
            for path in root.rglob("*")
            if path.suffix == ".js"
        }

    first, second = collected("Why."), collected("How.")
    (ours,) = [name for name in first if name.startswith("ours.")]
    assert first[ours] == second[ours] == "{\na();\n}\n"
    (theirs,) = second.keys() - {ours}
    assert theirs not in first
    assert "// How." in second[theirs]
    call_command("collectstatic", interactive=False, verbosity=0, dry_run=True)
