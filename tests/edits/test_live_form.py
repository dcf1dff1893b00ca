"""The edit form in a real browser: help while typing, and nothing typed is lost."""

from collections.abc import Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.conf import settings
from django.test import Client
from django.urls import reverse
from playwright.sync_api import BrowserContext, Dialog, Page, Route, expect

from dashboard.edits.forms import EditForm
from dashboard.edits.models import Edit
from dashboard.instances.models import FleetVersion, Instance
from dashboard.modelarts.limits import description_problems
from tests import factories

pytestmark = pytest.mark.browser


@pytest.fixture
def browser_page(
    page: Page,
    context: BrowserContext,
    transactional_db: None,
    live_server: Any,
    as_operator: Client,
) -> Iterator[Page]:
    """An operator's browser; it must not complain."""
    name = settings.SESSION_COOKIE_NAME
    session = as_operator.cookies[name].value
    context.add_cookies([{"name": name, "value": session, "url": live_server.url}])
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on(
        "console",
        lambda message: (
            complaints.append(message.text)
            if "Content Security Policy" in message.text
            else None
        ),
    )
    yield page
    assert complaints == []


def _lose(route: Route) -> None:
    route.abort()


def open_form(page: Page, live_server: Any, instance: Instance) -> None:
    path = reverse("edits:edit", args=[instance.cloud.name, instance.instance_id])
    page.goto(live_server.url + path)


@pytest.fixture
def form(browser_page: Page, live_server: Any, instance: Instance) -> Page:
    """The form of a running instance with 8 h."""
    open_form(browser_page, live_server, instance)
    return browser_page


@pytest.fixture
def dialogs(form: Page) -> list[str]:
    """Questions of the browser on leaving; the person stays."""
    kinds: list[str] = []

    def stay(dialog: Dialog) -> None:
        kinds.append(dialog.type)
        dialog.dismiss()

    form.on("dialog", stay)
    return kinds


def test_the_description_is_counted_and_its_faults_named_as_by_the_server(
    form: Page,
) -> None:
    counter = form.locator("#description-counter")
    live = form.locator("#description-live")
    expect(counter).to_have_text("23 / 512")
    form.fill("#id_description", "😀\n日本")
    expect(counter).to_have_text("4 / 512")
    expect(live).to_have_text("")
    form.fill("#id_description", "R&D <3 / x")
    expect(live).to_have_text(str(description_problems("R&D <3 / x")[0]))
    form.fill("#id_description", "😀" * 514)
    expect(counter).to_have_text("514 / 512")
    expect(live).to_have_text("2 characters over the limit.")


def test_slider_box_and_presets_move_together(form: Page) -> None:
    box, slider = form.locator("#id_auto_stop_hours"), form.locator("#hours-slider")
    form.get_by_role("button", name="12 h").click()
    expect(box).to_have_value("12")
    expect(slider).to_have_value("12")
    slider.press("ArrowRight")
    expect(box).to_have_value("12.5")
    box.fill("3.5")
    expect(slider).to_have_value("3.5")


def test_the_wheel_over_the_hours_scrolls_the_page_alone(form: Page) -> None:
    form.set_viewport_size({"width": 900, "height": 400})
    box = form.locator("#id_auto_stop_hours")
    box.click()
    before = form.evaluate("scrollY")
    form.mouse.wheel(0, 120)
    form.wait_for_function("before => scrollY > before", arg=before)
    expect(box).to_have_value("8")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "Enter 1 to 24 hours."),
        ("1e", "“1e” is not a number of hours."),
        ("25", "25 h is too long"),
        ("-3", "“-3” is not a number of hours."),
        ("0.5", "0.5 h is too short"),
        ("8.3", "8.3 h is not a step of half an hour."),
    ],
)
def test_wrong_hours_are_named_at_once_and_move_no_slider(
    form: Page, text: str, words: str
) -> None:
    box, slider = form.locator("#id_auto_stop_hours"), form.locator("#hours-slider")
    box.fill(text)
    live = form.locator("#hours-live")
    expect(live).to_contain_text(words)
    expect(box).to_have_attribute("aria-invalid", "true")
    expect(slider).to_have_value("8")
    # The server says the same, and gives back what was typed.
    form.click("#save-button")
    expect(form.locator("#hours-errors")).to_contain_text(words)
    expect(box).to_have_value(text)
    expect(slider).to_have_value("8")
    box.fill("8,5")
    expect(live).to_have_text("")
    expect(slider).to_have_value("8.5")


