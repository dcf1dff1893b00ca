"""The one cookie that a script writes is as closed as the server's."""

import pytest
from playwright.sync_api import Browser, Route

from tests.guards import ROOT

pytestmark = pytest.mark.browser

SCRIPT = (ROOT / "static" / "time.js").read_text()


@pytest.mark.parametrize(
    ("origin", "name", "secure"),
    [
        ("https://curfew.example.org", "__Host-curfew_tz", True),
        ("http://localhost", "curfew_tz", False),
    ],
)
def test_the_zone_s_cookie(
    browser: Browser, origin: str, name: str, secure: bool
) -> None:
    def answer(route: Route) -> None:
        if route.request.url.endswith(".js"):
            route.fulfill(content_type="text/javascript", body=SCRIPT)
        else:
            page = '<!DOCTYPE html><title>x</title><script src="/time.js"></script>'
            route.fulfill(content_type="text/html", body=page)

    context = browser.new_context(timezone_id="Europe/Berlin")
    context.route("**/*", answer)
    page = context.new_page()
    page.goto(f"{origin}/any/where/")
    (cookie,) = context.cookies()
    context.close()
    assert (cookie["name"], cookie["value"]) == (name, "Europe/Berlin")
    assert (cookie["secure"], cookie["sameSite"]) == (secure, "Lax")
    assert (cookie["path"], cookie["domain"]) == ("/", origin.partition("//")[2])
