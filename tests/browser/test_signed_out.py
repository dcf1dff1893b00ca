"""Who sits down at the screen after somebody finds nothing of theirs."""

import pytest
from playwright.sync_api import expect

from .conftest import SignIn

pytestmark = [pytest.mark.browser, pytest.mark.stack, pytest.mark.timeout(120)]


def test_back_shows_nothing(sign_in: SignIn) -> None:
    page = sign_in("vera")
    link = page.locator("[data-row-link]").first
    name = link.inner_text()
    assert name
    page.goto(link.get_attribute("href") or "")
    expect(page.get_by_role("heading", name=name)).to_be_visible()
    with page.expect_response("**/accounts/logout/") as told:
        page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    assert told.value.all_headers()["clear-site-data"] == '"cache", "storage"'
    for _ in range(2):
        page.go_back()
        expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
        assert name not in page.content()
    kept = "() => [...Object.values(localStorage), ...Object.values(sessionStorage)]"
    assert name not in str(page.evaluate(kept))