def test_typed_hours_switch_auto_stop_on_and_this_is_read_out(form: Page) -> None:
    form.locator("#id_auto_stop_enable").uncheck()
    form.fill("#id_auto_stop_hours", "12")
    expect(form.locator("#id_auto_stop_enable")).to_be_checked()
    expect(form.locator("#effect-live")).to_contain_text("it stops after 12 h")


def test_the_first_field_has_the_focus(form: Page) -> None:
    expect(form.locator("#id_description")).to_be_focused()


class TestShortcuts:
    """Keys of one character can be switched off, and stay off in this browser."""

    def test_off_they_do_nothing(self, form: Page, live_server: Any) -> None:
        browser_page = form
        browser_page.goto(f"{live_server.url}/instances/")
        browser_page.keyboard.press("?")
        browser_page.get_by_label("Enable single-key shortcuts").uncheck()
        browser_page.keyboard.press("Escape")
        for _ in range(2):
            for key in ("?", "/", "b", "j"):
                browser_page.keyboard.press(key)
            expect(browser_page.get_by_role("dialog")).to_have_count(0)
            expect(browser_page.locator("#q")).not_to_be_focused()
            browser_page.reload()
        browser_page.locator("#keyboard-button").click()
        browser_page.get_by_label("Enable single-key shortcuts").check()
        browser_page.keyboard.press("Escape")
        browser_page.keyboard.press("/")
        expect(browser_page.locator("#q")).to_be_focused()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_first_click_on_the_theme_changes_what_is_seen(
    browser_page: Page, live_server: Any, scheme: Any
) -> None:
    browser_page.emulate_media(color_scheme=scheme)
    browser_page.goto(f"{live_server.url}/instances/")
    ground = "getComputedStyle(document.body).backgroundColor"
    before = browser_page.evaluate(ground)
    browser_page.locator("#theme-button").click()
    assert browser_page.evaluate(ground) != before
    # As signing out does.
    browser_page.evaluate("localStorage.clear()")
    browser_page.reload()
    assert browser_page.evaluate(ground) != before
    for _ in range(2):
        browser_page.locator("#theme-button").click()
    assert browser_page.evaluate(ground) == before


def test_picking_a_run_time_switches_auto_stop_on(form: Page) -> None:
    form.locator("#id_auto_stop_enable").uncheck()
    expect(form.locator("[data-effect=off]")).to_be_visible()
    expect(form.locator("[data-effect=switched]")).to_be_visible()
    form.get_by_role("button", name="2 h", exact=True).click()
    expect(form.locator("#id_auto_stop_enable")).to_be_checked()
    expect(form.locator("[data-effect=on]")).to_be_visible()
    expect(form.locator("[data-effect=switched]")).to_be_hidden()


def test_the_effect_has_the_server_s_words_for_every_step(form: Page) -> None:
    box = form.locator("#id_auto_stop_hours")
    words = form.locator("[data-effect-hours]")
    for text, expected in EditForm.limits.hours:
        box.fill(text)
        expect(words).to_have_text(expected)
    box.fill("25")
    expect(form.locator("[data-effect=unclear]")).to_be_visible()
    expect(form.locator("[data-effect=on]")).to_be_hidden()


def test_a_value_off_the_grid_is_told_exactly(
    browser_page: Page, live_server: Any
) -> None:
    instance = factories.make_instance(auto_stop_duration=5_000)
    open_form(browser_page, live_server, instance)
    words = browser_page.locator("[data-effect-hours]")
    expect(words).to_have_text("1 h 23 min 20 s")
    browser_page.fill("#id_auto_stop_hours", "2")
    expect(words).to_have_text("2 h")
    browser_page.fill("#id_auto_stop_hours", "1.39")
    expect(words).to_have_text("1 h 23 min 20 s")
    browser_page.fill("#id_description", "only this")
    browser_page.click("#save-button")
    browser_page.wait_for_url(live_server.url + instance.get_absolute_url())
    assert Edit.objects.get().patch == {"description": "only this"}


def test_an_error_keeps_the_text_and_takes_the_focus(form: Page) -> None:
    form.fill("#id_description", "R&D")
    form.click("#save-button")
    expect(form.get_by_role("alert").first).to_be_focused()
    expect(form.locator("#id_description")).to_have_value("R&D")
    expect(form.locator("#description-counter")).to_have_text("3 / 512")
    assert Axe().run(form).violations_count == 0
    form.fill("#id_description", "Research")
    expect(form.locator("#description-errors")).to_have_count(0)


