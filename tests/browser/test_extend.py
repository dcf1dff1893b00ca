"""Extending a run in a real browser, from its row until its countdown has moved."""

import re

import pytest
from playwright.sync_api import expect

from .conftest import SignIn
from .test_main_job import row_of

pytestmark = [pytest.mark.browser, pytest.mark.stack, pytest.mark.timeout(300)]

NAME = "weekend-sweep"
HOUR_MS = 3_600_000


def test_from_the_row_until_the_countdown_has_moved(sign_in: SignIn) -> None:
    page = sign_in("ada")
    page.goto(f"/instances/?q={NAME}")
    row = row_of(page, NAME)
    clock = row.locator("[data-stops-at]")
    before_ms = int(clock.get_attribute("data-stops-at") or 0)
    row.get_by_role("link", name="Extend").focus()
    page.keyboard.press("+")
    page.get_by_role("link", name="Another end").click()
    page.wait_for_url("**/extend/")
    # What the slider would do is written beside it.
    slider = page.get_by_role("slider", name="Hours from now")
    slider.focus()
    page.keyboard.press("End")
    most = slider.get_attribute("max") or ""
    expect(page.locator("#id_hours")).to_have_value(most)
    expect(page.locator("#hours-end time")).to_have_text(re.compile(r"\d\d:\d\d"))
    page.get_by_role("button", name="+2 h").click()
    page.wait_for_url(f"**/instances/?q={NAME}")
    expect(page.locator(".messages [data-state=applied]")).to_be_visible()
    expect(row.locator("[data-edit][data-state=applied]")).to_be_visible()

    def later_ms() -> int:
        return int(clock.get_attribute("data-stops-at") or 0) - before_ms

    # The cloud counts from the moment at which it gets the request.
    assert 2 * HOUR_MS - 5_000 <= later_ms() <= 2 * HOUR_MS + 120_000
