"""The list in a real browser: rows under the pointer, announcements, a phone."""

from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from dashboard.instances.models import Instance
from tests.factories import make_instance

from .test_live_page import ASK_NOW, change, complaints, fleet_page, open_list

__all__ = ["complaints", "fleet_page"]

pytestmark = pytest.mark.browser


def names(page: Page) -> list[str]:
    return page.locator("#rows [data-row-link]").all_inner_texts()


def menu_of(page: Page, instance: Instance) -> Any:
    return page.locator(f"#menu-{instance.pk}")


def test_a_row_stays_under_the_pointer_until_it_leaves_the_table(
    fleet_page: Page, live_server: Any, complaints: list[str]
) -> None:
    first = make_instance(name="one", stops_in=3_000)
    second = make_instance(name="two", stops_in=6_000)
    open_list(fleet_page, live_server)
    menu_of(fleet_page, first).hover()
    before = menu_of(fleet_page, first).bounding_box()
    change(second, stops_at=first.run_started_at, description="sooner now")
    fleet_page.evaluate(ASK_NOW)
    order = fleet_page.get_by_role("button", name="1 row moved: refresh order")
    expect(order).to_be_visible()
    # The news is here, and nothing has moved for it.
    expect(fleet_page.locator("#rows")).to_contain_text("sooner now")
    assert names(fleet_page) == ["one", "two"]
    assert menu_of(fleet_page, first).bounding_box() == before
    fleet_page.mouse.move(5, 5)
    expect(fleet_page.locator("[data-row-link]").first).to_have_text("two")
    expect(order).to_have_count(0)


def test_focus_holds_the_order_and_the_button_brings_the_new_one(
    fleet_page: Page, live_server: Any, complaints: list[str]
) -> None:
    first = make_instance(name="one", stops_in=3_000)
    second = make_instance(name="two", stops_in=6_000)
    open_list(fleet_page, live_server)
    tick = fleet_page.locator(f"#pick-{first.pk}")
    tick.check()
    fleet_page.mouse.move(5, 5)
    change(second, stops_at=first.run_started_at)
    fleet_page.evaluate(ASK_NOW)
    order = fleet_page.get_by_role("button", name="refresh order")
    expect(order).to_be_visible()
    expect(tick).to_be_focused()
    assert names(fleet_page) == ["one", "two"]
    order.press("Enter")
    expect(fleet_page.locator("[data-row-link]").first).to_have_text("two")
    expect(order).to_have_count(0)
    expect(tick).to_be_checked()
    expect(fleet_page.locator("#fleet")).to_be_focused()


def test_only_rows_that_move_are_touched(
    fleet_page: Page, live_server: Any, complaints: list[str]
) -> None:
    first = make_instance(name="one", stops_in=3_000)
    make_instance(name="two", stops_in=6_000)
    third = make_instance(name="three", stops_in=9_000)
    leaving = make_instance(name="four", stops_in=12_000)
    open_list(fleet_page, live_server, "?status=RUNNING")
    ticks = [fleet_page.locator(f"#pick-{one.pk}") for one in (first, third, leaving)]
    for tick in ticks:
        tick.check()
    fleet_page.mouse.move(5, 5)
    fleet_page.locator("#q").focus()
    fleet_page.evaluate(
        """() => {
          window.body = document.getElementById("rows");
          window.before = [...body.rows];
          window.touched = new Set();
          new MutationObserver((all) => all.forEach(({ addedNodes, removedNodes }) =>
            [...addedNodes, ...removedNodes].forEach((row) => touched.add(row.id))
          )).observe(body, { childList: true });
        }"""
    )
    entering = make_instance(name="zero", stops_in=60)
    change(entering)
    change(leaving, status="STOPPED", stops_at=None)
    change(third, stops_at=first.run_started_at)
    with fleet_page.expect_response("**/changes?**") as answer:
        fleet_page.evaluate(ASK_NOW)
    expect(fleet_page.locator("[data-row-link]")).to_have_text(
        ["three", "zero", "one", "two"]
    )
    assert '<tbody id="rows"' not in answer.value.text()
    kept = "before.slice(0, 2).every((row, n) => row === body.rows[n + 2])"
    assert fleet_page.evaluate(kept)
    assert set(fleet_page.evaluate("[...touched].filter(Boolean)")) == {
        f"instance-{one.pk}" for one in (entering, leaving, third)
    }
    for tick in ticks[:2]:
        expect(tick).to_be_checked()
    expect(fleet_page.locator("#picked-count")).to_have_text(
        "3 selected (1 on other pages)"
    )
    assert fleet_page.evaluate("document.activeElement.id") == "q"
    # The next poll finds nothing: the page is what the server believes it to be.
    with fleet_page.expect_response("**/changes?**") as answer:
        fleet_page.evaluate(ASK_NOW)
    assert answer.value.status == 204


