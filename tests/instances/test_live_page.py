"""The list in a real browser: ticking, polling, and what swaps must not lose."""

import json
import re
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.conf import settings
from django.test import Client
from playwright.sync_api import BrowserContext, Page, Route, expect

from dashboard.accounts.models import User
from dashboard.instances import countdown
from dashboard.instances.durations import WORDS, ago_text, remaining_text
from dashboard.instances.models import FleetVersion, Instance
from dashboard.paths import FILES
from tests.factories import make_cloud, make_instance, make_notebook

STATIC = FILES / "static"
ASK_NOW = "document.dispatchEvent(new Event('curfew:due'))"

pytestmark = pytest.mark.browser


@pytest.fixture
def complaints(page: Page) -> Iterator[list[str]]:
    """What the browser complains about; a test ends with none."""
    heard: list[str] = []
    page.on("pageerror", lambda error: heard.append(str(error)))
    page.on(
        "console",
        lambda message: heard.append(message.text) if message.type == "error" else None,
    )
    yield heard
    assert heard == []


@pytest.fixture
def fleet_page(
    page: Page,
    context: BrowserContext,
    transactional_db: None,
    live_server: Any,
    client: Client,
) -> Iterator[Page]:
    """A signed-in person's browser, on its way to the list."""
    operator = User.objects.create_user("operator", role="operator")
    client.force_login(operator)
    session = client.cookies[settings.SESSION_COOKIE_NAME].value
    context.add_cookies(
        [
            {
                "name": settings.SESSION_COOKIE_NAME,
                "value": session,
                "url": live_server.url,
            }
        ]
    )
    make_cloud()
    yield page
    # A poll still being answered would meet the emptying of the tables.
    context.close()
    for thread in threading.enumerate():
        if "process_request_thread" in thread.name:
            thread.join(timeout=10)


def open_list(page: Page, live_server: Any, query: str = "") -> None:
    page.goto(f"{live_server.url}/instances/{query}")


def change(instance: Instance, **fields: Any) -> None:
    changed = Instance.objects.filter(pk=instance.pk)
    changed.update(**fields)
    FleetVersion.stamp(changed)


EDGES = [60, 300, 900, 3_600, 172_800]
PAST = (0, -7, -299, -300, -9_000)
SECONDS = sorted(
    {1, 2, 4, 5, 59, 86_399, 999_999} | {edge + d for edge in EDGES for d in (-1, 0, 1)}
)


def test_browser_and_server_use_the_same_words(page: Page) -> None:
    now_ms = 1_795_000_000_000
    left = "".join(
        f'<p class="left" data-stops-at="{now_ms + s * 1000}">'
        '<span class="clock-text"></span></p>'
        for s in [*SECONDS, *PAST]
    )
    past = "".join(
        f'<p class="past" data-ago="{now_ms - s * 1000}"></p>' for s in SECONDS
    )
    document = (
        f'<!DOCTYPE html><html data-now="{now_ms}" data-overdue-after="300000">'
        f'<meta charset="utf-8"><body>{left}{past}'
        '<p id="announcer"></p><script src="/countdown.js"></script></body></html>'
    )

    def serve(route: Route) -> None:
        if route.request.url.endswith(".js"):
            route.fulfill(path=STATIC / "countdown.js")
        else:
            route.fulfill(body=document, content_type="text/html")

    page.route("**/*", serve)
    page.clock.install(time=0)
    page.goto("http://curfew.test/")
    drawn = page.eval_on_selector_all(
        ".left", "all => all.map(p => [p.innerText, p.dataset.urgency])"
    )
    expected = [
        [
            remaining_text(s) if s > 0 else str(WORDS[countdown.urgency(s)]),
            countdown.urgency(s).value,
        ]
        for s in [*SECONDS, *PAST]
    ]
    assert drawn == json.loads(json.dumps(expected))
    assert page.locator(".past").all_inner_texts() == [ago_text(s) for s in SECONDS]


