import hashlib
from functools import cache, lru_cache

from django.utils.crypto import salted_hmac

from dashboard.paths import FILES, ROOT


@cache
def release() -> str:
    """Return the name of the release, which is a hash of the content of its files."""
    digest = hashlib.blake2b(digest_size=6)
    for base, folder, pattern in (
        (ROOT, "dashboard", "*.py"),
        (FILES, "templates", "*.html"),
        (FILES, "static", "*"),
        (FILES, "locale", "*.mo"),
    ):
        for path in sorted((base / folder).rglob(pattern)):
            if path.is_file():
                digest.update(f"{path.relative_to(base)}\0".encode())
                digest.update(path.read_bytes())
    return digest.hexdigest()


@lru_cache
def release_mark(*more: str) -> str:
    """Return a hash of the release and ``more`` that reveals neither to browsers."""
    content = "\n".join((release(), *more))
    mark = salted_hmac("dashboard.web.release", content, algorithm="sha256")
    return mark.hexdigest()[:12]
