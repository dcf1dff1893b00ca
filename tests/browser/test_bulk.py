"""A bulk edit in a real browser, from the list to what the cloud holds."""

import re

import pytest
from playwright.sync_api import Browser, Dialog, expect

from dashboard.ops.demo import PASSWORD
from tests.ops.processes import wait_until

from .conftest import Demo, SignIn

pytestmark = [pytest.mark.browser, pytest.mark.stack, pytest.mark.timeout(300)]

OLD_API = "generation=demanager"
STOPPED_CPUS = f"/instances/?status=STOPPED&flavor_type=CPU&per_page=25&{OLD_API}"


def test_everything_that_matches(sign_in: SignIn, demo: Demo) -> None:
    page = sign_in("oskar")
    asked: list[str] = []

    def note(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.accept()

    page.on("dialog", note)
    page.goto(STOPPED_CPUS)
    names = page.locator("[data-row-link]").all_inner_texts()
    assert len(names) >= 3
    page.locator("#pick-page").check()
    page.get_by_role("button", name=re.compile("Edit all")).click()
    page.wait_for_url("**/bulk/*/")
    expect(page.get_by_role("heading", level=1)).to_contain_text(f"{len(names)}")
    page.get_by_label("same run time for all").check()
    page.get_by_label("in hours").fill("5.5")
    page.get_by_role("button", name="Preview").click()
    expect(page.locator("#preview-title")).to_contain_text("5 h 30 min")
    page.locator("#confirm-button").click()
    page.wait_for_url("**/batches/*/")
    assert asked == [], "what is sent is not left"
    loaded = page.evaluate("performance.timeOrigin")
    expect(page.locator("#outcome")).to_contain_text("Done.")
    expect(page.locator("[data-state=applied]")).to_have_count(len(names))
    assert page.evaluate("performance.timeOrigin") == loaded, "it came by itself"
    for name in names:
        held = demo.instance(name)["auto_stop"]
        assert (held["enable"], held["duration_seconds"]) == (True, 19_800)


def test_a_selection_lives_through_polls_filters_and_pages(
    sign_in: SignIn, demo: Demo
) -> None:
    page = sign_in("oskar")
    page.goto(f"/instances/?sort=name&per_page=25&{OLD_API}")
    first = page.locator("input[name=pick]").first
    first.check()
    expect(page.locator("#picked-count")).to_have_text("1 selected")
    name = page.locator("tr:has(:checked) [data-row-link]").inner_text()
    demo.force(name, description="Changed under the tick")
    row = page.locator("tr[data-instance]").filter(has_text="Changed under the tick")
    expect(row).to_be_visible()
    expect(row.locator("input[name=pick]")).to_be_checked()
    page.get_by_role("link", name="Page 2").click()
    page.wait_for_url("**page=2**")
    expect(page.locator("#picked-count")).to_have_text("1 selected (1 on other pages)")
    page.get_by_label("Select all on this page").check()
    here = page.locator("input[name=pick]:checked").count()
    page.get_by_role("button", name="Edit selected").click()
    page.wait_for_url("**/bulk/*/")
    expect(page.get_by_role("heading", level=1)).to_have_text(
        f"Change {here + 1} instances"
    )
    page.goto(f"/instances/?sort=name&per_page=25&{OLD_API}")
    expect(page.locator("#picked-count")).to_contain_text(f"{here + 1} selected")
    page.get_by_role("button", name="Clear selection").click()
    expect(page.locator("#picked-count")).to_have_text("")


def test_from_the_row_to_the_batch_by_keyboard(sign_in: SignIn) -> None:
    page = sign_in("oskar")
    page.keyboard.press("j")
    page.keyboard.press("x")
    expect(page.locator("#picked-count")).to_have_text("1 selected")
    page.keyboard.press("x")
    expect(page.locator("#picked-count")).to_have_text("")
    page.keyboard.press("b")
    expect(page.locator("#bulk-matching")).to_be_focused()
    page.keyboard.press("j")
    page.keyboard.press("x")
    # The bar is in view at the edge of the screen: nothing moves when it is reached.
    scrolled = page.evaluate("scrollY")
    page.keyboard.press("b")
    expect(page.locator("#bulk-picked")).to_be_focused()
    assert page.evaluate("scrollY") == scrolled
    page.keyboard.press("Enter")
    page.wait_for_url("**/bulk/*/")
    expect(page.get_by_role("heading", level=1)).to_have_text("Change 1 instance")


def test_five_rows_get_their_hours_by_seven_keys(sign_in: SignIn, demo: Demo) -> None:
    page = sign_in("oskar")
    page.goto(f"/instances/?sort=name&status=RUNNING&{OLD_API}")
    loaded = page.evaluate("performance.timeOrigin")
    for key in ("j", "Shift+J", "Shift+J", "Shift+J", "Shift+J"):
        page.keyboard.press(key)
    expect(page.locator("#picked-count")).to_have_text("5 selected")
    names = page.locator("tr:has(:checked) [data-row-link]").all_inner_texts()
    page.keyboard.press("8")
    expect(page.locator("#confirm-button")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#popover")).to_be_hidden()
    expect(page.locator("#picked-count")).to_have_text("")
    for name in names:
        row = page.locator("#rows tr").filter(has_text=name).first
        expect(row.locator("[data-row-edit] .clock-setting")).to_have_text("8 h")
        assert demo.instance(name)["auto_stop"]["duration_seconds"] == 8 * 3600
    assert page.evaluate("performance.timeOrigin") == loaded


def test_shift_and_a_click_select_what_is_between(sign_in: SignIn) -> None:
    page = sign_in("oskar")
    page.goto("/instances/?sort=name&per_page=50")
    ticks = page.locator("input[name=pick]")
    count = page.locator("#picked-count")
    ticks.nth(7).click()
    ticks.nth(2).click(modifiers=["Shift"])
    expect(count).to_have_text("6 selected")
    expect(page.locator("#rows :checked")).to_have_count(6)
    assert page.evaluate("getSelection().toString()") == ""
    # From the row that was clicked last, and to its new state.
    ticks.nth(4).click(modifiers=["Shift"])
    expect(count).to_have_text("3 selected")
    for number in (5, 6, 7):
        expect(ticks.nth(number)).to_be_checked()


def test_what_breaks_a_rule_is_put_right(sign_in: SignIn, demo: Demo) -> None:
    page = sign_in("oskar")
    page.goto("/policies/compliance/")
    page.get_by_role("button", name=re.compile("Fix .* GPUs need")).click()
    page.wait_for_url("**/bulk/*/")
    names = page.locator(".names").first.get_by_role("link").all_inner_texts()
    assert names
    page.locator("#confirm-button").click()
    expect(page.locator("#outcome")).to_contain_text("Done")
    assert all(demo.instance(name)["auto_stop"]["enable"] for name in names)


def test_without_javascript(demo: Demo, browser: Browser) -> None:
    context = browser.new_context(base_url=demo.url, java_script_enabled=False)
    try:
        page = context.new_page()
        page.goto("/accounts/login/")
        page.locator("[name=login]").fill("oskar")
        page.locator("[name=password]").fill(PASSWORD)
        page.keyboard.press("Enter")
        page.wait_for_url("**/instances/")
        page.goto(f"/instances/?status=STOPPED&flavor_type=GPU&{OLD_API}")
        ticks = page.locator("input[name=pick]")
        for number in range(2):
            ticks.nth(number).check()
        names = page.locator("tr:has(:checked) [data-row-link]").all_inner_texts()
        page.get_by_role("button", name="Edit selected").click()
        page.get_by_label("same run time for all").check()
        page.get_by_label("in hours").fill("3")
        page.get_by_role("button", name="Preview").click()
        page.locator("#confirm-button").click()
        page.wait_for_url("**/batches/*/")

        def done() -> bool:
            page.reload()
            return "Done." in page.locator("#outcome").inner_text()

        wait_until(done, seconds=60)
        for name in names:
            assert demo.instance(name)["auto_stop"]["duration_seconds"] == 3 * 3600
    finally:
        context.close()