def test_an_answer_that_was_under_way_moves_no_row_under_the_pointer(
    fleet_page: Page, live_server: Any
) -> None:
    first = make_instance(name="one", stops_in=3_000)
    second = make_instance(name="two", stops_in=6_000)
    open_list(fleet_page, live_server)

    change(second, stops_at=first.run_started_at)
    under_way: list[Route] = []

    def hold(route: Route) -> None:
        under_way.append(route)

    fleet_page.route("**/changes?**", hold, times=1)
    with fleet_page.expect_request("**/changes?**"):
        fleet_page.evaluate(ASK_NOW)
    menu_of(fleet_page, first).hover()
    under_way[0].continue_()
    expect(fleet_page.get_by_role("button", name="refresh order")).to_be_visible()
    assert names(fleet_page) == ["one", "two"]


def test_what_a_search_found_and_which_run_ended_is_announced(
    fleet_page: Page, live_server: Any
) -> None:
    first = make_instance(name="alpha", stops_in=3_000)
    make_instance(name="beta", stops_in=6_000)
    open_list(fleet_page, live_server)
    announcer = fleet_page.locator("#announcer")
    fleet_page.locator("#q").fill("alp")
    expect(announcer).to_have_text("1 instance")
    change(first, status="STOPPED", stops_at=None)
    fleet_page.evaluate(ASK_NOW)
    expect(announcer).to_have_text("alpha: Stopped")
    header = fleet_page.get_by_role("rowheader", name="alpha", exact=True)
    expect(header).to_be_visible()


@pytest.fixture
def phone(fleet_page: Page) -> Page:
    """The same person with a narrow screen."""
    fleet_page.set_viewport_size({"width": 390, "height": 844})
    return fleet_page


@pytest.mark.parametrize("path", ["", "edit/", "stop/"])
def test_a_long_name_is_no_wider_than_a_phone(
    phone: Page, live_server: Any, path: str
) -> None:
    instance = make_instance(name="n" * 75)
    phone.goto(f"{live_server.url}{instance.get_absolute_url()}{path}")
    expect(phone.locator("h1")).to_contain_text("n" * 75)
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.parametrize("language", ["en", "de"])
def test_cards_on_a_phone_begin_with_this_run_in_each_language(
    phone: Page, live_server: Any, language: str
) -> None:
    make_instance(name="a card")
    if language == "de":
        phone.goto(f"{live_server.url}/accounts/2fa/")
        phone.get_by_role("button", name="Deutsch").click()
        expect(phone.locator("html")).to_have_attribute("lang", "de")
    open_list(phone, live_server, "?q=card")
    tops = phone.locator("#rows td").evaluate_all(
        "cells => cells.map(cell => [cell.offsetTop, cell.offsetLeft])"
    )
    status, owner, flavor, run, next_run = tops[:5]
    assert sorted(tops[:5]) == [run, status, next_run, owner, flavor]
    # What was found comes first: the filters stay closed.
    first = phone.locator("#rows th").first.bounding_box()
    assert first
    assert first["y"] < 844 * 0.75


def test_no_target_of_the_list_is_smaller_than_24_pixels(
    fleet_page: Page, live_server: Any
) -> None:
    make_instance()
    open_list(fleet_page, live_server)
    sizes = fleet_page.locator("thead a, #rows input, #pick-page").evaluate_all(
        "all => all.map(one => one.getBoundingClientRect())"
        ".map(({ width, height }) => Math.min(width, height))"
    )
    assert len(sizes) == 6
    assert min(sizes) >= 24
