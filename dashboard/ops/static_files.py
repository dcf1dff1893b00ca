import fcntl
import json
from pathlib import Path

from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command


def collect() -> None:
    """Collect the static files unless they are up to date.

    Several processes may start at once: the second waits for the first, and neither
    removes files that the other serves.
    """
    root = settings.STATIC_ROOT
    root.mkdir(parents=True, exist_ok=True)
    with root.with_name(f"{root.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not _is_collected():
            call_command("collectstatic", interactive=False, verbosity=0)


def _is_collected() -> bool:
    manifest = settings.STATIC_ROOT / "staticfiles.json"
    try:
        collected_at = manifest.stat().st_ctime
        collected = json.loads(manifest.read_text())["paths"]
    except FileNotFoundError:
        return False
    # The inode's time: installers keep old modification times.
    return all(
        name in collected and Path(storage.path(name)).stat().st_ctime < collected_at
        for finder in get_finders()
        for name, storage in finder.list([])
    )
