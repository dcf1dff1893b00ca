"""German in a real browser: choosing it, and clocks that tick in it."""

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone, translation
from playwright.sync_api import Page, Route, expect

from dashboard.instances.durations import ago_text, remaining_text
from dashboard.web.release import release_mark
from dashboard.web.templatetags import pages
from tests.factories import make_instance

from .test_live_page import SECONDS, STATIC, complaints, fleet_page, open_list

__all__ = ["complaints", "fleet_page"]

pytestmark = pytest.mark.browser


def test_choosing_german_and_a_countdown_that_ticks_in_it(
    fleet_page: Page, live_server: Any, complaints: list[str]
) -> None:
    instance = make_instance(name="nearly", stops_in=4 * 60)
    fleet_page.clock.install()
    fleet_page.route("**/changes?**", lambda route: route.fulfill(status=204))
    fleet_page.goto(f"{live_server.url}/accounts/2fa/")
    fleet_page.get_by_role("button", name="Deutsch").click()
    expect(fleet_page.locator("html")).to_have_attribute("lang", "de")
    open_list(fleet_page, live_server)
    text = fleet_page.locator("[data-stops-at] .clock-text")
    expect(text).to_have_text(re.compile(r"^3 min 5\d s$"))
    fleet_page.clock.run_for(60_000)
    expect(text).to_have_text(re.compile(r"^2 min 5\d s$"))
    fleet_page.clock.run_for(180_000)
    expect(text).to_have_text("wird gestoppt …")
    expect(fleet_page.locator(".clock-verb")).to_have_text("geplant für")
    # The browser redraws the moment as the server wrote it, in its own zone's words.
    assert instance.stops_at is not None
    zone = fleet_page.evaluate("Intl.DateTimeFormat().resolvedOptions().timeZone")
    with translation.override("de"), timezone.override(zone):
        expected = pages.moment_text(instance.stops_at, "stop")
    expect(fleet_page.locator(".clock-when time")).to_have_text(expected)


def test_browser_and_server_use_the_same_german(page: Page, db: None) -> None:
    now_ms = 1_795_000_000_000
    catalog = Client().get(reverse("javascript_catalog", args=["de", release_mark()]))
    with translation.override("de"):
        left = [remaining_text(s) for s in SECONDS]
        past = [ago_text(s) for s in SECONDS]
    body = "".join(
        f'<p class="left" data-stops-at="{now_ms + s * 1000}">'
        '<span class="clock-text"></span></p>'
        f'<p class="past" data-ago="{now_ms - s * 1000}"></p>'
        for s in SECONDS
    )
    document = (
        f"<!DOCTYPE html><html lang='de' data-now='{now_ms}'>"
        f'<body>{body}<p id="announcer"></p><script src="/messages.js"></script>'
        '<script src="/countdown.js"></script></body></html>'
    )

    def serve(route: Route) -> None:
        if route.request.url.endswith("/messages.js"):
            route.fulfill(body=catalog.text, content_type="text/javascript")
        elif route.request.url.endswith(".js"):
            route.fulfill(path=STATIC / "countdown.js")
        else:
            route.fulfill(body=document, content_type="text/html; charset=utf-8")

    page.route("**/*", serve)
    page.clock.install(time=0)
    page.goto("http://curfew.test/")
    assert page.locator(".left").all_inner_texts() == left
    assert page.locator(".past").all_inner_texts() == past
