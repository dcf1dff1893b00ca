import time
from collections.abc import Callable, Sequence

from .managed_process import POLL_SECONDS, ManagedProcess

FIRST_PAUSE_SECONDS = 0.5
MAX_PAUSE_SECONDS = 30
LONG_LIVED_SECONDS = 60
"""A child that lived this long restarts with the shortest pause."""

MAX_LOG_BYTES = 10_000_000
TICK_SECONDS = 1


class ChildEndedError(Exception):
    """A child ended before it was ready; the message has the end of its log."""


class StoppedError(Exception):
    """The person asked to stop during a wait."""


class Supervisor:
    """Starts children, restarts those that die, stops them all.

    Args:
        say: Shows a line to the person.
        stop_asked: Called between steps, so that no child is half started when
            everything stops.
        echo: Whether to show the children's logs, too.
    """

    def __init__(
        self,
        *,
        say: Callable[[str], None],
        stop_asked: Callable[[], bool],
        echo: bool = False,
    ) -> None:
        self._say = say
        self._stop_asked = stop_asked
        self._echo = echo
        self._supervised: list[_Supervised] = []

    def start(self, child: ManagedProcess, *, is_backing: bool = False) -> None:
        """Start a child and keep it running.

        Args:
            is_backing: The others need it to end in order, so it stops after them.
        """
        supervised = _Supervised(child, is_backing=is_backing)
        self._supervised.append(supervised)
        supervised.start()

    def restart(self, *children: ManagedProcess) -> None:
        """Replace running children; each starts again as soon as it has ended."""
        for supervised in self._supervised:
            if supervised.child in children and supervised.restart_at is None:
                supervised.replace()

    def wait_for(
        self, child: ManagedProcess, ready: Callable[[], bool], *, seconds: float
    ) -> None:
        """Wait until a child is ready.

        Raises:
            ChildEndedError: It ended, or was not ready in time.
            StoppedError: The person asked to stop.
        """
        deadline = time.monotonic() + seconds
        while not ready():
            self.check_stop()
            self._show_logs()
            ended = child.exit_code is not None
            if ended or time.monotonic() > deadline:
                problem = (
                    f"ended ({_how(child.exit_code)})"
                    if ended
                    else f"was not ready within {seconds:.0f} s"
                )
                log = "\n".join(f"    {line}" for line in child.last_lines())
                raise ChildEndedError(
                    f"The {child.name} {problem}. The end of {child.log_path}:\n{log}"
                )
            time.sleep(POLL_SECONDS)

    def check_stop(self) -> None:
        if self._stop_asked():
            raise StoppedError

    def run(self, tick: Callable[[], None] = lambda: None) -> None:
        """Restart children that die, with growing pauses, until asked to stop.

        Args:
            tick: Called about once a second.
        """
        next_tick = 0.0
        while not self._stop_asked():
            for supervised in self._supervised:
                self._tend(supervised)
            self._show_logs()
            if time.monotonic() >= next_tick:
                next_tick = time.monotonic() + TICK_SECONDS
                self._rotate_logs()
                tick()
            time.sleep(POLL_SECONDS)

    def stop(self) -> None:
        """Stop all children at once, and then those that they need."""
        backing = [one.child for one in self._supervised if one.is_backing]
        others = [one.child for one in self._supervised if not one.is_backing]
        for children in (others, backing):
            for child in children:
                child.ask_to_stop()
            for child in children:
                child.stop()
        self._show_logs()
        self._supervised.clear()

    def _tend(self, supervised: "_Supervised") -> None:
        child = supervised.child
        if supervised.restart_at is not None:
            if time.monotonic() >= supervised.restart_at:
                supervised.start()
        elif supervised.replace_by is not None:
            if child.exit_code is not None or time.monotonic() >= supervised.replace_by:
                child.stop()
                supervised.start()
        elif child.exit_code is not None:
            pause = supervised.plan_restart()
            self._say(
                f"The {child.name} ended ({_how(child.exit_code)}); "
                f"restarting it in {pause:.1f} s. Log: {child.log_path}"
            )
            if child.exit_code > 0 and not self._echo:
                for line in child.last_lines(5):
                    self._say(f"    {line}")
            # Its children must not live beside its successor.
            child.stop()

    def _rotate_logs(self) -> None:
        for supervised in self._supervised:
            if supervised.child.rotate_log(MAX_LOG_BYTES):
                supervised.forget_log()

    def _show_logs(self) -> None:
        if self._echo:
            for supervised in self._supervised:
                for line in supervised.new_log_lines():
                    self._say(f"{supervised.child.name:>8} | {line}")


class _Supervised:
    def __init__(self, child: ManagedProcess, *, is_backing: bool) -> None:
        self.child = child
        self.is_backing = is_backing
        self.restart_at: float | None = None
        self.replace_by: float | None = None
        self._started_at = 0.0
        self._pause = FIRST_PAUSE_SECONDS
        self._shown_bytes = 0

    def start(self) -> None:
        self.restart_at = self.replace_by = None
        self._started_at = time.monotonic()
        self.child.start()

    def replace(self) -> None:
        self.child.ask_to_stop()
        self.replace_by = time.monotonic() + self.child.grace_seconds

    def plan_restart(self) -> float:
        now = time.monotonic()
        if now - self._started_at >= LONG_LIVED_SECONDS:
            self._pause = FIRST_PAUSE_SECONDS
        pause = self._pause
        self._pause = min(2 * pause, MAX_PAUSE_SECONDS)
        self.restart_at = now + pause
        return pause

    def forget_log(self) -> None:
        self._shown_bytes = 0

    def new_log_lines(self) -> Sequence[str]:
        try:
            with self.child.log_path.open("rb") as log:
                log.seek(self._shown_bytes)
                # A line still being written waits for its end.
                text = log.read().rpartition(b"\n")[0]
        except FileNotFoundError:
            return []
        if not text:
            return []
        self._shown_bytes += len(text) + 1
        return text.decode(errors="replace").splitlines()


def _how(exit_code: int | None) -> str:
    if exit_code is not None and exit_code < 0:
        return f"signal {-exit_code}"
    return f"exit code {exit_code}"
