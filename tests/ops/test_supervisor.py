"""Children are started, restarted and stopped with all they started themselves."""

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from dashboard.ops.managed_process import ManagedProcess
from dashboard.ops.supervisor import ChildEndedError, StoppedError, Supervisor

from .processes import marked, running, wait_until

FAMILY = """
import signal, subprocess, sys, time
grandchild = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
if "stubborn" in sys.argv:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("ready", grandchild.pid, flush=True)
time.sleep(600)
"""


class Place:
    """A folder for children, what was said, and when to stop."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.mark = uuid.uuid4().hex
        self.said: list[str] = []
        self.stop_when: Callable[[], bool] = lambda: False

    def supervisor(self, *, echo: bool = False) -> Supervisor:
        return Supervisor(
            say=self.said.append, stop_asked=lambda: self.stop_when(), echo=echo
        )

    def child(self, *arguments: str, name: str = "child") -> ManagedProcess:
        return ManagedProcess(
            name=name,
            command=[sys.executable, "-c", *arguments],
            log_path=self.folder / f"{name}.log",
            pid_path=self.folder / f"{name}.pid",
            env={"MARK": self.mark},
        )


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def ready(child: ManagedProcess) -> bool:
    return child.log_path.exists() and "ready" in child.log_path.read_text()


@pytest.mark.parametrize("manner", ["willing", "stubborn"])
def test_stop_leaves_no_grandchild(place: Place, manner: str) -> None:
    child = place.child(FAMILY, manner)
    child.start()
    wait_until(lambda: ready(child))
    assert len(marked(place.mark)) == 2
    child.grace_seconds = 0.2
    child.stop()
    wait_until(lambda: not marked(place.mark))
    assert not child.pid_path.exists()


def test_a_dead_child_is_restarted_and_its_own_children_ended(place: Place) -> None:
    supervisor = place.supervisor()
    child = place.child(FAMILY)
    supervisor.start(child)
    wait_until(lambda: ready(child))
    before = set(marked(place.mark))
    killed = child.pid
    assert killed
    os.kill(killed, signal.SIGKILL)

    def restarted() -> bool:
        now = set(marked(place.mark))
        return len(now) == 2 and not now & before

    place.stop_when = restarted
    supervisor.run()
    assert "The child ended (signal 9); restarting it in 0.5 s." in place.said[0]
    supervisor.stop()
    wait_until(lambda: not marked(place.mark))


def test_pauses_grow(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dashboard.ops.supervisor.FIRST_PAUSE_SECONDS", 0.01)
    supervisor = place.supervisor()
    supervisor.start(place.child("import sys; sys.exit('no luck today')"))
    pauses = ["0.0", "0.0", "0.0", "0.1", "0.2"]
    place.stop_when = lambda: (
        sum("restarting" in line for line in place.said) >= len(pauses)
    )
    supervisor.run()
    supervisor.stop()
    said = [line for line in place.said if "restarting" in line]
    assert all("exit code 1" in line for line in said)
    for line, pause in zip(said, pauses, strict=True):
        assert f"restarting it in {pause} s" in line
    assert "    no luck today" in place.said


def test_a_child_that_ends_at_its_start_is_reported_with_its_log(place: Place) -> None:
    supervisor = place.supervisor()
    child = place.child("import sys; sys.exit('the port is taken')")
    supervisor.start(child)
    with pytest.raises(ChildEndedError, match=r"exit code 1(?s:.*)the port is taken"):
        supervisor.wait_for(child, lambda: False, seconds=60)


def test_a_child_that_is_never_ready_is_reported(place: Place) -> None:
    supervisor = place.supervisor()
    child = place.child("import time; time.sleep(600)")
    supervisor.start(child)
    with pytest.raises(ChildEndedError, match="not ready"):
        supervisor.wait_for(child, lambda: False, seconds=0.1)
    supervisor.stop()


def test_waiting_ends_when_asked_to_stop(place: Place) -> None:
    supervisor = place.supervisor()
    child = place.child("import time; time.sleep(600)")
    supervisor.start(child)
    place.stop_when = lambda: True
    with pytest.raises(StoppedError):
        supervisor.wait_for(child, lambda: False, seconds=60)
    supervisor.stop()
    assert not marked(place.mark)


def test_echo_shows_whole_lines_once(place: Place) -> None:
    supervisor = place.supervisor(echo=True)
    child = place.child(
        "print('one'); print('two', flush=True); import time; time.sleep(600)"
    )
    supervisor.start(child)
    supervisor.wait_for(child, lambda: len(place.said) >= 2, seconds=60)
    supervisor.stop()
    assert place.said[:2] == ["   child | one", "   child | two"]


def test_a_replaced_child_starts_again_at_once(place: Place) -> None:
    supervisor = place.supervisor()
    child = place.child(FAMILY)
    supervisor.start(child)
    wait_until(lambda: ready(child))
    before = set(marked(place.mark))
    supervisor.restart(child)

    def replaced() -> bool:
        now = set(marked(place.mark))
        return len(now) == 2 and not now & before

    place.stop_when = replaced
    supervisor.run()
    supervisor.stop()
    # No log line says that it ended: it was asked to.
    assert place.said == []


def test_a_child_that_refuses_to_be_replaced_is_killed(place: Place) -> None:
    supervisor = place.supervisor()
    child = place.child(FAMILY, "stubborn")
    child.grace_seconds = 0.2
    supervisor.start(child)
    wait_until(lambda: ready(child))
    before = child.pid
    supervisor.restart(child)
    place.stop_when = lambda: child.pid != before
    supervisor.run()
    supervisor.stop()
    wait_until(lambda: not marked(place.mark))


ENDS_LAST = """
import os, signal, sys, time
def end(*_):
    time.sleep(0.3)
    print(sys.argv[1], flush=True)
    os._exit(0)
