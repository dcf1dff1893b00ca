"""Static files are collected once, however often somebody asks."""

from pathlib import Path
from typing import Any

from dashboard.ops import static_files

MANIFEST = "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"


def test_what_is_collected_is_left_alone(settings: Any, tmp_path: Path) -> None:
    root = tmp_path / "static"
    settings.STATIC_ROOT = root
    settings.STORAGES = {"staticfiles": {"BACKEND": MANIFEST}}
    static_files.collect()
    (served,) = root.glob("dashboard.????????????.css")
    before = served.stat()
    static_files.collect()
    assert served.stat().st_ctime_ns == before.st_ctime_ns
    # Without the list of what there is, nothing counts as collected.
    (root / "staticfiles.json").unlink()
    static_files.collect()
    assert served.stat().st_ctime_ns != before.st_ctime_ns
