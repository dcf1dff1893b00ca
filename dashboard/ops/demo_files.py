import shutil

from .data_directory import DataDirectory, StartError


class DemoFiles(DataDirectory):
    """A data directory whose files are removed at each start."""

    LOCK = "curfew-demo.lock"

    def create(self) -> None:
        """Create the folder and mark it as the demo's.

        Raises:
            StartError: It contains other files.
        """
        if not self._is_ours():
            raise StartError(
                f"{self.folder} holds other files, and a demo removes its own at each "
                "start. Choose an empty folder for --data-dir."
            )
        super().create()

    def _is_ours(self) -> bool:
        is_empty = not self.folder.exists() or not any(self.folder.iterdir())
        return is_empty or self.lock.exists()

    def clear(self) -> None:
        """Remove the data of an earlier demo: its mirror does not fit the new fleet."""
        # Folders, since the database has files beside it.
        for folder in (self.logs, self.broker, self.database.parent):
            if folder.exists():
                shutil.rmtree(folder)
            folder.mkdir()
        for path in (self.clouds, self.settings, self.generated):
            path.unlink(missing_ok=True)
        # Empty: it keeps the person's own secure.yaml from being found and merged in.
        self.secure.write_text("{}\n")
        # The emulator fills it; it contains a password, if only an emulated one.
        self.clouds.touch(mode=0o600)
