"""Stopping soon, saved views and export in a real browser."""

import csv
import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from .conftest import Demo, SignIn

pytestmark = [pytest.mark.browser, pytest.mark.stack, pytest.mark.timeout(300)]


def card_of(page: Page, lane: str, name: str):  # type: ignore[no-untyped-def]
    return page.locator(f"#lane-{lane} li[data-instance]").filter(
        has=page.get_by_role("link", name=name, exact=True)
    )


def test_a_run_moves_from_lane_to_lane_until_it_is_gone(
    sign_in: SignIn, demo: Demo
) -> None:
    near, due = "speech-baseline", "prévision-été"
    page = sign_in("vera")
    page.goto("/due/")
    loaded = page.evaluate("performance.timeOrigin")
    demo.force(near, status="RUNNING", stops_in_seconds=30 * 60)
    demo.force(due, status="RUNNING", stops_in_seconds=10 * 60)
    expect(card_of(page, "hour", near)).to_be_visible()
    expect(card_of(page, "quarter", due)).to_be_visible()
    demo.force(near, stops_in_seconds=15 * 60 + 30)
    demo.force(due, stops_in_seconds=30)
    # From here on nobody changes anything: only time passes.
    expect(card_of(page, "quarter", near)).to_be_visible()
    # The cloud is late: at first that is a stop that takes its time.
    expect(card_of(page, "now", due)).to_contain_text("stopping…")
    demo.force(due, stops_in_seconds=-600)
    expect(card_of(page, "now", due)).to_contain_text("overdue")
    demo.force(due, stops_in_seconds=0, late_seconds=0)
    expect(page.locator(f"#lanes li[data-instance]:has-text('{due}')")).to_have_count(0)
    assert page.evaluate("performance.timeOrigin") == loaded


