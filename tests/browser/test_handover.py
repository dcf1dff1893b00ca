"""A shift is handed over in a real browser, and a wall hangs beside it."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from dashboard.ops.demo import PASSWORD
from tests.ops.processes import wait_until

from .conftest import Demo, SignIn

pytestmark = [pytest.mark.browser, pytest.mark.stack, pytest.mark.timeout(300)]


@pytest.fixture
def colleague(
    browser: Browser, browser_context_args: dict[str, Any], demo: Demo
) -> Iterator[Page]:
    """The operator, at another screen."""
    context = browser.new_context(**browser_context_args)
    page = context.new_page()
    page.goto("/accounts/login/")
    page.locator("[name=login]").fill("oskar")
    page.locator("[name=password]").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("/instances/")
    yield page
    context.close()


def begin(page: Page) -> str:
    """A new draft; its address."""
    page.goto("/handover/new/")
    page.get_by_role("button", name="Start").click()
    page.wait_for_url(re.compile(r"/handover/\d+/$"))
    return page.url


def saved(page: Page, place: str) -> None:
    expect(page.locator(f"#{place}-state [data-saved]")).to_contain_text(
        re.compile(r"Saved \w")
    )


def test_draft_publish_take_over(sign_in: SignIn, colleague: Page) -> None:
    page = sign_in("ada")
    address = begin(page)
    page.get_by_label("Summary").fill("All quiet.")
    saved(page, "summary")
    fact = page.locator("[data-fact]").first
    fact.click()
    noted = page.locator(".note").last.get_by_label("Note")
    expect(noted).to_have_value(json.loads(fact.get_attribute("value") or "")["text"])
    notes = page.locator(".note")
    before = notes.count()
    page.get_by_role("button", name="Add note").click()
    expect(notes).to_have_count(before + 1)
    note = notes.last
    note.get_by_label("Note").fill("Disk is full")
    note.get_by_label("Owner").fill("oskar")
    note.get_by_label("Next action").fill("Call the platform team")
    # Not waited for: what leads on saves first.
    page.get_by_role("link", name="Review and publish").click()
    page.wait_for_url(re.compile("/publish/$"))
    for said in ("All quiet.", "Disk is full", "Call the platform team"):
        expect(page.get_by_text(said)).to_be_visible()
    page.get_by_role("button", name="Publish").click()
    expect(page.get_by_text("I'm staying on")).to_be_visible()

    colleague.goto(address)
    expect(colleague.get_by_text("Since this handover")).to_be_visible()
    colleague.get_by_role("button", name="Take over").click()
    expect(colleague.get_by_text("You have taken over")).to_be_visible()
    expect(colleague.locator(".signatures")).to_contain_text("by oskar")
    colleague.get_by_role("button", name="Done: Disk is full").click()
    expect(colleague.locator(".action[data-done]")).to_contain_text("Done by oskar")
    assert 1 <= len(re.findall(rb"/Type\s*/Page\b", colleague.pdf())) <= 2
    page.reload()
    expect(page.get_by_text("I'm staying on")).to_have_count(0)


def test_what_is_typed_survives_leaving(sign_in: SignIn) -> None:
    page = sign_in("ada")
    address = begin(page)
    page.get_by_label("Summary").press_sequentially("Half a sen")
    # At once, within the pause after which it would have been saved.
    page.goto("/handover/")

    def is_there() -> bool:
        # Sent on the way out, it may arrive after the next page was asked for.
        page.goto(address)
        return page.get_by_label("Summary").input_value() == "Half a sen"

    wait_until(is_there, seconds=30)


def test_two_people_on_one_note(sign_in: SignIn, colleague: Page) -> None:
    page = sign_in("ada")
    address = begin(page)
    page.get_by_role("button", name="Add note").click()
    mine = page.locator(".note").last
    mine.get_by_label("Note").fill("Mine")
    expect(mine.locator("[data-saved]")).to_contain_text("Saved")
    colleague.goto(address)
    theirs = colleague.locator(".note").last
    theirs.get_by_label("Note").fill("Theirs")
    expect(theirs.locator("[data-saved]")).to_contain_text(re.compile(r"Saved \w"))

    mine.get_by_label("Note").fill("Mine, later")
    expect(mine.get_by_role("alert")).to_contain_text("oskar changed this")
    expect(mine.locator("[data-field=text]")).to_have_text("Theirs")
    expect(mine.get_by_label("Note")).to_have_value("Mine, later")
    mine.get_by_role("button", name="Overwrite with mine").click()
    expect(mine.locator("[data-saved]")).to_contain_text(re.compile(r"Saved \w"))

    theirs.get_by_label("Note").fill("Theirs, later")
    theirs.get_by_role("link", name="Keep theirs").click()
    expect(theirs.get_by_label("Note")).to_have_value("Mine, later")
    page.reload()
    expect(page.locator(".note").last.get_by_label("Note")).to_have_value("Mine, later")


def test_without_a_connection_it_says_so_and_goes_on(
    sign_in: SignIn, context: BrowserContext, complaints: list[str]
) -> None:
    page = sign_in("ada")
    address = begin(page)
    context.set_offline(True)
    page.get_by_label("Summary").fill("Typed in a tunnel")
    expect(page.locator("#connection")).to_contain_text("Not saved yet")
    context.set_offline(False)
    saved(page, "summary")
    expect(page.locator("#connection")).to_have_text("")
    page.goto(address)
    expect(page.get_by_label("Summary")).to_have_value("Typed in a tunnel")
    # htmx says so, too; nothing else may have complained.
    assert all(one.startswith("htmx:") or "ERR_" in one for one in complaints)
    complaints.clear()


def test_without_javascript(
    browser: Browser, browser_context_args: dict[str, Any], demo: Demo
) -> None:
    context = browser.new_context(**browser_context_args, java_script_enabled=False)
    page = context.new_page()
    page.goto("/accounts/login/")
    page.locator("[name=login]").fill("oskar")
    page.locator("[name=password]").fill(PASSWORD)
    page.locator("[name=password]").press("Enter")
    begin(page)
    page.get_by_role("button", name="Add note").click()
    note = page.locator(".note").last
    note.get_by_label("Note").fill("By hand")
    note.get_by_role("button", name="Save").click()
    expect(page.locator(".note").last.get_by_label("Note")).to_have_value("By hand")
    page.locator(".note").last.get_by_role("button", name="Remove").click()
    page.get_by_role("button", name="Restore").click()
    expect(page.locator(".note").last.get_by_label("Note")).to_have_value("By hand")
    page.get_by_role("link", name="Review and publish").click()
    page.get_by_role("button", name="Publish").click()
    expect(page.get_by_text("By hand")).to_be_visible()
    context.close()


def test_the_wall(sign_in: SignIn, browser: Browser, demo: Demo) -> None:
    page = sign_in("ada")
    page.goto("/walls/")
    page.get_by_label("Name", exact=True).fill("Test wall")
    page.get_by_label("Time zone").fill("Asia/Kolkata")
    page.get_by_role("button", name="Create link").click()
    line = page.locator("tr", has=page.get_by_role("link", name="Test wall"))
    address = line.locator("input[readonly]").input_value()

    # A screen that nobody has signed in at.
    context = browser.new_context(viewport={"width": 1920, "height": 1080})
    screen = context.new_page()
    refused: list[str] = []
    context.on(
        "console",
        lambda message: (
            refused.append(message.text) if message.type == "error" else None
        ),
    )
    screen.clock.install()  # goes on, and can be moved
    screen.goto(address)
    assert screen.url == address
    assert screen.locator(".tile").count() == 7
    assert screen.locator(".stop").count() == 10
    fits = "document.documentElement.scrollHeight <= innerHeight"
    assert screen.evaluate(fits)
    # With trouble above there is room for fewer stops, each of them whole.
    bands = "board => board.prepend(...Array.from({length: 3}, () => {"
    bands += "const band = document.createElement('p'); band.textContent = 'Late';"
    bands += "band.className = 'wall-trouble'; return band; }))"
    screen.locator("#wall").evaluate(bands)
    assert screen.evaluate(fits)
    whole = "stops => stops.map(stop => stop.getBoundingClientRect())"
    whole += ".filter(stop => stop.left < innerWidth)"
    whole += ".map(stop => stop.bottom <= innerHeight)"
    shown = screen.locator(".stop").evaluate_all(whole)
    assert 3 <= len(shown) < 10
    assert all(shown)
    smallest = "parseFloat(getComputedStyle(document.querySelector('{}')).fontSize)"
    assert screen.evaluate(smallest.format(".stop-left")) >= 30
    assert screen.evaluate(smallest.format(".tile strong")) >= 100
    expect(screen.locator("#zone")).to_have_text("IST")
    assert refused == []

    # It ticks, and its polls are answered.
    with screen.expect_response(re.compile("/changes")) as answer:
        pass
    assert answer.value.status in {200, 204}

    # Without the server it ages by itself.
    context.set_offline(True)
    age = screen.locator("#freshness .age")
    age.evaluate("element => { element.dataset.ago = Date.now() - 1e3 * 60 * 60; }")
    expect(age).to_have_attribute("data-age", "stale")
    context.set_offline(False)

    line.get_by_role("link", name="Edit").click()
    page.get_by_label("Name").fill("Test wall, renamed")
    page.get_by_role("button", name="Save").click()
    screen.clock.fast_forward(61_000)  # a screen is not loaded anew more often
    expect(screen.get_by_text("Test wall, renamed")).to_be_visible()
    line = page.locator("tr", has=page.get_by_role("link", name="Test wall, renamed"))
    line.get_by_role("link", name="Edit").click()
    page.get_by_role("button", name="Revoke link").click()
    expect(screen.get_by_text("This link does not work")).to_be_visible(timeout=60_000)
    assert screen.locator(".tile").count() == 0
    context.close()


def test_a_new_release_reloads_the_wall(sign_in: SignIn, demo: Demo) -> None:
    page = sign_in("ada")
    page.goto("/walls/")
    address = page.locator("[data-row-link]").last.get_attribute("href") or ""
    page.clock.install()
    page.goto(address)
    page.evaluate("document.documentElement.dataset.release = 'of yesterday'")
    page.clock.fast_forward(61_000)
    expect(page.locator("html")).not_to_have_attribute("data-release", "of yesterday")