signal.signal(signal.SIGTERM, end)
print("ready", flush=True)
time.sleep(600)
"""


def test_what_others_need_stops_after_them(place: Place) -> None:
    supervisor = place.supervisor()
    children = [place.child(ENDS_LAST, name, name=name) for name in ("store", "user")]
    for child in children:
        supervisor.start(child, is_backing=child.name == "store")
    wait_until(lambda: all(map(ready, children)))
    supervisor.stop()
    ended = [child.log_path.stat().st_mtime_ns for child in children]
    assert ended[0] - ended[1] > 200_000_000


def test_a_long_log_is_moved_aside(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dashboard.ops.supervisor.MAX_LOG_BYTES", 2_000)
    monkeypatch.setattr("dashboard.ops.supervisor.TICK_SECONDS", 0)
    supervisor = place.supervisor(echo=True)
    child = place.child(
        "import time\n"
        "for number in range(400): print(f'line {number:03}' * 5, flush=True);"
        "time.sleep(0.01)\n"
        "time.sleep(600)"
    )
    supervisor.start(child)
    last = "line 399" * 5
    place.stop_when = lambda: any(last in line for line in place.said)
    supervisor.run()
    supervisor.stop()
    logs = sorted(path.name for path in place.folder.glob("child.log*"))
    assert logs == ["child.log", "child.log.1", "child.log.2", "child.log.3"]
    assert child.log_path.stat().st_size < 4_000
    # Truncated, not left with a hole.
    assert b"\0" not in child.log_path.read_bytes()
    assert len({(place.folder / name).read_text() for name in logs}) == 4


@pytest.mark.skipif(sys.platform != "linux", reason="tethers exist on Linux only")
def test_children_do_not_outlive_a_killed_supervisor(place: Place) -> None:
    script = f"""
import sys, time
from pathlib import Path
from dashboard.ops.managed_process import ManagedProcess
child = ManagedProcess(
    name="child", command=[sys.executable, "-c", "import time; time.sleep(600)"],
    log_path=Path({str(place.folder / "log")!r}),
    pid_path=Path({str(place.folder / "pid")!r}),
)
child.start()
print(child.pid, flush=True)
time.sleep(600)
"""
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout
        pid = int(parent.stdout.readline())
        assert running(pid)
        parent.kill()
    wait_until(lambda: not running(pid))
