"""The distribution of the server: installed outside the checkout, it runs the demo."""

import re
import signal
import uuid
import zipfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from dashboard.ops import demo
from dashboard.ops.ports import free_port
from dashboard.paths import ROOT
from dashboard.version import VERSION
from tests.packages import Environment, build

from .processes import answers, marked, wait_until

MOVED = ("templates", "static", "locale")
LEFT_OUT = {".pyc", ".po"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(ROOT, tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    return Environment(wheel, tmp_path_factory.mktemp("installed"))


def files(folder: str) -> Iterator[str]:
    for path in (ROOT / folder).rglob("*"):
        if path.is_file() and path.suffix not in LEFT_OUT:
            yield str(path.relative_to(ROOT))


def test_it_contains_what_the_site_reads_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    packed = {name for name in names if not name.startswith(f"curfew-{VERSION}")}
    assert packed == {
        *files("dashboard"),
        *(f"dashboard/_files/{name}" for folder in MOVED for name in files(folder)),
        "dashboard/_files/CHANGELOG.md",
    }
    assert f"curfew-{VERSION}.dist-info/licenses/LICENSE" in names


def test_the_client_starts_without_the_server(installed: Environment) -> None:
    code, printed = installed.run("curfew", "--help")
    assert code == 0
    for command in ("list", "extend", "doctor", "demo", "serve", "manage"):
        assert re.search(rf"^ +{command} ", printed, re.MULTILINE), command
    ask = (
        "import sys; sys.argv[1:] = ['--version']\n"
        "import dashboard.console as console\n"
        "try: console.main()\n"
        "finally: print('django' in sys.modules)"
    )
    assert installed.run("python", "-c", ask) == (0, f"{VERSION}\nFalse\n")


def test_management_commands_are_named_as_one_types_them(
    installed: Environment,
) -> None:
    code, printed = installed.run("curfew", "manage", "demo", "--help")
    assert (code, printed.startswith("usage: curfew manage demo ")) == (0, True)
    code, printed = installed.run("curfew", "manage", "check")
    assert (code, "CURFEW_SECRET_KEY" in printed) == (1, True)


@pytest.mark.stack
@pytest.mark.timeout(600)
def test_the_demo_runs(installed: Environment) -> None:
    mark = uuid.uuid4().hex
    url = f"http://127.0.0.1:{(port := free_port())}"
    running = installed.start(
        *("curfew", "demo", "--port", str(port), "--fleet", "7"), env={"MARK": mark}
    )
    try:
        wait_until(
            lambda: answers(f"{url}/healthz") or running.poll() is not None,
            seconds=300,
        )
        token = sign_in_for_a_token(url)
        shell = {"CURFEW_URL": url, "CURFEW_TOKEN": token}
        wait_until(
            lambda: installed.run("curfew", "list", env=shell)[1].count("\n") == 1 + 7,
            seconds=300,
            every=1,
        )
        code, printed = installed.run("curfew", "doctor", env=shell)
        assert (code, f"version {VERSION}" in printed) == (0, True), printed
    finally:
        running.send_signal(signal.SIGINT)
        printed, _ = running.communicate(timeout=60)
    assert running.returncode == 0, printed
    assert not marked(mark)
    # All it wrote is the person's own.
    var = installed.home / ".local" / "share" / "curfew" / "var"
    assert {entry.name for entry in var.iterdir()} >= {"demo", "static"}
    assert [entry.name for entry in installed.home.iterdir()] == [".local"]


def sign_in_for_a_token(url: str) -> str:
    """Sign in, look at templates, styles and translations, and create a token."""
    with httpx.Client(
        base_url=url, follow_redirects=True, trust_env=False, timeout=60
    ) as browser:

        def send(address: str, **fields: str | list[str]) -> httpx.Response:
            page = browser.get(address)
            found = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.text)
            assert found
            data = fields | {"csrfmiddlewaretoken": found[1]}
            return browser.post(address, data=data).raise_for_status()

        german = browser.get("/accounts/login/", headers={"Accept-Language": "de"})
        assert "Anmelden" in german.text
        style = re.search(r'href="(/static/[^"]+\.css)"', german.text)
        assert style
        assert "--" in browser.get(style[1]).raise_for_status().text
        send("/accounts/login/", login="ada", password=demo.PASSWORD)
        send("/accounts/reauthenticate/", password=demo.PASSWORD)
        made = send("/accounts/tokens/", name="shell", scopes=["read"], days="1")
        token = re.search(r"curfew_\w+", made.text)
        assert token
        return token[0]
