"""Which release this process runs, for pages that stay open for weeks."""

import hashlib
from functools import cache, lru_cache
from pathlib import Path

from django.utils.crypto import salted_hmac

ROOT = Path(__file__).resolve().parent.parent.parent
_PARTS = (
    ("dashboard", "*.py"),
    ("templates", "*.html"),
    ("static", "*"),
    ("locale", "*.mo"),
)


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


@lru_cache
def release_mark(*more: str) -> str:
    """Names the release to browsers, in a word that tells nobody else which it is.

    Args:
        more: What else a page must be loaded anew for.
    """
    said = "\n".join((release(), *more))
    mark = salted_hmac("dashboard.web.release", said, algorithm="sha256")
    return mark.hexdigest()[:12]