def test_the_earliest_stop_of_an_idle_lease_is_hidden_once_it_has_passed(
    fleet_page: Page, live_server: Any, complaints: list[str]
) -> None:
    earliest = datetime.now(UTC) + timedelta(minutes=2)
    make_notebook(idle_seconds=3_600, idle_stop_at=earliest)
    fleet_page.clock.install()
    fleet_page.route("**/changes?**", lambda route: route.fulfill(status=204))
    open_list(fleet_page, live_server)
    clock = fleet_page.locator(".clock[data-state=idle]")
    expect(clock.locator(".clock-text")).to_have_text("stops after 1 h idle")
    expect(clock.locator(".clock-when")).to_contain_text("not before")
    fleet_page.clock.run_for(121_000)
    expect(clock.locator(".clock-when")).to_be_hidden()
    expect(clock.locator(".clock-text")).to_have_text("stops after 1 h idle")
    expect(clock).to_have_attribute("data-urgency", "none")


def test_a_countdown_ticks_by_the_server_s_clock_and_ends_as_due(
    fleet_page: Page, live_server: Any, complaints: list[str]
) -> None:
    make_instance(name="nearly", stops_in=4 * 60)
    # A desk clock that is a year off must not matter.
    fleet_page.clock.install(time="2025-01-01T00:00:00")
    # A real answer to a poll would bring the real time back.
    fleet_page.route("**/changes?**", lambda route: route.fulfill(status=204))
    open_list(fleet_page, live_server)
    fleet_page.evaluate(
        "window.dues = 0; document.addEventListener('curfew:due', () => dues++)"
    )
    text = fleet_page.locator("[data-stops-at] .clock-text")
    expect(text).to_have_text(re.compile(r"^3 min 5\d s$"))
    fleet_page.clock.run_for(60_000)
    expect(text).to_have_text(re.compile(r"^2 min 5\d s$"))
    fleet_page.clock.run_for(180_000)
    expect(text).to_have_text("stopping…")
    expect(fleet_page.locator("#announcer")).to_have_text("nearly: stopping…")
    assert fleet_page.evaluate("dues") == 1
    fleet_page.clock.run_for(300_000)
    expect(text).to_have_text("overdue")
    assert fleet_page.evaluate("dues") == 1


def test_thresholds_are_announced_where_one_instance_is_watched(
    fleet_page: Page, live_server: Any
) -> None:
    instance = make_instance(name="watched", stops_in=15 * 60 + 30)
    fleet_page.clock.install()
    fleet_page.route("**/changes?**", lambda route: route.fulfill(status=204))
    fleet_page.goto(f"{live_server.url}{instance.get_absolute_url()}")
    announcer = fleet_page.locator("#announcer")
    expect(announcer).to_be_empty()
    fleet_page.clock.run_for(31_000)
    expect(announcer).to_have_text("watched stops in 15 minutes")
    fleet_page.clock.run_for(10 * 60_000)
    expect(announcer).to_have_text("watched stops in 5 minutes")


def test_a_hidden_tab_rests_and_catches_up_on_return(
    fleet_page: Page, live_server: Any
) -> None:
    make_instance()
    fleet_page.clock.install()
    requested: list[str] = []

    def answer(route: Route) -> None:
        requested.append(route.request.url)
        route.fulfill(status=204)

    fleet_page.route("**/changes?**", answer)
    open_list(fleet_page, live_server)

    def show(hidden: str) -> None:
        fleet_page.evaluate(
            "hidden => { Object.defineProperty(document, 'hidden',"
            " { value: hidden === 'hidden', configurable: true });"
            " document.dispatchEvent(new Event('visibilitychange')); }",
            hidden,
        )

    show("hidden")
    requested.clear()
    fleet_page.clock.run_for(60_000)
    assert requested == []
    with fleet_page.expect_request("**/changes?**"):
        show("visible")


