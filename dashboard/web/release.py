"""Which release this process runs, for pages that stay open for weeks."""

import hashlib
from functools import cache
from pathlib import Path

from django.utils.crypto import salted_hmac

ROOT = Path(__file__).resolve().parent.parent.parent
_PARTS = (("dashboard", "*.py"), ("templates", "*.html"), ("static", "*"))


@cache
def release() -> str:
    """Names the program: the same on every machine that runs the same files.

    By their content and not their age, so that two servers of one release agree. Read
    once in a process's life.
    """
    digest = hashlib.blake2b(digest_size=6)
    for folder, pattern in _PARTS:
        for path in sorted((ROOT / folder).rglob(pattern)):
            if path.is_file():
                digest.update(f"{path.relative_to(ROOT)}\0".encode())
                digest.update(path.read_bytes())
    return digest.hexdigest()


@cache
def release_mark() -> str:
    """Names the release to browsers, in a word that tells nobody else which it is."""
    return salted_hmac(
        "dashboard.web.release", release(), algorithm="sha256"
    ).hexdigest()[:12]
