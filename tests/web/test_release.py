"""A page that stays open for weeks learns about new releases."""

from pathlib import Path

import pytest

from dashboard.web import release


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(release, "ROOT", tmp_path)
    monkeypatch.setattr(release, "FILES", tmp_path)
    for folder, name in (
        ("dashboard", "a.py"),
        ("templates", "a.html"),
        ("static", "a.js"),
        ("locale", "a.mo"),
    ):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / name).write_text("x")
    return tmp_path


def now() -> str:
    return release.release.__wrapped__()


def test_the_same_files_are_the_same_release(program: Path) -> None:
    before = now()
    (program / "static" / "a.js").touch()
    (program / "dashboard" / "a.pyc").write_text("compiled")
    assert now() == before


@pytest.mark.parametrize(
    "path", ["dashboard/a.py", "templates/a.html", "static/a.js", "locale/a.mo"]
)
def test_any_change_is_another(program: Path, path: str) -> None:
    before = now()
    (program / path).write_text("y")
    assert now() != before
