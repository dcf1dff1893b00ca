"""From the bell to the stop, as somebody with ten minutes to go would."""

import pytest
from playwright.sync_api import expect

from tests.ops.processes import wait_until

from .conftest import Demo, SignIn
from .places import open_inbox

pytestmark = [pytest.mark.browser, pytest.mark.stack, pytest.mark.timeout(300)]


def test_a_reminder_leads_to_the_stop(sign_in: SignIn, demo: Demo) -> None:
    name = "pool-trainer-01"
    page = sign_in("ada")
    page.locator(".topbar").get_by_role("link", name="Notifications").click()
    open_inbox(page)
    told = page.locator(".inbox-item").filter(
        has=page.get_by_role("link", name=f"{name} stops soon")
    )
    told.get_by_role("link", name="Stop now").click()
    # The link only asks.
    expect(page.get_by_role("heading", name=f"Stop now: {name}?")).to_be_visible()
    assert demo.instance(name)["status"] == "RUNNING"
    page.locator("main").get_by_role("button", name="Stop now").click()
    expect(page.locator("[data-edit]").first).to_be_visible()
    wait_until(
        lambda: demo.instance(name)["status"] in {"STOPPING", "STOPPED"}, seconds=60
    )

    def nothing_to_stop() -> bool:
        open_inbox(page)
        return told.get_by_role("link", name="Stop now").count() == 0

    wait_until(nothing_to_stop, seconds=60)
