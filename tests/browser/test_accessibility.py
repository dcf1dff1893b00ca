"""axe finds nothing on any page in any of its states, and nothing moves while it loads.

Wide in English and narrow in German or Chinese, one of them light and one dark: so each
page is seen in both schemes, at both widths and in two languages.
"""

from collections.abc import Callable, Iterator
from typing import Any, Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from dashboard.ops.demo import PASSWORD

from .conftest import Demo
from .places import PLACES, Traces, leave_traces, load_in

pytestmark = [pytest.mark.browser, pytest.mark.stack, pytest.mark.timeout(300)]

type Scheme = Literal["light", "dark"]
SCHEMES: tuple[Scheme, Scheme] = ("light", "dark")
RULES = {
    "runOnly": {
        "type": "tag",
        "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"],
    },
    # Of what passes, one node each: naming hundreds takes longer than judging them.
    "resultTypes": ["violations"],
}

REMOVED_CLOUD = """\
from datetime import timedelta
from django.utils import timezone
from dashboard.instances.models import Cloud, FleetVersion
from dashboard.web.stored_messages import verbatim
before = timezone.now() - timedelta(hours=1)
Cloud.objects.create(name="{name}", unconfigured_since=before, refreshed_at=before,
    held_since=before, hold_reason=verbatim("ModelArts does not answer."))
FleetVersion.stamp()
"""
FORGOTTEN_CLOUD = """\
from dashboard.instances.models import Cloud, FleetVersion
Cloud.objects.get(name="{name}").delete()
FleetVersion.stamp()
"""

MOST_SHIFT = 0.02
"""The cumulative layout shift of a page, until it is loaded and used."""

SHIFTS = """\
() => new Promise((resolve) => {
  const entries = [];
  const keep = (list) => entries.push(...list.getEntries());
  const observer = new PerformanceObserver(keep);
  observer.observe({ type: "layout-shift", buffered: true });
  // After the next frame it has delivered those of the past.
  requestAnimationFrame(() => setTimeout(() => {
    entries.push(...observer.takeRecords());
    const shifts = entries.filter((entry) => !entry.hadRecentInput);
    resolve({
      sum: shifts.reduce((sum, entry) => sum + entry.value, 0),
      moved: shifts.flatMap((entry) => entry.sources).map(({ node }) =>
        node?.id || node?.className || node?.nodeName),
    });
  }));
})"""

CUT_TABS = """\
() => {
  const tabs = document.querySelector(".views-tabs");
  const edge = tabs.getBoundingClientRect();
  return [...tabs.querySelectorAll("a")].filter((tab) => {
    const { left, right } = tab.getBoundingClientRect();
    return left < edge.left - 1 || right > edge.right + 1;
  }).map((tab) => tab.textContent.trim());
}"""
"""The tabs that reach beyond their row."""

CookiesOf = Callable[[str], list[Any]]


@pytest.fixture(scope="module")
def cookies_of(
    demo: Demo, browser: Browser, browser_context_args: dict[str, Any]
) -> CookiesOf:
    """The session of somebody, signed in once."""
    known: dict[str, list[Any]] = {}

    def cookies(name: str) -> list[Any]:
        if name not in known:
            context = browser.new_context(**browser_context_args)
            page = context.new_page()
            page.goto("/accounts/login/?next=/instances/")
            page.locator("[name=login]").fill(name)
            page.locator("[name=password]").fill(PASSWORD)
            page.keyboard.press("Enter")
            page.wait_for_url("/instances/")
            known[name] = context.cookies()
            context.close()
        return known[name]

    return cookies


@pytest.fixture(scope="module")
def traces(
    demo: Demo,
    browser: Browser,
    browser_context_args: dict[str, Any],
    cookies_of: CookiesOf,
) -> Traces:
    """What pages have to show."""
    context = browser.new_context(**browser_context_args)
    context.add_cookies(cookies_of("ada"))
    left = leave_traces(context.new_page(), demo)
    context.close()
    return left


