"""The report of costs in a real browser."""

import re

import pytest
from playwright.sync_api import expect

from .conftest import SignIn

pytestmark = [pytest.mark.browser, pytest.mark.stack, pytest.mark.timeout(300)]


def test_the_trend_is_one_tab_stop_and_says_its_values(sign_in: SignIn) -> None:
    page = sign_in("vera")
    page.goto("/costs/?period=last_month&measure=hours")
    bars = page.locator("#trend [data-walk]")
    detail = page.locator("#trend [data-detail]")
    assert bars.count() > 27
    bars.first.focus()
    expect(detail).to_have_text(bars.first.get_attribute("aria-label") or "")
    page.keyboard.press("ArrowRight")
    expect(bars.nth(1)).to_be_focused()
    page.keyboard.press("End")
    expect(bars.last).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(bars.last).to_be_focused()
    # Where one left is where one comes back to.
    page.keyboard.press("Tab")
    page.keyboard.press("Shift+Tab")
    expect(bars.last).to_be_focused()
    bars.nth(2).hover()
    expect(detail).to_have_text(bars.nth(2).get_attribute("aria-label") or "")
    bars.nth(2).focus()
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/costs/runs/.*since=\d{4}-\d\d-03"))


def test_only_a_custom_range_asks_for_days(sign_in: SignIn) -> None:
    page = sign_in("vera")
    page.goto("/costs/")
    expect(page.get_by_label("From")).to_be_hidden()
    page.get_by_label("Period").select_option("custom")
    page.get_by_label("From").fill("2026-02-02")
    page.get_by_label("Until").fill("2026-02-01")
    page.get_by_role("button", name="Show").click()
    expect(page.locator("main")).to_contain_text("Must not be before the first day.")
    expect(page.get_by_label("From")).to_have_value("2026-02-02")


def test_what_is_printed_is_black_on_white(sign_in: SignIn) -> None:
    page = sign_in("vera")
    page.goto("/costs/")
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    page.emulate_media(media="print")
    expect(page.get_by_role("navigation", name="Main")).to_be_hidden()
    expect(page.locator("#filters")).to_be_hidden()
    color, background = page.evaluate(
        """() => ["color", "backgroundColor"].map(
            (name) => getComputedStyle(document.querySelector(".costs-table td"))[name]
        )"""
    )
    head = page.locator(".costs-table thead").first
    expect(head).to_have_css("display", "table-header-group")
    assert (color, background) == ("rgb(0, 0, 0)", "rgba(0, 0, 0, 0)")