def test_a_long_quiet_stretches_the_interval(
    fleet_page: Page, live_server: Any
) -> None:
    make_instance()
    fleet_page.clock.install()
    fleet_page.route("**/changes?**", lambda route: route.fulfill(status=204))
    open_list(fleet_page, live_server)
    # From each answer to the next question, by the page's own clock.
    fleet_page.evaluate(
        """() => {
          let answered = performance.now();
          window.pauses = [];
          document.addEventListener("htmx:beforeRequest", () =>
            pauses.push((performance.now() - answered) / 1000));
          document.addEventListener("htmx:afterRequest", () =>
            { answered = performance.now(); });
        }"""
    )
    pauses: list[float] = []
    while len(pauses) < 45:
        fleet_page.clock.run_for(1_000)
        pauses = fleet_page.evaluate("pauses")
    assert max(pauses[:6]) <= 5.6
    assert min(pauses[-5:]) >= 13.4
    assert max(pauses) <= 16.6


def test_a_changed_row_is_swapped_and_the_focus_stays(
    fleet_page: Page, live_server: Any, complaints: list[str]
) -> None:
    first, second = make_instance(name="one"), make_instance(name="two")
    open_list(fleet_page, live_server, "?sort=name")
    fleet_page.locator(f"#open-{second.pk}").focus()
    fleet_page.evaluate("window.sameBody = document.getElementById('rows')")
    change(second, description="Third try")
    fleet_page.evaluate(ASK_NOW)
    expect(fleet_page.locator(f"#instance-{second.pk}")).to_contain_text("Third try")
    assert fleet_page.evaluate("document.activeElement.id") == f"open-{second.pk}"
    assert fleet_page.evaluate("sameBody === document.getElementById('rows')")
    # The next poll knows the new version: nothing is left to be swapped.
    with fleet_page.expect_response(lambda r: "since" in r.url) as answer:
        fleet_page.evaluate(ASK_NOW)
    assert answer.value.status == 204
    assert first.name in fleet_page.inner_text("#rows")


def test_a_new_instance_appears_in_its_place(
    fleet_page: Page, live_server: Any, complaints: list[str]
) -> None:
    make_instance(name="b")
    open_list(fleet_page, live_server, "?sort=name")
    fleet_page.locator("#q").focus()
    change(make_instance(name="a"))
    fleet_page.evaluate(ASK_NOW)
    links = fleet_page.locator("[data-row-link]")
    expect(links).to_have_text(["a", "b"])
    expect(fleet_page.locator("#foot")).to_contain_text("2 of 2")
    assert fleet_page.evaluate("document.activeElement.id") == "q"


def test_a_lost_connection_is_shown_and_recovers(
    fleet_page: Page, live_server: Any
) -> None:
    instance = make_instance()
    open_list(fleet_page, live_server)
    notice = fleet_page.locator("#connection")
    expect(notice).to_be_hidden()
    fleet_page.route("**/changes?**", lambda route: route.abort())
    fleet_page.evaluate(ASK_NOW)
    expect(notice).to_contain_text("Connection lost. Retrying")
    # The last page stays.
    expect(fleet_page.locator(f"#instance-{instance.pk}")).to_be_visible()
    change(instance, name="renamed meanwhile")
    fleet_page.unroute("**/changes?**")
    expect(notice).to_have_text("Reconnected.", timeout=15_000)
    expect(fleet_page.locator("#rows")).to_contain_text("renamed meanwhile")


def test_an_old_page_asks_to_be_reloaded(
    fleet_page: Page, live_server: Any, complaints: list[str]
) -> None:
    make_instance(name="apple")
    open_list(fleet_page, live_server)
    notice = fleet_page.get_by_role("status").filter(has_text="A new version")
    with fleet_page.expect_response("**/changes?**"):
        fleet_page.evaluate(ASK_NOW)
    expect(notice).to_be_hidden()
    fleet_page.evaluate("document.documentElement.dataset.release = 'of yesterday'")
    fleet_page.evaluate(ASK_NOW)
    expect(notice).to_be_visible()
    fleet_page.locator("#q").fill("apple")
    fleet_page.wait_for_url("**/instances/?q=apple")
    # The page does not reload automatically; the button reloads what it shows now.
    notice.get_by_role("link", name="Reload").click()
    expect(notice).to_be_hidden()
    expect(fleet_page.locator("#q")).to_have_value("apple")


