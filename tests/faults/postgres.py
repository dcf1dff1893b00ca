"""A throw-away PostgreSQL cluster of our own, in processes that may be killed."""

import os
import shutil
import signal
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path

import psycopg

from dashboard.ops.child import Child
from dashboard.ops.ports import free_port
from tests.ops.processes import wait_until


def programs() -> Path | None:
    """Folder of the newest server programs that are installed."""
    found = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/initdb"),
        key=lambda path: int(path.parts[-3]),
    )
    if found:
        return found[-1].parent
    on_path = shutil.which("initdb")
    return Path(on_path).resolve().parent if on_path else None


class Postgres:
    """One cluster, one database, everybody on the loopback interface trusted.

    ``fsync`` is off: the tests kill processes, not the machine, and what a process has
    handed to the system survives it.
    """

    def __init__(self, logs: Path) -> None:
        found = programs()
        assert found is not None
        # Its own folder: the server refuses to run as root, and whoever it runs as
        # cannot enter the folders of pytest.
        self.folder = Path(tempfile.mkdtemp(prefix="curfew-postgres-"))
        self.port = free_port()
        self.url = f"postgres://postgres@127.0.0.1:{self.port}/postgres"
        as_server: list[str] = []
        if os.geteuid() == 0:
            shutil.chown(self.folder, "postgres", "postgres")
            as_server = ["setpriv", "--reuid=postgres", "--regid=postgres"]
            # Changing the user takes the tether to our own process away.
            as_server += ["--clear-groups", "--pdeathsig=QUIT"]
        data = str(self.folder / "data")
        subprocess.run(
            [
                *as_server,
                *(str(found / "initdb"), "--pgdata", data, "--username", "postgres"),
                *("--auth", "trust", "--no-sync", "--encoding", "UTF8"),
                *("--locale", "C.UTF-8"),
            ],
            check=True,
            capture_output=True,
            cwd=self.folder,
        )
        options = {
            "port": self.port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": self.folder,
            "fsync": "off",
            "max_connections": 60,
        }
        self.child = Child(
            name="postgres",
            command=[
                *as_server,
                *(str(found / "postgres"), "-D", data),
                *(f"--{name}={value}" for name, value in options.items()),
            ],
            log_path=logs / "postgres.log",
            pid_path=logs / "postgres.pid",
        )

    def start(self) -> None:
        """Start it and wait until it answers."""
        self.child.start()
        wait_until(self.answers, seconds=30)

    def answers(self) -> bool:
        """Whether it can be asked something."""
        try:
            with psycopg.connect(self.url, connect_timeout=2) as connection:
                connection.execute("SELECT 1")
        except psycopg.Error:
            return False
        return True

    def crash(self) -> None:
        """End every process of it at once, as "immediate" shutdown does."""
        assert self.child.pid
        os.kill(self.child.pid, signal.SIGQUIT)
        wait_until(lambda: self.child.exit_code is not None, seconds=20)
        self.child.stop()

    def freeze(self) -> None:
        """Have it stand still, connections open."""
        self._signal_all(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._signal_all(signal.SIGCONT)

    def _signal_all(self, number: signal.Signals) -> None:
        """Each of its processes, since each has a session of its own."""
        server = self.child.pid
        assert server
        # The server first: it starts no more of them while it stands still.
        os.kill(server, number)
        started = Path(f"/proc/{server}/task/{server}/children").read_text()
        for pid in map(int, started.split()):
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def remove(self) -> None:
        """Stop it and forget it."""
        if self.child.pid:
            os.kill(self.child.pid, signal.SIGQUIT)
        self.child.stop()
        shutil.rmtree(self.folder)
