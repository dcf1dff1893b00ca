import fcntl
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path


class StartError(Exception):
    """The processes cannot start; the message is a sentence for people."""


class DataDirectory:
    """The files of one Curfew whose processes all run on this machine.

    Attributes:
        settings: ``NAME=value`` lines, for people and the setup pages; every process
            reads them, and the environment wins (``dashboard.config``).
        generated: What ``serve`` has added to the environment of its processes, for
            management commands in another terminal (``manage.py``).
    """

    LOCK = "curfew.lock"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lock = folder / self.LOCK
        self.pids = folder / "pids"
        self.logs = folder / "logs"
        self.broker = folder / "broker"
        self.database = folder / "database" / "curfew.sqlite3"
        self.clouds = folder / "clouds.yaml"
        self.secure = folder / "secure.yaml"
        self.secret_key = folder / "secret_key"
        self.settings = folder / "settings.env"
        self.generated = folder / "generated.env"

    def create(self) -> None:
        """Create the folder, mark it as ours, and close it to everyone else.

        Raises:
            StartError: It cannot be used, or contains files of others.
        """
        if not self._is_ours():
            raise StartError(
                f"{self.folder} holds other files. Choose an empty folder for "
                "--data-dir: it will be readable for you alone."
            )
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self.folder.chmod(0o700)
            self.lock.touch()
        except OSError as error:
            raise StartError(
                f"{self.folder} cannot be used ({error.strerror}). Choose another "
                "folder for --data-dir."
            ) from None

    def _is_ours(self) -> bool:
        if self.lock.exists() or not self.folder.exists():
            return True
        # Where earlier commands have put their files.
        known = {"demo", "static", "static.lock", "test-static", "curfew.sqlite3"}
        names = {path.name for path in self.folder.iterdir()}
        return all(name in known or name.startswith("curfew.sqlite3") for name in names)

    @contextmanager
    def owned(self) -> Iterator[None]:
        """Keep a second start out of the folder.

        Raises:
            StartError: Curfew is running there.
        """
        with self.lock.open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise StartError(
                    f"Curfew is already running in {self.folder}. Stop it first, or "
                    "choose another --data-dir and --port."
                ) from None
            yield

    def keep_secret_key(self) -> None:
        """Create the secret key unless there is one."""
        if self.secret_key.exists():
            return
        new = self.secret_key.with_suffix(".new")
        new.unlink(missing_ok=True)
        new.touch(mode=0o600)
        new.write_text(f"{secrets.token_urlsafe(48)}\n")
        # Complete or absent, also after a power cut.
        new.rename(self.secret_key)

    def write_generated(self, variables: Mapping[str, str]) -> None:
        new = self.generated.with_suffix(".new")
        new.unlink(missing_ok=True)
        new.touch(mode=0o600)
        new.write_text("".join(f"{name}={variables[name]}\n" for name in variables))
        new.rename(self.generated)


def adopt(default: Path) -> None:
    """Add to the environment what ``serve`` has added to that of its processes.

    For management commands in another terminal. Nothing changes where the environment
    has a secret key, or where ``serve`` has never run.
    """
    if {"CURFEW_SECRET_KEY", "CURFEW_SECRET_KEY_FILE"}.intersection(os.environ):
        return
    files = DataDirectory(Path(os.environ.get("CURFEW_DATA_DIR") or default))
    try:
        lines = files.generated.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        name, _, value = line.partition("=")
        os.environ.setdefault(name, value)