@pytest.mark.parametrize(
    ("status", "text"), [(503, "Connection lost"), (400, "Reload to continue")]
)
def test_a_refused_poll_never_freezes_silently(
    fleet_page: Page, live_server: Any, status: int, text: str
) -> None:
    make_instance()
    open_list(fleet_page, live_server)
    fleet_page.route("**/changes?**", lambda route: route.fulfill(status=status))
    fleet_page.evaluate(ASK_NOW)
    expect(fleet_page.locator("#connection")).to_contain_text(text)


def test_filters_act_at_once_and_keep_the_typed_text(
    fleet_page: Page, live_server: Any, complaints: list[str]
) -> None:
    make_instance(name="apple")
    make_instance(name="pear")
    open_list(fleet_page, live_server)
    fleet_page.keyboard.press("/")
    fleet_page.keyboard.type("app")
    expect(fleet_page.locator("[data-row-link]")).to_have_text(["apple"])
    assert fleet_page.url.endswith("/instances/?q=app")
    assert fleet_page.evaluate("document.activeElement.id") == "q"
    # The poller drawn with the new filters asks with them.
    with fleet_page.expect_request(lambda r: "since" in r.url) as requested:
        fleet_page.evaluate(ASK_NOW)
    assert "q=app" in requested.value.url


def test_rows_are_walked_by_keyboard(
    fleet_page: Page, live_server: Any, complaints: list[str]
) -> None:
    first, second = make_instance(name="a"), make_instance(name="b")
    open_list(fleet_page, live_server, "?sort=name")
    fleet_page.keyboard.press("j")
    fleet_page.keyboard.press("ArrowDown")
    assert fleet_page.evaluate("document.activeElement.id") == f"open-{second.pk}"
    fleet_page.keyboard.press("?")
    expect(fleet_page.locator("#keyboard")).to_be_visible()
    fleet_page.keyboard.press("Escape")
    expect(fleet_page.locator("#keyboard")).to_be_hidden()
    fleet_page.keyboard.press("Enter")
    sheet = fleet_page.get_by_role("dialog", name="b", exact=True)
    expect(sheet.locator("#sheet-body")).to_contain_text(second.instance_id)
    fleet_page.keyboard.press("Escape")
    expect(sheet).to_be_hidden()
    # The walk goes on from there.
    assert fleet_page.evaluate("document.activeElement.id") == f"open-{second.pk}"
    fleet_page.keyboard.press("ArrowUp")
    assert fleet_page.evaluate("document.activeElement.id") == f"open-{first.pk}"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_axe_finds_nothing(
    fleet_page: Page,
    live_server: Any,
    context: BrowserContext,
    complaints: list[str],
    scheme: Any,
    width: int,
) -> None:
    for status in ("RUNNING", "STOPPED", "START_FAILED", "STARTING", "NEW_ONE"):
        make_instance(status=status)
    for stops_in in (-9, 60, 600, 3_000):
        make_instance(stops_in=stops_in)
    make_instance(name="gone", missing_since=make_cloud().refreshed_at)
    fleet_page.set_viewport_size({"width": width, "height": 900})
    fleet_page.emulate_media(color_scheme=scheme)
    open_list(fleet_page, live_server)
    assert Axe().run(fleet_page).violations_count == 0, (
        Axe().run(fleet_page).generate_report()
    )
    # A poll without cookies would lead to the sign-in by itself.
    fleet_page.goto("about:blank")
    context.clear_cookies()
    fleet_page.goto(f"{live_server.url}/accounts/login/")
    assert Axe().run(fleet_page).violations_count == 0, (
        Axe().run(fleet_page).generate_report()
    )
