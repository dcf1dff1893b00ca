import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from dashboard.paths import ROOT as PROJECT

DIE_WITH_PARENT = Path(__file__).with_name("die_with_parent.py")
POLL_SECONDS = 0.05
OLD_LOGS = 3


class ManagedProcess:
    """A process with its children, in a session of its own, logging to a file.

    The session keeps the terminal's Ctrl-C away, and ``stop`` ends its whole process
    group. On Linux the process does not outlive us; elsewhere, and while it is still
    shutting down, the next ``start`` finds it by its pid file and stops it first.

    Attributes:
        log_path: Standard output and error are appended here.
        env: Added to our own environment.
        grace_seconds: How long it may take to end after SIGTERM.
    """

    def __init__(
        self,
        *,
        name: str,
        command: Sequence[str],
        log_path: Path,
        pid_path: Path,
        env: Mapping[str, str] | None = None,
        grace_seconds: float = 5,
    ) -> None:
        self.name = name
        self.command = list(command)
        self.log_path = log_path
        self.pid_path = pid_path
        self.env = dict(env or {})
        self.grace_seconds = grace_seconds
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    @property
    def exit_code(self) -> int | None:
        """Return the exit code, negative for a signal; None while it runs."""
        return self._process.poll() if self._process else None

    def start(self) -> None:
        """Start it, after stopping one that an earlier run left behind."""
        self.reap()
        for path in (self.log_path, self.pid_path):
            path.parent.mkdir(parents=True, exist_ok=True)
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 (our own command)
                dying_with_parent(self.command),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=os.environ | _python_path() | self.env,
                start_new_session=True,
            )
        pid = self._process.pid
        self.pid_path.write_text(f"{pid} {_start_time(pid)}\n")

    def ask_to_stop(self) -> None:
        """Send SIGTERM to the process itself, which stops its children in order."""
        if self._process and self._process.poll() is None:
            self._process.terminate()

    def stop(self) -> None:
        """Stop it and everything it started; SIGKILL after ``grace_seconds``."""
        if self._process is None:
            return
        self.ask_to_stop()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(self.grace_seconds)
        _kill_group(self._process.pid)
        self._process.wait()
        self._process = None
        self.pid_path.unlink(missing_ok=True)

    def reap(self) -> None:
        """Stop the process of an earlier run that the pid file names.

        The file has its start time, too, so that another process with the same pid is
        left alone.
        """
        pid = self._remembered()
        if pid is None:
            return
        deadline = time.monotonic() + self.grace_seconds
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
        while self._remembered() == pid and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
        _kill_group(pid)
        self.pid_path.unlink(missing_ok=True)

    def send(self, number: signal.Signals) -> None:
        if self._process and self._process.poll() is None:
            self._process.send_signal(number)

    def rotate_log(self, max_bytes: int) -> bool:
        """Move a log above this size aside, and keep ``OLD_LOGS`` of them.

        The process has the file open for appending, so it is copied and then emptied.

        Returns:
            Whether it was rotated.
        """
        try:
            if self.log_path.stat().st_size <= max_bytes:
                return False
        except FileNotFoundError:
            return False
        names = [self.log_path.with_suffix(f".log.{n}") for n in range(1, OLD_LOGS + 1)]
        for older, newer in zip(names[:0:-1], names[-2::-1], strict=True):
            if newer.exists():
                newer.replace(older)
        shutil.copyfile(self.log_path, names[0])
        os.truncate(self.log_path, 0)
        return True

    def last_lines(self, count: int = 20) -> list[str]:
        if not self.log_path.exists():
            return []
        return self.log_path.read_text(errors="replace").splitlines()[-count:]

    def _remembered(self) -> int | None:
        """Return the pid of the earlier process if that very process still runs."""
        try:
            pid, born = self.pid_path.read_text().strip().split(" ", 1)
        except (FileNotFoundError, ValueError):
            return None
        return int(pid) if born and _start_time(int(pid)) == born else None


def dying_with_parent(command: list[str]) -> list[str]:
    """Wrap the command so that it ends when this process dies (Linux)."""
    if sys.platform != "linux":
        return command
    return [
        sys.executable,
        "-I",
        "-S",
        str(DIE_WITH_PARENT),
        str(os.getpid()),
        *command,
    ]


def _python_path() -> dict[str, str]:
    """Let a process find this project's modules, in whatever directory it starts.

    The directory stays ours, since paths of the environment and ``./clouds.yaml`` are
    relative to it. Modules there must not take the place of others.
    """
    paths = [str(PROJECT), os.environ.get("PYTHONPATH", "")]
    return {
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        "PYTHONSAFEPATH": "1",
    }


def _start_time(pid: int) -> str:
    """Return the start time of a process as the system prints it; empty if it ended."""
    if sys.platform == "linux":
        try:
            stat = Path(f"/proc/{pid}/stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            return ""
        # After the name, which may contain spaces and brackets: state, …, start time.
        state, *fields = stat.rpartition(")")[2].split()
        return "" if state in "ZX" else fields[18]
    ps = subprocess.run(  # noqa: S603
        ["ps", "-o", "lstart=", "-p", str(pid)],  # noqa: S607
        capture_output=True,
        text=True,
        check=False,
    )
    return ps.stdout.strip()


def _kill_group(leader: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)
