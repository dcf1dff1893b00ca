"""The first start: from `serve` on an empty folder to the own fleet, in Chromium."""

import os
import re
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from dashboard.emulator import Emulator
from dashboard.ops.ports import free_port
from dashboard.paths import MANAGE, ROOT
from tests.browser.conftest import FAR_BEYOND_MS
from tests.browser.test_accessibility import RULES
from tests.ops.processes import wait_until

pytestmark = [pytest.mark.browser, pytest.mark.stack, pytest.mark.timeout(300)]

PASSWORD = "seven wet umbrellas"
LINK = re.compile(r"http://\S+/setup/\S+/")


class Site:
    """``manage.py serve`` for a person who has no clouds.yaml."""

    def __init__(self, folder: Path) -> None:
        self.data_dir = folder / "data"
        self.output = folder / "serve.out"
        self.home = folder / "home"
        self.home.mkdir()
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("CURFEW_", "DJANGO_", "OS_"))
        }
        port = ("--port", str(free_port()))
        with self.output.open("w") as output:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, *MANAGE, "serve", *port),
                    *("--data-dir", str(self.data_dir)),
                ],
                cwd=ROOT,
                env=inherited | {"HOME": str(self.home)},
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def link(self) -> str:
        """The setup link on the console, once everything runs."""

        def printed() -> bool:
            assert self.process.poll() is None, self.output.read_text()
            return "Press Ctrl-C" in self.output.read_text()

        wait_until(printed, seconds=120)
        found = LINK.search(self.output.read_text())
        assert found, self.output.read_text()
        return found[0]

    def end(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self.process.kill()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    yield site
    site.end()


def check(page: Page) -> None:
    """Look for what hinders people, at both widths."""
    for width in (1440, 390):
        page.set_viewport_size({"width": width, "height": 900})
        found = Axe().run(page, options=RULES)
        assert found.violations_count == 0, found.generate_report()
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= width, f"{page.url} scrolls sideways at {width}"


def test_from_an_empty_folder_to_the_own_fleet(site: Site, page: Page) -> None:
    with Emulator(fleet=12, seed=1) as cloud:
        entry = yaml.safe_load(cloud.clouds_yaml("x"))["clouds"]["x"]
        link = site.link()
        page.set_default_timeout(FAR_BEYOND_MS)
        page.goto(link)
        check(page)
        page.get_by_label("Username").fill("grace")
        page.get_by_label("Password", exact=True).fill(PASSWORD)
        page.get_by_label("Confirm password").fill("another")
        page.get_by_role("button", name="Create account").click()
        expect(page.get_by_text("The two passwords differ.")).to_be_visible()
        page.get_by_label("Password", exact=True).fill(PASSWORD)
        page.get_by_label("Confirm password").fill(PASSWORD)
        page.get_by_role("button", name="Create account").click()
        page.wait_for_url("**/setup/clouds/")
        check(page)
        page.get_by_role("link", name="Enter a cloud").click()
        check(page)
        page.get_by_label("Name of the cloud").fill("lab")
        page.get_by_label("Address of IAM").fill(entry["auth"]["auth_url"])
        page.get_by_label("Region").fill("eu-de")
        page.get_by_label("Project ID").fill(cloud.project_id)
        expect(page.get_by_label("Secret key")).to_be_hidden()
        page.get_by_label("User", exact=True).fill(entry["auth"]["username"])
        page.get_by_label("Domain").fill(entry["auth"]["user_domain_name"])
        page.get_by_label("Password", exact=True).fill("wrong")
        page.get_by_role("button", name="Test and save").click()
        expect(page.get_by_text("The cloud was not saved.")).to_be_visible()
        expect(page.locator("#outcome")).to_contain_text("refuses the sign-in")
        check(page)
        page.get_by_role("link", name="Correct and test again").click()
        page.get_by_label("Password", exact=True).fill(entry["auth"]["password"])
        page.get_by_role("button", name="Test and save").click()
        expect(page.get_by_text("Curfew is set up.")).to_be_visible()
        check(page)
        for name in ("clouds.yaml", "secure.yaml"):
            mode = (site.data_dir / name).stat().st_mode
            assert stat.S_IMODE(mode) == 0o600, name
        page.goto(f"{link.partition('/setup/')[0]}/setup/clouds/")
        expect(page.locator("[data-answer=good]")).to_contain_text("12 instances")
        check(page)
        page.get_by_role("button", name="Use these clouds").click()
        expect(page.get_by_text("Curfew is set up.")).to_be_visible()
        page.get_by_role("link", name="Go to instances").click()
        expect(page.locator("tr[data-instance]").first).to_be_visible()
        page.goto(link)
        expect(page.get_by_text("This setup link no longer works")).to_be_visible()
        check(page)
    secret = entry["auth"]["password"]
    holding = [
        path.name
        for path in site.data_dir.rglob("*")
        if path.is_file() and secret.encode() in path.read_bytes()
    ]
    assert holding == ["secure.yaml"], "neither logs, database nor broker have it"
    token = link.rstrip("/").rpartition("/")[2]
    logs = "".join(
        path.read_text(errors="replace") for path in site.data_dir.glob("logs/*")
    )
    assert token not in logs
