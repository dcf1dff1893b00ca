"""A whole demo of its own, and a real Chromium in front of it."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from playwright.sync_api import BrowserContext, Page, expect

from dashboard.ops.demo import PASSWORD
from dashboard.ops.demo_files import DemoFiles
from dashboard.ops.managed_process import PROJECT
from dashboard.ops.ports import free_port
from tests.ops.processes import wait_until

# Far beyond what is usual: it costs nothing, and a busy machine is no fault of a page.
FAR_BEYOND_MS = 60_000
expect.set_options(timeout=FAR_BEYOND_MS)

A_DAY = 24 * 3_600.0


class Demo:
    """``manage.py demo`` in processes of its own, and the controls of its cloud."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        self.url = f"http://127.0.0.1:{free_port()}"
        self.output = folder.parent / "demo.out"
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("CURFEW_", "DJANGO_", "OS_"))
        }
        with self.output.open("w") as output:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "manage.py", "demo"),
                    *("--port", self.url.rpartition(":")[2]),
                    *("--data-dir", str(folder)),
                    *options,
                ],
                cwd=PROJECT,
                env=inherited,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def wait_until_ready(self) -> None:
        def ready() -> bool:
            assert self.process.poll() is None, self.output.read_text()
            return "Curfew is ready" in self.output.read_text()

        wait_until(ready, seconds=120)
        described = yaml.safe_load((self.folder / "clouds.yaml").read_text())
        auth_url: str = described["clouds"]["demo"]["auth"]["auth_url"]
        self.cloud = httpx.Client(
            base_url=auth_url.removesuffix("/v3") + "/_emulator", trust_env=False
        )

    def instance(self, name: str) -> dict[str, Any]:
        """The emulator's own idea of the instance with this name."""
        answer = self.cloud.get("/instances").raise_for_status()
        found: dict[str, Any] = next(
            one for one in answer.json() if one["name"] == name
        )
        return found

    def force(self, name: str, **state: Any) -> None:
        """Put an instance of the cloud into some state; no run ends unless told to."""
        if "stops_in_seconds" in state:
            state = {"late_seconds": A_DAY} | state
        path = f"/instances/{self.instance(name)['id']}"
        self.cloud.post(path, json=state).raise_for_status()

    def hold_still(self) -> None:
        """Let nothing in the cloud change by itself: only tests change it.

        A run whose time is up stays due until a test stops it, and what is under way
        stays so.
        """
        answer = self.cloud.get("/instances").raise_for_status()
        now_ms = self.cloud.get("/clock").raise_for_status().json()["now_ms"]
        for one in answer.json():
            if not one["plan"]:
                continue
            state: dict[str, Any] = {"status": one["status"]}
            if one["stops_at_ms"] is not None:
                left = max(0.0, (one["stops_at_ms"] - now_ms) / 1000)
                state = {"stops_in_seconds": left, "late_seconds": A_DAY}
            path = f"/instances/{one['id']}"
            self.cloud.post(path, json=state).raise_for_status()

    def add_person(self, name: str, role: str, password: str) -> None:
        """An account for a test that changes how somebody signs in."""
        options = ["--role", role, "--password-stdin"]
        self.manage("adduser", name, *options, typed=password)

    def manage(self, *arguments: str, typed: str = "") -> None:
        """Run a management command on the demo's database."""
        subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=PROJECT,
            env=os.environ
            | {
                "CURFEW_DATABASE_URL": f"sqlite:///{DemoFiles(self.folder).database}",
                "DJANGO_SETTINGS_MODULE": "dashboard.settings",
            },
            input=typed,
            text=True,
            check=True,
            capture_output=True,
        )

    def signal_web(self, number: signal.Signals) -> None:
        """Freeze or thaw the web server, all processes of it."""
        pid = int((self.folder / "pids" / "web.pid").read_text().split()[0])
        os.killpg(os.getpgid(pid), number)

    def end(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self.process.kill()
        self.cloud.close()


@pytest.fixture(scope="package")
def demo(
    tmp_path_factory: pytest.TempPathFactory, browser_type_launch_args: dict[str, Any]
) -> Iterator[Demo]:
    """One demo for all tests of this folder, whose cloud holds still.

    It ends with them: idle, it takes a twentieth of a core.

    Each test that changes an instance has one of its own. Without a browser there is no
    need of a demo.
    """
    # Sixty instances of the old API, which tests name, and thirty notebooks.
    options = ("--fleet", "90", "--notebooks", "33")
    demo = Demo(tmp_path_factory.mktemp("browser") / "demo", *options)
    try:
        demo.wait_until_ready()
        demo.hold_still()
        yield demo
    finally:
        demo.end()


@pytest.fixture(scope="package")
def browser_context_args(demo: Demo) -> dict[str, Any]:
    """Where paths start, and a zone that is not the server's."""
    return {
        "base_url": demo.url,
        "timezone_id": "Europe/Berlin",
        "locale": "en-GB",
        "viewport": {"width": 1280, "height": 900},
    }


@pytest.fixture
def context(context: BrowserContext) -> BrowserContext:
    """A browser that is as patient as the expectations."""
    context.set_default_timeout(FAR_BEYOND_MS)
    return context


@pytest.fixture
def complaints(context: BrowserContext) -> Iterator[list[str]]:
    """Errors of scripts and violations of the policy; none may be left."""
    found: list[str] = []
    context.on("weberror", lambda error: found.append(str(error.error)))
    context.on(
        "console",
        lambda message: (
            found.append(message.text)
            if message.type == "error" and "Failed to load" not in message.text
            else None
        ),
    )
    yield found
    assert found == []


SignIn = Callable[..., Page]


@pytest.fixture
def sign_in(page: Page, complaints: list[str]) -> SignIn:
    """Sign somebody in through the form; ends on the list."""

    def signed_in(name: str, password: str = PASSWORD) -> Page:
        page.goto("/instances/")
        page.get_by_label("Username").or_(page.locator("[name=login]")).first.fill(name)
        page.locator("[name=password]").fill(password)
        page.keyboard.press("Enter")
        page.wait_for_url("/instances/")
        return page

    return signed_in
