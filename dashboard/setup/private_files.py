"""Files of the data directory that nobody but Curfew's user may read."""

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings


def data_dir() -> Path:
    """Return the data directory; call it only where ``has_data_dir``."""
    folder = settings.CURFEW.data_dir
    assert folder is not None  # noqa: S101 (the caller has checked it)
    return folder


def has_data_dir() -> bool:
    """Whether this site may write its own configuration."""
    return settings.CURFEW.data_dir is not None


def write(path: Path, text: str) -> None:
    """Replace a file in one step, with mode 0600; readers see the old or the new."""
    new = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise


@contextmanager
def locked() -> Iterator[None]:
    """Let one process at a time change the files of the setup."""
    descriptor = os.open(data_dir() / "setup.lock", os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