def test_an_unreachable_server_loses_nothing(form: Page) -> None:
    form.route("**/edit/", _lose)
    form.fill("#id_description", "kept")
    form.click("#save-button")
    expect(form.locator("#form-notice")).to_contain_text("Could not reach")
    expect(form.locator("#id_description")).to_have_value("kept")
    form.unroute("**/edit/", _lose)
    form.click("#save-button")
    form.wait_for_url(lambda url: not url.endswith("/edit/"))
    assert Edit.objects.get().patch == {"description": "kept"}


class TestLeaving:
    """Unsaved changes are not left without a question."""

    def test_with_changes_the_browser_asks(
        self, form: Page, dialogs: list[str]
    ) -> None:
        form.fill("#id_description", "unsaved")
        form.get_by_role("link", name="Cancel").click()
        expect(form.locator("#id_description")).to_have_value("unsaved")
        assert dialogs == ["beforeunload"]

    def test_changes_taken_back_are_none(self, form: Page, dialogs: list[str]) -> None:
        form.get_by_role("button", name="12 h").click()
        form.get_by_role("button", name="8 h", exact=True).click()
        form.get_by_role("link", name="Cancel").click()
        form.wait_for_url(lambda url: not url.endswith("/edit/"))
        assert dialogs == []

    def test_after_saving_back_leads_past_the_form(
        self, browser_page: Page, live_server: Any, instance: Instance
    ) -> None:
        page = browser_page
        page.goto(f"{live_server.url}/due/")
        page.goto(f"{live_server.url}/instances/?q={instance.name}")
        listed = page.url
        page.locator("[data-row-edit]").first.click()
        page.get_by_role("link", name="All settings").click()
        page.wait_for_url("**/edit/")
        page.fill("#id_description", "saved")
        page.click("#save-button")
        page.wait_for_url(listed)
        expect(page.locator("[id^=submitted-]")).to_contain_text("Saving…")
        page.go_back()
        expect(page).to_have_url(f"{live_server.url}/due/")

    def test_cancel_leads_back_to_the_list_and_leaves_no_trace(
        self, browser_page: Page, live_server: Any, instance: Instance
    ) -> None:
        page = browser_page
        page.goto(f"{live_server.url}/due/")
        page.goto(f"{live_server.url}/instances/?q={instance.name}")
        listed = page.url
        page.locator("[data-row-edit]").first.click()
        page.get_by_role("link", name="All settings").click()
        page.get_by_role("link", name="Cancel").click()
        page.wait_for_url(listed)
        page.go_back()
        expect(page).to_have_url(f"{live_server.url}/due/")

    def test_saving_is_no_leaving(self, form: Page, dialogs: list[str]) -> None:
        form.fill("#id_description", "saved")
        form.click("#save-button")
        form.wait_for_url(lambda url: not url.endswith("/edit/"))
        assert dialogs == []

    def test_after_an_error_it_still_asks(self, form: Page, dialogs: list[str]) -> None:
        form.fill("#id_description", "R&D")
        form.click("#save-button")
        expect(form.get_by_role("alert").first).to_be_visible()
        form.get_by_role("link", name="Cancel").click()
        expect(form.locator("#id_description")).to_have_value("R&D")
        assert dialogs == ["beforeunload"]


def test_in_the_card_it_closes_and_the_status_line_tells_what_comes_of_it(
    browser_page: Page, live_server: Any, instance: Instance
) -> None:
    page = browser_page
    page.goto(f"{live_server.url}{instance.get_absolute_url()}")
    edit = page.get_by_role("link", name=f"Edit {instance.name}")
    edit.click()
    hours = page.locator("[name=auto_stop_hours]")
    expect(hours).to_be_focused()
    page.get_by_role("button", name="Cancel").click()
    expect(hours).to_have_count(0)
    expect(edit).to_be_focused()
    edit.click()
    hours.fill("3")
    # A poll brings the card again, and not the form.
    Instance.objects.update(description="Changed meanwhile")
    FleetVersion.stamp(Instance.objects.all())
    page.evaluate("document.dispatchEvent(new Event('curfew:ask'))")
    expect(page.locator("#settings")).to_contain_text("Changed meanwhile")
    edit.click()
    expect(hours).to_be_focused()
    expect(hours).to_have_value("3")
    page.locator("#save-button").click()
    expect(page.locator("#outcome")).to_contain_text("Saving…")
    expect(page.locator("#outcome")).to_contain_text("Run time 3 h")
    expect(hours).to_have_count(0)
    expect(edit).to_be_focused()
    expect(page.locator("#activity")).to_contain_text("8 h → to 3 h")