@pytest.mark.parametrize("name", PLACES)
def test_no_violation(
    page: Page,
    complaints: list[str],
    cookies_of: CookiesOf,
    traces: Traces,
    name: str,
) -> None:
    place = PLACES[name]
    if place.who:
        page.context.add_cookies(cookies_of(place.who))
    # Without it, colours are judged that are still on their way.
    page.emulate_media(reduced_motion="reduce")
    place.go(page, traces)
    if page.evaluate(SHIFTS)["sum"] > MOST_SHIFT:
        # A message of an earlier page is shown once; a busy machine paints late.
        place.go(page, traces)
    _nothing_shifts(page, name)
    index = sorted(PLACES).index(name)
    wide, narrow = SCHEMES if index % 4 < 2 else reversed(SCHEMES)
    _axe_finds_nothing(page, name, wide, 1440)
    _nothing_is_cut_off(page)
    language = ("de", "zh-hans")[index % 2]
    load_in(language, page)
    _nothing_shifts(page, name)
    assert page.locator("html").get_attribute("lang") == language
    _axe_finds_nothing(page, name, narrow, 390)
    _nothing_is_cut_off(page)


@pytest.fixture
def removed_cloud(demo: Demo) -> Iterator[str]:
    """Name of a cloud that was in the configuration until an hour ago."""
    name = "former-site"
    demo.manage("shell", "--command", REMOVED_CLOUD.format(name=name))
    yield name
    demo.manage("shell", "--command", FORGOTTEN_CLOUD.format(name=name))


def test_no_violation_where_a_cloud_was_removed(
    page: Page, complaints: list[str], cookies_of: CookiesOf, removed_cloud: str
) -> None:
    page.context.add_cookies(cookies_of("ada"))
    page.emulate_media(reduced_motion="reduce")
    page.goto("/instances/")
    troubles = page.locator("#troubles")
    expect(troubles).to_contain_text(removed_cloud)
    expect(troubles).to_contain_text("was removed from the configuration")
    for scheme in SCHEMES:
        for width in (390, 1440):
            _axe_finds_nothing(page, "removed cloud", scheme, width)
    _nothing_is_cut_off(page)


@pytest.mark.parametrize("language", ["en", "de", "zh-hans"])
def test_tabs_of_views_are_not_cut(
    page: Page, cookies_of: CookiesOf, language: str
) -> None:
    page.context.add_cookies(cookies_of("ada"))
    page.goto("/instances/?status=RUNNING&owner=li.wei")
    load_in(language, page)
    save = page.locator("#views-menu > summary")
    for width in (1440, 1280, 1024, 768):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate(CUT_TABS) == [], width
        save.click()
        form = page.locator(".views-save").bounding_box()
        assert form
        assert form["x"] >= 0
        assert form["x"] + form["width"] <= width
        save.click()
    # On a phone they scroll, and nothing stands beside them.
    page.set_viewport_size({"width": 390, "height": 900})
    tabs = page.locator(".views-tabs").bounding_box()
    button = save.bounding_box()
    assert tabs
    assert button
    assert tabs["y"] + tabs["height"] <= button["y"]
    page.locator(".views-tabs a").last.focus()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def _axe_finds_nothing(page: Page, name: str, scheme: Scheme, width: int) -> None:
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 900})
    # All of it at once: else a bar that sticks to the edge lies above something.
    height: int = page.evaluate("document.documentElement.scrollHeight")
    page.set_viewport_size({"width": width, "height": max(900, height)})
    result = Axe().run(page, options=RULES)
    language = page.locator("html").get_attribute("lang")
    where = f"{name}, {language}, {scheme}, {width}"
    assert result.violations_count == 0, f"{where}\n{result.generate_report()}"


def _nothing_shifts(page: Page, name: str) -> None:
    shifts = page.evaluate(SHIFTS)
    assert shifts["sum"] <= MOST_SHIFT, (name, shifts)


def _nothing_is_cut_off(page: Page) -> None:
    """Nothing is wider than the screen (WCAG 1.4.10, reflow)."""
    for width in (1440, 768, 390):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
