"""``manage.py demo``: one command brings everything up, Ctrl-C takes it all down."""

import os
import signal
import socket
import stat
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from dashboard.config import Config
from dashboard.ops import demo
from dashboard.ops.data_directory import StartError
from dashboard.ops.demo_files import DemoFiles
from dashboard.ops.managed_process import PROJECT
from dashboard.ops.ports import free_port
from dashboard.ops.stack import ANY_ADDRESS, check_port

from .processes import marked, running, wait_until

SOMEBODYS_CLOUD = {"OS_CLOUD": "real", "OS_USERNAME": "me", "OS_PASSWORD": "secret"}


class Run:
    """A demo under way, in a process of its own."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.mark = uuid.uuid4().hex
        self.folder = folder
        self.port = free_port()
        self.output = folder.parent / f"{self.mark}.out"
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("CURFEW_", "DJANGO_"))
        }
        with self.output.open("w") as output:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "manage.py", "demo"),
                    *("--port", str(self.port), "--data-dir", str(folder)),
                    *("--fleet", "7", *options),
                ],
                cwd=PROJECT,
                # Another cloud's variables are in the way, as on many a desk.
                env=inherited | SOMEBODYS_CLOUD | {"MARK": self.mark},
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    @property
    def text(self) -> str:
        return self.output.read_text()

    def wait_for_text(self, text: str) -> None:
        wait_until(
            lambda: text in self.text or self.process.poll() is not None, seconds=120
        )
        assert text in self.text, self.text

    def pid_of(self, name: str) -> int:
        try:
            return int((self.folder / "pids" / f"{name}.pid").read_text().split()[0])
        except (FileNotFoundError, IndexError):
            return 0

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for pid in marked(self.mark):
            os.kill(pid, signal.SIGKILL)


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    run = Run(tmp_path / "demo")
    yield run
    run.end()


@pytest.mark.stack
@pytest.mark.timeout(900)
def test_the_whole_life_of_a_demo(tmp_path: Path) -> None:
    """With a working day of two minutes, in which its worker dies."""
    run = Run(tmp_path / "demo", "--fleet", "20", "--working-day", "2")
    try:
        _live(run)
    finally:
        run.end()


def _live(run: Run) -> None:
    run.wait_for_text("Curfew is ready: ")
    run.wait_for_text("morning: “Working day” starts what is stopped")
    for person in demo.PEOPLE:
        assert person.name in run.text
    assert demo.PASSWORD in run.text

    with httpx.Client(
        base_url=f"http://127.0.0.1:{run.port}",
        follow_redirects=True,
        trust_env=False,
        timeout=60,
    ) as browser:
        assert browser.get("/healthz").text == "ok"
        wait_until(lambda: browser.get("/readyz").status_code == 200)
        browser.get("/accounts/login/")
        page = browser.post(
            "/accounts/login/?next=/edits/",
            data={"login": "oskar", "password": demo.PASSWORD},
            headers={"X-CSRFToken": browser.cookies["csrftoken"]},
        )
        assert page.url.path == "/edits/"

        def changes() -> str:
            # Later moments add rows; each start and stop has one of its own.
            params = {"schedule": "Working day", "state": "applied"}
            return browser.get("/edits/", params=params).raise_for_status().text

        wait_until(lambda: ">Start</a>" in changes(), seconds=300, every=1)
        assert ">Stop</a>" not in changes()
        _replaces_its_worker(run)
        wait_until(lambda: ">Stop</a>" in changes(), seconds=300, every=1)
        assert "Schedule “Working day”" in changes()
        batches = browser.get("/batches/").raise_for_status().text
        assert "Stop of the schedule “Working day”" in batches

    assert stat.S_IMODE((run.folder / "clouds.yaml").stat().st_mode) == 0o600

    # A second one keeps its hands off.
    second = Run(run.folder)
    second.wait_for_text("already running")
    assert second.process.wait() == 1

    run.process.send_signal(signal.SIGINT)
    assert run.process.wait(timeout=60) == 0
    assert not marked(run.mark)
    assert "Traceback" not in run.text


def _replaces_its_worker(run: Run) -> None:
    worker = run.pid_of("worker")
    os.kill(worker, signal.SIGKILL)
    run.wait_for_text("The worker ended (signal 9)")
    wait_until(lambda: run.pid_of("worker") not in {0, worker})
    wait_until(lambda: running(run.pid_of("worker")))


@pytest.mark.stack
def test_a_killed_demo_leaves_nothing_in_the_way(run: Run) -> None:
    run.wait_for_text("Starting the web server")
    run.process.kill()
    run.process.wait()
    again = Run(run.folder)
    try:
        again.wait_for_text("Syncing instances")
        wait_until(lambda: not marked(run.mark))
        again.process.send_signal(signal.SIGTERM)
        assert again.process.wait(timeout=60) == 0
        assert not marked(again.mark)
    finally:
        again.end()


@pytest.mark.stack
def test_ctrl_c_while_it_prepares(run: Run) -> None:
    run.wait_for_text("Creating the database")
    run.process.send_signal(signal.SIGINT)
    assert run.process.wait(timeout=60) == 0
    assert not marked(run.mark)
    assert "Traceback" not in run.text


@pytest.mark.stack
def test_signals_upon_signals_stop_it_all_the_same(run: Run) -> None:
    """Ctrl-C held down, while the shell and uv send signals of their own."""
    run.wait_for_text("Starting the broker")

    def ended() -> bool:
        for _ in range(2_000):
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                run.process.send_signal(number)
        return run.process.poll() is not None

    wait_until(ended, seconds=120)
    assert run.text.endswith("Stopped.\n")
    assert "Traceback" not in run.text
    assert not marked(run.mark)


def test_a_taken_port_is_one_sentence() -> None:
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", 0))
        stranger.listen()
        port = stranger.getsockname()[1]
        with pytest.raises(StartError, match=rf"{port} .*--port {port + 1}"):
            check_port("127.0.0.1", port)


def test_real_clouds_stay_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    environment = {
        "OS_PASSWORD": "real",
        "OS_CLOUD": "real",
        "CURFEW_CLOUDS": "real",
        "CURFEW_DEBUG": "true",
        "CURFEW_CLOUD_PROXY": "http://proxy.example.org:3128",
        "CURFEW_MAIL_STARTTLS": "false",
        "CURFEW_REFRESH_SECONDS": "9",
        "PATH": "kept",
    }
    monkeypatch.setattr(os, "environ", environment)
    demo.prepare_environment(["--data-dir", str(tmp_path), "--verbosity", "2"])
    assert {name for name in environment if name.startswith("OS_")} == {
        "OS_CLIENT_CONFIG_FILE",
        "OS_CLIENT_SECURE_FILE",
    }
    assert "CURFEW_CLOUDS" not in environment
    assert "CURFEW_DEBUG" not in environment
    assert "CURFEW_CLOUD_PROXY" not in environment
    assert "CURFEW_MAIL_STARTTLS" not in environment
    assert environment["CURFEW_REFRESH_SECONDS"] == "9"
    assert len(environment["CURFEW_SECRET_KEY"]) >= 32
    assert environment["PATH"] == "kept"


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "demo.internal", *ANY_ADDRESS])
def test_settings_accept_every_host_that_the_demo_listens_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, host: str
) -> None:
    monkeypatch.setattr(os, "environ", {})
    demo.prepare_environment(["--data-dir", str(tmp_path), "--host", host])
    assert Config.from_environment().allowed_hosts


def test_each_run_has_a_secret_key_of_its_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(os, "environ", {})
    keys = set()
    for _ in range(2):
        demo.prepare_environment(["--data-dir", str(tmp_path)])
        keys.add(os.environ["CURFEW_SECRET_KEY"])
    assert len(keys) == 2


@pytest.mark.parametrize(
    "arguments",
    [
        ["--port", "0"],
        ["--port", "65536"],
        ["--port", "web"],
        ["--fleet", "-1"],
        ["--fleet", "10001"],
        ["--notebooks", "101"],
        ["--speed", "0"],
    ],
)
def test_options_that_make_no_sense(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
) -> None:
    monkeypatch.setattr(os, "environ", {})
    with pytest.raises(SystemExit):
        demo.prepare_environment(arguments)
    assert arguments[0] in capsys.readouterr().err


def test_help_starts_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "environ", {})
    with pytest.raises(SystemExit) as ended:
        demo.prepare_environment(["--help"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    for option in ("port", "fleet", "notebooks", "seed", "speed", "data-dir"):
        assert f"--{option}" in shown


def test_an_earlier_demos_files_are_removed(tmp_path: Path) -> None:
    files = DemoFiles(tmp_path)
    files.clear()
    write_ahead_log = files.database.with_name(f"{files.database.name}-wal")
    write_ahead_log.write_text("old")
    files.clouds.write_text("clouds: {old: {}}")
    files.clear()
    assert not write_ahead_log.exists()
    assert not files.clouds.read_text()


def test_a_folder_with_other_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("three years of work")
    with pytest.raises(SystemExit, match="holds other files"):
        demo.prepare_environment(["--data-dir", str(tmp_path)])
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_demos_own_folder_is_taken_again(tmp_path: Path) -> None:
    files = DemoFiles(tmp_path)
    for _ in range(2):
        files.create()
        files.clear()
        files.database.write_text("made by the demo")
