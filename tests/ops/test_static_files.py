"""Static files are collected once, however often somebody asks."""

import json
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
    # As after a run with fewer apps: a file that the list lacks is not collected.
    manifest = root / "staticfiles.json"
    listed = json.loads(manifest.read_text())
    assert listed["paths"].pop("dashboard.css")
    manifest.write_text(json.dumps(listed))
    static_files.collect()
    assert "dashboard.css" in json.loads(manifest.read_text())["paths"]
    before = served.stat()
    # Without the list of what there is, nothing counts as collected.
    manifest.unlink()
    static_files.collect()
    assert served.stat().st_ctime_ns != before.st_ctime_ns
