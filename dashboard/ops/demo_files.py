import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class DemoError(Exception):
    """The demo cannot start; the message is a sentence for people."""


class Files:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lock = folder / "curfew-demo.lock"
        self.pids = folder / "pids"
        self.logs = folder / "logs"
        self.broker = folder / "broker"
        self.database = folder / "database" / "curfew.sqlite3"
        self.clouds = folder / "clouds.yaml"
        # Empty: it keeps the person's own secure.yaml from being found and merged in.
        self.secure = folder / "secure.yaml"

    def claim(self) -> None:
        """Mark the folder as the demo's, whose files are removed at the next start.

        Raises:
            DemoError: It contains other files.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        if not self.lock.exists() and any(self.folder.iterdir()):
            raise DemoError(
                f"{self.folder} holds other files, and a demo removes its own at each "
                "start. Choose an empty folder for --data-dir."
            )
        self.lock.touch()

    @contextmanager
    def owned(self) -> Iterator[None]:
        """Keep a second demo out of the folder.

        Raises:
            DemoError: A demo is running there.
        """
        with self.lock.open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise DemoError(
                    f"A demo is already running in {self.folder}. Stop it first, or "
                    "give this one a --data-dir and a --port of its own."
                ) from None
            yield

    def clear(self) -> None:
        """Remove the data of an earlier demo: its mirror does not fit the new fleet."""
        # Folders, since the database has files beside it.
        for folder in (self.logs, self.broker, self.database.parent):
            if folder.exists():
                shutil.rmtree(folder)
            folder.mkdir()
        self.clouds.unlink(missing_ok=True)
        self.secure.write_text("{}\n")
        # The emulator fills it; it contains a password, if only an emulated one.
        self.clouds.touch(mode=0o600)
