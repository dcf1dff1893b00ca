"""axe finds nothing on any page, light or dark, wide or narrow."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from .conftest import Demo, SignIn

pytestmark = [pytest.mark.browser, pytest.mark.stack, pytest.mark.timeout(300)]

RULES = {
    "runOnly": {
        "type": "tag",
        "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"],
    }
}


def paths(page: Page) -> list[str]:
    """Every page there is, on an instance that can be edited and stopped."""
    page.goto("/instances/?status=RUNNING&sort=-stops_in")
    link = page.locator("tr[data-instance] [data-row-link]").first
    instance = link.get_attribute("href") or ""
    page.goto("/edits/")
    receipts = page.locator("[data-edit] a")
    receipt = [receipts.first.get_attribute("href") or ""] if receipts.count() else []
    page.goto("/people/")
    person = page.locator("[data-row-link]").first.get_attribute("href") or ""
    return [
        "/people/",
        "/people/add/",
        person,
        "/accounts/2fa/",
        "/accounts/sessions/",
        "/accounts/password/change/",
        "/accounts/reauthenticate/",
        "/instances/",
        "/instances/?q=nothing-is-called-this",
        instance,
        f"{instance}edit/",
        f"{instance}stop/",
        "/batches/",
        "/policies/",
        "/policies/1/",
        "/policies/new/",
        "/policies/1/exceptions/1/",
        "/policies/compliance/",
        "/policies/exceptions/",
        "/edits/",
        *receipt,
    ]


@pytest.mark.parametrize("width", [1440, 768, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_violation(sign_in: SignIn, demo: Demo, scheme: str, width: int) -> None:
    page = sign_in("ada")
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    page.set_viewport_size({"width": width, "height": 900})
    for path in paths(page):
        page.goto(path)
        result = Axe().run(page, options=RULES)
        assert result.violations_count == 0, f"{path}\n{result.generate_report()}"
        # Nothing is wider than the screen (WCAG 1.4.10, reflow).
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path


def test_no_violation_at_home(sign_in: SignIn, demo: Demo) -> None:
    page = sign_in("li")
    page.goto("/?mine=1")
    result = Axe().run(page, options=RULES)
    assert result.violations_count == 0, result.generate_report()


def test_no_violation_on_the_sign_in(page: Page, demo: Demo) -> None:
    page.goto("/accounts/login/")
    result = Axe().run(page, options=RULES)
    assert result.violations_count == 0, result.generate_report()
