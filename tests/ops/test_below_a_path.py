"""The site below a path of a host, behind each documented proxy and in a browser."""

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, Response, expect

from dashboard.livepoll import token
from dashboard.ops.ports import free_port

from .processes import wait_until
from .serving import PROXIES, Serving, behind

pytestmark = pytest.mark.stack

PREFIX = "/curfew"


@pytest.fixture(scope="module")
def proxy_port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def site(
    tmp_path_factory: pytest.TempPathFactory, proxy_port: int
) -> Iterator[Serving]:
    with Serving(
        tmp_path_factory.mktemp("serving"),
        CURFEW_URL=f"http://127.0.0.1:{proxy_port}{PREFIX}",
        # The documented proxies listen on the port that no address has to name.
        CURFEW_CSRF_TRUSTED_ORIGINS=f"http://127.0.0.1:{proxy_port}",
        CURFEW_TRUSTED_PROXIES="1",
        CURFEW_HTTPS="false",
    ) as serving:
        serving.prepare(instances=3)
        serving.ask("add_person", name="oskar", role="operator")
        yield serving


@pytest.mark.parametrize("proxy", PROXIES)
def test_behind_a_proxy(
    site: Serving, proxy_port: int, tmp_path: Path, proxy: str
) -> None:
    with (
        behind(proxy, site.port, tmp_path / "proxy", own=proxy_port, prefix=PREFIX),
        httpx.Client(
            base_url=f"http://127.0.0.1:{proxy_port}", trust_env=False, timeout=60
        ) as web,
    ):
        sent_away = web.get(f"{PREFIX}/instances/")
        assert sent_away.headers["Location"] == (
            f"{PREFIX}/accounts/login/?next={PREFIX}/instances/"
        )
        page = web.get(f"{PREFIX}/instances/", headers={"Cookie": site.session})
        assert page.status_code == 200
        sheet = re.search(r'href="([^"]+dashboard[^"]*\.css)"', page.text)
        assert sheet
        assert sheet[1].startswith(f"{PREFIX}/static/")
        assert web.get(sheet[1]).headers["Content-Type"].startswith("text/css")
        # Whether typed without the slash or of another application.
        assert web.get(PREFIX).status_code in {301, 302}
        assert web.get("/instances/").status_code in {200, 404, 503}
        assert "Curfew" not in web.get("/instances/").text


def test_a_poll_that_django_does_not_see(site: Serving) -> None:
    with httpx.Client(
        base_url=f"http://127.0.0.1:{site.port}",
        headers={"Cookie": site.session},
        trust_env=False,
        timeout=60,
    ) as web:
        page = web.get(f"{PREFIX}/instances/").text
        polled = re.search(r'hx-get="([^"]+/changes[^"]*)"', page)
        held = re.search(rf'"{token.HEADER}": ?"([^"]+)"', unescape(page))
        assert polled
        assert held
        url = unescape(polled[1])
        assert url.startswith(f"{PREFIX}/instances/changes?")
        poll = {"HX-Request": "true", token.HEADER: held[1]}
        assert web.get(url, headers=poll).status_code == 204

        def is_short() -> bool:
            answer = web.get(url, headers=poll)
            assert answer.status_code == 204
            return "Content-Security-Policy" not in answer.headers  # Django's have it

        # What the first published is read within a quarter of a second.
        wait_until(is_short)


def test_health_checks_ask_past_the_proxy(site: Serving) -> None:
    for path in ("/healthz", f"{PREFIX}/healthz"):
        answer = httpx.get(f"http://127.0.0.1:{site.port}{path}", trust_env=False)
        assert answer.text.strip() == "ok"


@pytest.mark.browser
def test_in_a_browser(
    site: Serving, proxy_port: int, tmp_path: Path, browser: Browser
) -> None:
    home = f"http://127.0.0.1:{proxy_port}"
    seen: list[tuple[str, int]] = []

    def note(response: Response) -> None:
        seen.append((urlsplit(response.url).path, response.status))

    with (
        behind("nginx", site.port, tmp_path / "proxy", own=proxy_port, prefix=PREFIX),
        browser.new_context(base_url=home) as context,
    ):
        context.set_default_timeout(60_000)
        context.on("response", note)
        errors: list[str] = []
        context.on("weberror", lambda error: errors.append(str(error.error)))
        page = context.new_page()
        page.goto(f"{PREFIX}/")
        page.locator("[name=login]").fill("oskar")
        page.locator("[name=password]").fill("correct horse")
        page.keyboard.press("Enter")
        page.wait_for_url(f"{PREFIX}/instances/")
        cookies = {each["name"]: each["path"] for each in context.cookies()}
        assert cookies["sessionid"] == cookies["csrftoken"] == PREFIX
        with page.expect_response("**/instances/changes?*") as poll:
            pass
        assert poll.value.status in {200, 204}
        own_page = page.locator("[data-instance] a").first.get_attribute("href")
        assert own_page
        page.goto(own_page)
        page.goto(f"{own_page}edit/")
        page.get_by_label("Description").fill("Below a path")
        page.get_by_role("button", name="Save").click()
        expect(page.locator("[data-edit]").first).to_be_visible(timeout=60_000)
        page.goto(f"{PREFIX}/edits/")
        change = page.locator("[data-edit] a").first.get_attribute("href")
        assert change
        page.goto(change)
        page.locator("a.brand").click()
        page.wait_for_url(f"{PREFIX}/instances/")
        page.goto(f"{PREFIX}/accounts/logout/")
        page.locator("main").get_by_role("button").click()
        page.wait_for_url(f"{PREFIX}/accounts/login/")
    strays = [path for path, _ in seen if not path.startswith(f"{PREFIX}/")]
    assert strays == []
    assert [path for path, status in seen if status >= 400] == []
    assert any(path.startswith(f"{PREFIX}/static/") for path, _ in seen)
    assert errors == []
