"""``manage.py serve``: one's own clouds, and everything still there the next time."""

import os
import re
import signal
import stat
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from dashboard.config import Config
from dashboard.ops import serve
from dashboard.ops.data_directory import DataDirectory, StartError, adopt
from dashboard.ops.demo_files import DemoFiles
from dashboard.ops.managed_process import PROJECT, ManagedProcess
from dashboard.ops.ports import free_port
from dashboard.ops.stack import ANY_ADDRESS
from tests import migrated

from .processes import marked, wait_until

PASSWORD = "only-for-the-tests-of-serve"


class Desk:
    """A person's machine, on which a cloud answers, and what is started there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.mark = uuid.uuid4().hex
        self.port = free_port()
        self.output = folder / "serve.out"
        self.env = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("CURFEW_", "DJANGO_", "OS_"))
        } | {"MARK": self.mark, "CURFEW_REFRESH_SECONDS": "1"}
        cloud_port = free_port()
        self.emulator = ManagedProcess(
            name="emulator",
            command=[
                *(sys.executable, "-m", "dashboard.emulator"),
                *("--port", str(cloud_port), "--fleet", "9", "--notebooks", "0"),
                *("--clouds-file", str(folder / "clouds.yaml")),
            ],
            log_path=folder / "emulator.log",
            pid_path=folder / "emulator.pid",
        )
        self.cloud = httpx.Client(
            base_url=f"http://127.0.0.1:{cloud_port}/_emulator/", trust_env=False
        )

    def serve(self, *options: str) -> subprocess.Popen[bytes]:
        """Start it where ``clouds.yaml`` is, and wait until it is ready."""
        with self.output.open("w") as output:
            process = subprocess.Popen(
                [
                    *(sys.executable, str(PROJECT / "manage.py"), "serve"),
                    *("--port", str(self.port), "--data-dir", str(self.data)),
                    *options,
                ],
                cwd=self.folder,
                env=self.env,
                stdout=output,
                stderr=subprocess.STDOUT,
                umask=0o022,
            )
        wait_until(
            lambda: "Press Ctrl-C" in self.text or process.poll() is not None,
            seconds=240,
        )
        assert process.poll() is None, self.text
        return process

    @property
    def text(self) -> str:
        return self.output.read_text()

    def manage(self, *arguments: str, typed: str = "") -> str:
        """Run a management command in another terminal."""
        ended = subprocess.run(
            [sys.executable, str(PROJECT / "manage.py"), *arguments],
            cwd=self.folder,
            env=self.env | {"CURFEW_DATA_DIR": str(self.data)},
            input=typed,
            text=True,
            check=True,
            capture_output=True,
        )
        return ended.stdout

    def log(self, name: str) -> str:
        return (self.data / "logs" / f"{name}.log").read_text()

    def pid_of(self, name: str) -> int:
        try:
            return int((self.data / "pids" / f"{name}.pid").read_text().split()[0])
        except (FileNotFoundError, IndexError):
            return 0

    @contextmanager
    def browser(self) -> Iterator[httpx.Client]:
        """Somebody who has signed in."""
        with httpx.Client(
            base_url=f"http://127.0.0.1:{self.port}",
            follow_redirects=True,
            trust_env=False,
            timeout=60,
        ) as browser:
            browser.get("/accounts/login/")
            page = browser.post(
                "/accounts/login/?next=/instances/",
                data={"login": "grace", "password": PASSWORD},
                headers={"X-CSRFToken": browser.cookies["csrftoken"]},
            )
            assert page.url.path == "/instances/"
            yield browser

    def describe(self, browser: httpx.Client, text: str) -> str:
        """Have an instance described otherwise; return its id."""
        listed = browser.get("/instances/").text
        instance: str = min(re.findall(r'data-instance="([^"]+)"', listed))
        path = f"/instances/demo/{instance}/edit/"
        form = browser.get(path).text
        held: dict[str, Any] = {
            name: found[1]
            for name in ("seen", "auto_stop_hours")
            if (found := re.search(rf'name="{name}"[^>]*value="([^"]*)"', form))
        }
        page = browser.post(
            path,
            data=held | {"description": text, "auto_stop_enable": "on"},
            headers={"X-CSRFToken": browser.cookies["csrftoken"]},
        )
        assert page.url.path == f"/instances/demo/{instance}/"
        return instance

    def in_cloud(self, instance: str) -> str:
        found: str = self.cloud.get(f"instances/{instance}").json()["description"]
        return found

    def end(self) -> None:
        for pid in marked(self.mark):
            os.kill(pid, signal.SIGKILL)
        self.cloud.close()
        self.emulator.stop()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    desk.emulator.start()
    wait_until(lambda: (tmp_path / "clouds.yaml").exists())
    yield desk
    desk.end()


@pytest.mark.stack
@pytest.mark.timeout(900)
def test_nothing_is_lost_whatever_dies(desk: Desk) -> None:
    process = desk.serve()
    assert "Clouds: demo" in desk.text
    desk.manage(
        "adduser", "grace", "--role", "admin", "--password-stdin", typed=PASSWORD
    )
    with desk.browser() as browser:
        wait_until(lambda: "data-instance=" in browser.get("/instances/").text)
        for name in ("beat", "broker", "web"):
            before = desk.pid_of(name)
            os.kill(before, signal.SIGKILL)
            wait_until(lambda n=name, b=before: desk.pid_of(n) not in {0, b})
        wait_until(lambda: _answers(browser))
        os.kill(desk.pid_of("worker"), signal.SIGKILL)
        instance = desk.describe(browser, "while the worker was dead")
        wait_until(lambda: desk.in_cloud(instance) == "while the worker was dead")
        desk.describe(browser, "accepted, then everything died")
    # The process that could restart the others dies.
    process.kill()
    process.wait()
    process = desk.serve()
    wait_until(lambda: desk.in_cloud(instance) == "accepted, then everything died")
    with desk.browser() as browser:
        desk.describe(browser, "accepted, then Ctrl-C")
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=90) == 0
    assert not marked(desk.mark)
    assert "Traceback" not in desk.text
    _is_private(desk.data)
    process = desk.serve()
    wait_until(lambda: desk.in_cloud(instance) == "accepted, then Ctrl-C")
    process.terminate()
    assert process.wait(timeout=90) == 0
    assert not marked(desk.mark)


def _answers(browser: httpx.Client) -> bool:
    try:
        return browser.get("/healthz").text == "ok"
    except httpx.TransportError:
        return False


def _is_private(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


@pytest.mark.stack
@pytest.mark.timeout(600)
def test_new_settings_are_applied_without_a_pause(desk: Desk) -> None:
    files = DataDirectory(desk.data)
    files.create()
    migrated.put(files.database)
    process = desk.serve()
    settings = desk.data / "settings.env"
    with httpx.Client(
        base_url=f"http://127.0.0.1:{desk.port}",
        trust_env=False,
        timeout=60,
        headers={"Connection": "close"},
    ) as browser:
        # All processes have started, and so read the settings, before they change.
        wait_until(lambda: browser.get("/readyz").status_code == 200)
        settings.write_text("CURFEW_UPSTREAM_RATE=often\n")
        wait_until(lambda: "is not applied" in desk.text)
        assert "CURFEW_UPSTREAM_RATE is wrong" in desk.text
        before = {desk.pid_of(name) for name in ("beat", "worker")}
        settings.write_text("CURFEW_CLOUDS=other\n")

        def replaced() -> bool:
            assert browser.get("/healthz").text == "ok"
            now = {desk.pid_of(name) for name in ("beat", "worker")}
            return "has changed" in desk.text and 0 not in now and not now & before

        wait_until(replaced, every=0.05)
        # The workers look for the cloud that the file names now.
        wait_until(lambda: "other" in desk.log("worker"))
    assert "ended" not in desk.text
    process.terminate()
    assert process.wait(timeout=90) == 0


@pytest.mark.stack
def test_what_is_unsafe_is_refused_with_a_sentence(tmp_path: Path) -> None:
    """Others can reach it, and nothing in front encrypts."""
    ended = subprocess.run(
        [
            *(sys.executable, "manage.py", "serve", "--host", "::"),
            *("--port", str(free_port()), "--data-dir", str(tmp_path)),
        ],
        cwd=PROJECT,
        env={
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("CURFEW_", "DJANGO_", "OS_"))
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1
    assert "HTTPS is required, but no proxy is trusted" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    environment: dict[str, str] = {}
    monkeypatch.setattr(os, "environ", environment)
    monkeypatch.setattr(serve, "embedded", {})
    return environment


def test_every_part_is_embedded(environment: dict[str, str], tmp_path: Path) -> None:
    folder = tmp_path / "data"
    serve.prepare_environment(["--data-dir", str(folder), "--port", "8123"])
    config = Config.from_environment()
    assert config.data_dir == folder
    assert config.database_url == f"sqlite:///{folder}/database/curfew.sqlite3"
    assert config.site_url == "http://127.0.0.1:8123"
    assert not config.uses_https
    assert re.fullmatch(r"redis://:[\w-]{32}@127\.0\.0\.1:\d+/0", config.redis_url)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    key = folder / "secret_key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert config.secret_key.get_secret_value() == key.read_text().strip()


def test_the_secret_key_stays(environment: dict[str, str], tmp_path: Path) -> None:
    keys = set()
    for _ in range(2):
        environment.clear()
        serve.prepare_environment(["--data-dir", str(tmp_path)])
        keys.add(Config.from_environment().secret_key.get_secret_value())
    assert len(keys) == 1


@pytest.mark.parametrize("where", ["environment", "file"])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CURFEW_DATABASE_URL", "postgres://curfew:secret@db/curfew"),
        ("CURFEW_REDIS_URL", "redis://:secret@queue:6379/0"),
        ("CURFEW_SECRET_KEY", "a-key-of-ones-own-" * 4),
        ("CURFEW_ALLOWED_HOSTS", "curfew.example.org"),
    ],
)
def test_each_part_can_be_replaced(
    environment: dict[str, str], tmp_path: Path, where: str, name: str, value: str
) -> None:
    if where == "environment":
        environment[name] = value
    else:
        (tmp_path / "curfew.lock").touch()
        (tmp_path / "settings.env").write_text(f"{name}={value}\n")
    serve.prepare_environment(["--data-dir", str(tmp_path)])
    assert not {name, f"{name}_FILE"}.intersection(serve.embedded)
    field = name.removeprefix("CURFEW_").lower()
    held = getattr(Config.from_environment(), field)
    assert value in str(getattr(held, "get_secret_value", lambda: held)())


def test_a_secret_from_a_file_replaces_its_part(
    environment: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "url").write_text("redis://:secret@queue:6379/0")
    environment["CURFEW_REDIS_URL_FILE"] = str(tmp_path / "url")
    serve.prepare_environment(["--data-dir", str(tmp_path / "data")])
    assert Config.from_environment().redis_url == "redis://:secret@queue:6379/0"


def test_the_public_address_is_a_host_name_of_the_site(
    environment: dict[str, str], tmp_path: Path
) -> None:
    environment["CURFEW_URL"] = "https://curfew.example.org"
    serve.prepare_environment(["--data-dir", str(tmp_path)])
    config = Config.from_environment()
    assert config.allowed_hosts == ["localhost", "127.0.0.1", "curfew.example.org"]
    assert config.uses_https


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "10.1.2.3", *ANY_ADDRESS])
def test_settings_accept_every_address(
    environment: dict[str, str], tmp_path: Path, host: str
) -> None:
    environment["CURFEW_HTTPS"] = "false"
    serve.prepare_environment(["--data-dir", str(tmp_path), "--host", host])
    assert Config.from_environment().site_url.endswith(":8000")


@pytest.mark.parametrize("name", ["thesis.txt", DemoFiles.LOCK])
def test_a_folder_of_others_is_left_alone(
    environment: dict[str, str], tmp_path: Path, name: str
) -> None:
    (tmp_path / name).touch()
    tmp_path.chmod(0o755)
    with pytest.raises(SystemExit, match="holds other files"):
        serve.prepare_environment(["--data-dir", str(tmp_path)])
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755


def test_one_at_a_time(tmp_path: Path) -> None:
    files = DataDirectory(tmp_path)
    with (
        files.owned(),
        pytest.raises(StartError, match="already running"),
        DataDirectory(tmp_path).owned(),
    ):
        pass
    with files.owned():
        pass


def test_other_commands_adopt_the_environment(
    environment: dict[str, str], tmp_path: Path
) -> None:
    serve.prepare_environment(["--data-dir", str(tmp_path)])
    DataDirectory(tmp_path).write_generated(serve.embedded)
    expected = dict(serve.embedded)
    environment.clear()
    adopt(tmp_path)
    assert expected.items() <= environment.items()


def test_a_complete_environment_is_left_alone(
    environment: dict[str, str], tmp_path: Path
) -> None:
    DataDirectory(tmp_path).write_generated({"CURFEW_REDIS_URL": "redis://x"})
    environment["CURFEW_SECRET_KEY"] = "mine"
    adopt(tmp_path)
    assert "CURFEW_REDIS_URL" not in environment
