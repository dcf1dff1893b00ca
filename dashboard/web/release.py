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
    """Return the name of the release: equal on all machines with the same files.

    It is a hash of their content, read once per process.
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
    """Return a hash of the release that reveals nothing to browsers.

    Args:
        more: Whatever else requires a page to reload.
    """
    content = "\n".join((release(), *more))
    mark = salted_hmac("dashboard.web.release", content, algorithm="sha256")
    return mark.hexdigest()[:12]