def test_the_timeline_is_one_tab_stop_and_the_arrows_walk(sign_in: SignIn) -> None:
    page = sign_in("vera")
    # Few enough for a bar each.
    page.goto("/due/?flavor_type=GPU")
    bars = page.locator("#timeline [data-walk]")
    assert bars.count() > 3
    assert page.locator("#timeline [data-walk][tabindex='-1']").count() == (
        bars.count() - 1
    )
    detail = page.locator("#timeline [data-detail]")
    bars.first.focus()
    expect(detail).to_have_text(bars.first.get_attribute("aria-label") or "")
    page.keyboard.press("ArrowDown")
    expect(bars.nth(1)).to_be_focused()
    expect(detail).to_have_text(bars.nth(1).get_attribute("aria-label") or "")
    page.keyboard.press("End")
    expect(bars.last).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(bars.last).to_be_focused()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    # Where one left is where one comes back to.
    page.keyboard.press("Tab")
    page.keyboard.press("Shift+Tab")
    expect(bars.nth(1)).to_be_focused()
    bars.nth(2).hover()
    expect(detail).to_have_text(bars.nth(2).get_attribute("aria-label") or "")
    bars.nth(1).focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/instances/demo/**")


def test_focus_survives_a_redrawn_timeline(sign_in: SignIn, demo: Demo) -> None:
    name = "night-shift"
    page = sign_in("vera")
    page.goto("/due/?owner=zo%C3%AB.van.dijk")
    bar = page.locator("#timeline [data-walk]").filter(has_text=name)
    bar.focus()
    label = bar.get_attribute("aria-label") or ""
    demo.force(name, stops_in_seconds=6 * 3_600)
    expect(bar).not_to_have_attribute("aria-label", label)
    expect(bar).to_be_focused()


def test_groups_and_filters_stay_in_the_address(sign_in: SignIn) -> None:
    page = sign_in("oskar")
    page.goto("/due/")
    page.locator("#filter-menu > summary").click()
    page.get_by_label("anna.schmidt", exact=True).check()
    page.wait_for_url("**owner=anna.schmidt**")
    expect(page.locator("#announcer")).to_have_text(re.compile(r"^\d+ instances?$"))
    # The menu stays open for another choice, over what is below it.
    page.keyboard.press("Escape")
    expect(page.locator("#filter-menu")).not_to_have_attribute("open", "")
    # Also after a click on its words, and with a click elsewhere.
    for close in (lambda: page.keyboard.press("Escape"), page.locator("h1").click):
        page.locator("#filter-menu > summary").click()
        page.locator("#filter-menu legend").first.click()
        expect(page.locator("#filter-menu")).to_have_attribute("open", "")
        close()
        expect(page.locator("#filter-menu")).not_to_have_attribute("open", "")
    page.get_by_role("link", name="By flavor").click()
    page.wait_for_url(re.compile(r"owner=anna\.schmidt&group=flavor#timeline$"))
    expect(page.get_by_role("link", name="By flavor")).to_have_attribute(
        "aria-current", "true"
    )
    page.get_by_text("Show as table").click()
    expect(page.get_by_role("columnheader", name="Flavor")).to_be_visible()


def test_the_palette_leads_anywhere_by_keyboard_alone(sign_in: SignIn) -> None:
    page = sign_in("oskar")
    page.keyboard.press("Control+k")
    page.keyboard.type("policies")
    palette = page.get_by_role("dialog", name="Search or go to")
    expect(palette.get_by_role("option")).not_to_have_count(0)
    expect(palette.get_by_role("option", name="Clouds")).to_have_count(0)
    page.keyboard.press("Escape")
    expect(palette).not_to_be_visible()
    page.keyboard.press("Control+k")
    page.keyboard.type("stop speaker")
    first = palette.get_by_role("option").first
    expect(first).to_have_text(re.compile(r"Stop\s+speaker-id"))
    expect(palette.get_by_role("combobox")).to_have_attribute(
        "aria-activedescendant", first.get_attribute("id") or ""
    )
    expect(palette.get_by_role("status")).to_have_text(re.compile(r"^\d+ results?$"))
    page.keyboard.press("Enter")
    page.wait_for_url("**/instances/demo/*/stop/")


def test_everything_works_without_scripts(
    sign_in: SignIn, demo: Demo, browser: Browser
) -> None:
    state = sign_in("oskar").context.storage_state()
    context = browser.new_context(
        base_url=demo.url, java_script_enabled=False, storage_state=state
    )
    try:
        page = context.new_page()
        page.goto("/due/")
        expect(page.locator("#lanes li[data-instance]").first).to_be_visible()
        page.get_by_role("link", name="By flavor").click()
        page.locator("#filter-menu > summary").click()
        page.get_by_label("anna.schmidt", exact=True).check()
        page.get_by_role("button", name="Show").click()
        # Only a script drops the empty fields from the address.
        page.wait_for_url(re.compile(r"/due/\?.*owner=anna\.schmidt&.*group=flavor$"))
        page.goto("/edits/")
        page.get_by_label("State").select_option("open")
        page.get_by_role("button", name="Show").click()
        page.wait_for_url("**/edits/?*state=open*")
        page.goto("/instances/?q=notebook")
        page.locator("#views-menu > summary").click()
        page.get_by_label("Save current view as").fill("Without scripts")
        page.get_by_role("button", name="Save", exact=True).click()
        page.wait_for_url("**/instances/?q=notebook")
        current = page.locator(".views-tabs [aria-current]")
        expect(current).to_contain_text("Without scripts")
    finally:
        context.close()


def test_a_view_is_saved_marked_exported_and_deleted(
    sign_in: SignIn, demo: Demo
) -> None:
    page = sign_in("oskar")
    page.locator("#filter-menu > summary").click()
    page.get_by_label("Running", exact=True).check()
    # The menu follows the filter without a reload.
    page.wait_for_url("**status=RUNNING**")
    expect(page.locator("#chips")).to_contain_text("Running")
    page.locator("#views-menu > summary").click()
    expect(page.locator("#filter-menu")).not_to_have_attribute("open", "")
    page.get_by_label("Save current view as").fill("What runs")
    page.get_by_label("Share with the team").check()
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("status").first).to_contain_text("Saved as “What runs”.")
    expect(page.locator(".views-tabs [aria-current]")).to_contain_text("What runs")
    page.locator("#ways-menu > summary").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV of this view").click()
    file = download.value
    assert re.fullmatch(r"curfew-what-runs-\d{8}T\d{6}Z\.csv", file.suggested_filename)
    with Path(file.path()).open(encoding="utf-8-sig", newline="") as text:
        rows = list(csv.DictReader(text))
    assert {row["status"] for row in rows} == {"RUNNING"}
    page.goto("/views/")
    row = page.get_by_role("row").filter(has_text="What runs")
    row.get_by_role("button", name="Set as default").click()
    page.goto("/")
    page.wait_for_url("**/instances/?status=RUNNING")
    page.goto("/views/")
    page.get_by_role("link", name="Edit What runs").click()
    page.get_by_role("button", name="Delete view").click()
    expect(page.get_by_role("row").filter(has_text="What runs")).to_have_count(0)
