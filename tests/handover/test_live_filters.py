"""Filters of the lanes and of the edits act at once, and both pages stay live."""

import re
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, Playwright, expect

from dashboard.accounts.models import User
from dashboard.edits.models import Edit
from dashboard.instances.models import FleetVersion, Instance
from tests.factories import make_instance
from tests.instances.pages import add_edit
from tests.instances.test_live_page import complaints, fleet_page

__all__ = ["complaints", "fleet_page"]

pytestmark = pytest.mark.browser


def test_filters_of_lanes_apply_at_once_and_stay_live(
    fleet_page: Page, live_server: Any, complaints: list[str]
) -> None:
    make_instance(name="annas", stops_in=600)
    toms = make_instance(name="toms", stops_in=600, owner_name="tom.becker")
    fleet_page.goto(f"{live_server.url}/due/")
    expect(fleet_page.get_by_role("button", name="Show")).to_have_count(0)
    fleet_page.locator("#filter-menu > summary").click()
    fleet_page.get_by_label("tom.becker", exact=True).check()
    cards = fleet_page.locator("#lanes li[data-instance]")
    expect(cards).to_have_count(1)
    expect(cards).to_contain_text("toms")
    expect(fleet_page).to_have_url(f"{live_server.url}/due/?owner=tom.becker")
    expect(fleet_page.locator("#timeline")).not_to_contain_text("annas")
    # The new poller uses the new filters.
    Instance.objects.filter(pk=toms.pk).update(name="renamed")
    FleetVersion.stamp(Instance.objects.filter(pk=toms.pk))
    expect(cards).to_contain_text("renamed", timeout=20_000)
    expect(cards).to_have_count(1)
    fleet_page.get_by_role("link", name="Clear filters").click()
    expect(cards).to_have_count(2)


def test_filters_of_changes_apply_at_once_and_stay_live(
    fleet_page: Page, live_server: Any, complaints: list[str]
) -> None:
    operator = User.objects.get(username="operator")
    first, other = make_instance(name="first"), make_instance(name="other")
    waiting = add_edit(first, operator, state="queued")
    add_edit(other, operator, state="failed", key="2")
    fleet_page.goto(f"{live_server.url}/edits/")
    rows = fleet_page.locator("#results tbody tr")
    expect(rows).to_have_count(2)
    expect(fleet_page.get_by_role("button", name="Show")).to_have_count(0)
    fleet_page.get_by_label("State").select_option("open")
    expect(rows).to_have_count(1)
    expect(fleet_page).to_have_url(f"{live_server.url}/edits/?state=open")
    chip = fleet_page.locator(f'[data-edit="{waiting.pk}"]')
    expect(chip).to_have_attribute("data-state", "queued")
    link = fleet_page.locator(f"#open-{waiting.pk}")
    link.focus()
    Edit.objects.filter(pk=waiting.pk).update(state="sending")
    FleetVersion.stamp(Instance.objects.filter(pk=first.pk))
    expect(chip).to_have_attribute("data-state", "sending", timeout=20_000)
    expect(link).to_be_focused()
    Edit.objects.filter(pk=waiting.pk).update(state="applied")
    FleetVersion.stamp(Instance.objects.filter(pk=first.pk))
    expect(fleet_page.locator("#results")).to_contain_text(
        "No matching changes", timeout=20_000
    )


@pytest.mark.parametrize(
    ("zone", "name"),
    [("America/New_York", "E[SD]T"), ("Asia/Kathmandu", r"UTC\+5:45")],
)
def test_server_and_browser_use_the_same_name_of_a_time_zone(
    fleet_page: Page,
    playwright: Playwright,
    context: BrowserContext,
    live_server: Any,
    zone: str,
    name: str,
) -> None:
    make_instance(stops_in=600)
    abroad = context.browser.new_context(  # type: ignore[union-attr]
        timezone_id=zone, storage_state=context.storage_state()
    )
    page = abroad.new_page()
    # The first visit tells the server where it is.
    page.goto(f"{live_server.url}/due/")
    page.goto(f"{live_server.url}/due/")
    moment = page.locator("#lanes .clock-when time").first
    expect(moment).to_have_text(re.compile(rf" {name}$"))
    label = page.locator(".day-bar").first.get_attribute("aria-label")
    assert label is not None
    assert moment.inner_text() in label
    abroad.close()
