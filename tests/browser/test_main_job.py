"""The main job in a real browser, on real processes, from sign-in to confirmation."""

import re
import signal
import time

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from dashboard.ops.demo import PASSWORD
from tests.ops.processes import wait_until

from .conftest import Demo, SignIn
from .places import fault

pytestmark = [pytest.mark.browser, pytest.mark.stack, pytest.mark.timeout(300)]

FAR_FUTURE = 5 * 3600


def row_of(page: Page, name: str):  # type: ignore[no-untyped-def]
    return page.locator("tr[data-instance]").filter(
        has=page.get_by_role("link", name=name, exact=True)
    )


def open_instance(page: Page, name: str) -> None:
    page.goto(f"/instances/?q={name}")
    link = page.get_by_role("link", name=name, exact=True)
    # A click opens the side sheet.
    page.goto(link.get_attribute("href") or "")


def test_a_wrong_password_is_told_in_one_sentence(page: Page, demo: Demo) -> None:
    page.goto("/instances/")
    page.locator("[name=login]").fill("nobody")
    page.locator("[name=password]").fill("not the password")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_be_visible()
    expect(page).to_have_url(re.compile("/accounts/login/"))


def test_sign_in_leads_to_the_list_with_ticking_countdowns(
    sign_in: SignIn, demo: Demo
) -> None:
    name = "Größenschätzung-Straße"
    demo.force(name, stops_in_seconds=290)
    page = sign_in("vera")
    clocks = page.locator("[data-stops-at] .clock-text")
    expect(clocks.first).to_be_visible()
    assert int(
        page.locator("[data-stops-at]").first.get_attribute("data-stops-at") or 0
    )
    # Under five minutes the seconds show, and they move without any request.
    page.goto(f"/instances/?q={name}")
    ticking = row_of(page, name).locator("[data-urgency=now] .clock-text")
    expect(ticking).to_be_visible()
    before = ticking.inner_text()
    expect(ticking).not_to_have_text(before)


def test_bad_input_then_good_until_the_cloud_confirms(
    sign_in: SignIn, demo: Demo
) -> None:
    name = "ablation-5000s"
    page = sign_in("anna")
    open_instance(page, name)
    page.locator("#detail [data-row-edit]").click()

    text = page.get_by_label("Description")
    text.fill("Bad <text> & more")
    expect(page.locator("#description-live")).to_contain_text("& < >")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert").first).to_contain_text("Fix the following to save")
    expect(text).to_have_value("Bad <text> & more")
    assert demo.instance(name)["description"] != "Bad <text> & more"

    text.fill("Good words, once more")
    page.locator("[name=auto_stop_hours]").fill("6")
    expect(page.locator("#hours-slider")).to_have_value("6")
    chip = page.locator("#outcome [data-edit]").first
    former = chip.get_attribute("data-edit") if chip.count() else ""
    page.get_by_role("button", name="Save").click()
    page.wait_for_url(re.compile(r"/instances/demo/[^/]+/$"))
    expect(chip).not_to_have_attribute("data-edit", former or "")
    expect(chip).to_have_attribute("data-state", "applied")
    expect(page.locator("#outcome")).to_contain_text("next start")
    there = demo.instance(name)
    assert there["description"] == "Good words, once more"
    assert there["auto_stop"]["duration_seconds"] == 6 * 3600
    page.go_back()
    page.wait_for_url(re.compile(r"/instances/(\?.*)?$"))


def test_a_value_off_the_grid_is_kept_when_only_the_words_change(
    sign_in: SignIn, demo: Demo
) -> None:
    name = "timeseries-lab"
    stored = demo.instance(name)["auto_stop"]["duration_seconds"]
    assert stored % 1800
    page = sign_in("oskar")
    open_instance(page, name)
    page.locator("#detail [data-row-edit]").click()
    page.get_by_label("Description").fill("Only words")
    page.get_by_role("button", name="Save").click()
    chip = page.locator("#outcome [data-edit]").first
    expect(chip).to_have_attribute("data-state", "applied")
    there = demo.instance(name)
    assert there["description"] == "Only words"
    assert there["auto_stop"]["duration_seconds"] == stored


def test_the_list_shows_the_chip_without_a_reload(
    sign_in: SignIn, demo: Demo, browser: Browser
) -> None:
    """One person edits, another one watches the list."""
    name = "defects-lab-55"
    watcher = sign_in("vera")
    watcher.goto(f"/instances/?q={name}")
    loaded = watcher.evaluate("performance.timeOrigin")
    other = browser.new_context(base_url=demo.url)
    try:
        page = other.new_page()
        page.goto("/accounts/login/")
        page.locator("[name=login]").fill("oskar")
        page.locator("[name=password]").fill(PASSWORD)
        page.keyboard.press("Enter")
        page.wait_for_url("**/instances/")
        open_instance(page, name)
        page.locator("#detail [data-row-edit]").click()
        page.get_by_label("Description").fill("Seen from the list")
        page.get_by_role("button", name="Save").click()
        expect(row_of(watcher, name)).to_contain_text("Seen from the list")
        expect(row_of(watcher, name).locator("[data-edit]")).to_have_attribute(
            "data-state", "applied"
        )
        assert watcher.evaluate("performance.timeOrigin") == loaded
    finally:
        other.close()


def test_a_countdown_reaches_zero_and_becomes_stopped(
    sign_in: SignIn, demo: Demo
) -> None:
    name = "class-of-2026"
    page = sign_in("vera")
    page.goto(f"/instances/?q={name}")
    demo.force(name, stops_in_seconds=20)
    row = row_of(page, name)
    text = row.locator("[data-stops-at] .clock-text")
    # The cloud is late: it stays due until the cloud gets round to it.
    expect(text).to_have_text("stopping…")
    expect(text).not_to_contain_text("0:00")
    demo.force(name, stops_in_seconds=0, late_seconds=0)
    expect(row.locator(".status")).to_contain_text("Stopped")
    expect(row).to_contain_text(re.compile("stopped (just now|\\d+ (s|min) ago)"))


def test_focus_and_typed_text_survive_the_polls(sign_in: SignIn, demo: Demo) -> None:
    name = "ocr-finetune"
    page = sign_in("oskar")
    page.goto(f"/instances/?q={name}")
    edit = row_of(page, name).locator("[data-row-edit]")
    edit.focus()
    demo.force(name, description="Changed under the focus")
    expect(row_of(page, name)).to_contain_text("Changed under the focus")
    expect(row_of(page, name).locator("[data-row-edit]")).to_be_focused()


def test_a_row_is_changed_and_opened_where_it_stands(
    sign_in: SignIn, demo: Demo
) -> None:
    """Auto-stop in two clicks, undone in one; the side sheet leaves all as it was."""
    name = "llm-eval-nightly"
    page = sign_in("oskar")
    page.goto(f"/instances/?q={name}")
    listed, loaded = page.url, page.evaluate("performance.timeOrigin")
    before = demo.instance(name)["auto_stop"]["duration_seconds"]
    row = row_of(page, name)
    row.locator("[data-row-edit]").click()
    page.get_by_role("dialog").get_by_role("button", name="12 h").click()
    expect(page.locator("#popover")).to_be_hidden()
    expect(row.locator("[data-state=applied]")).to_be_visible()
    assert demo.instance(name)["auto_stop"]["duration_seconds"] == 12 * 3600
    expect(page.locator("#announcer")).to_contain_text(f"{name}: Applied")
    expect(row.locator("[data-row-edit]")).to_be_focused()
    changed = row.locator("[data-edit]").get_attribute("data-edit")
    row.get_by_role("link", name="Undo").click()
    expect(row.locator("[data-edit]")).not_to_have_attribute("data-edit", changed or "")
    expect(row.locator("[data-state=applied]")).to_be_visible()
    assert demo.instance(name)["auto_stop"]["duration_seconds"] == before
    row.get_by_role("link", name=name, exact=True).focus()
    page.keyboard.press("Enter")
    sheet = page.get_by_role("dialog", name=name)
    expect(sheet.locator(".auto-stop-card")).to_be_visible()
    demo.force(name, description="Changed under the sheet")
    expect(sheet).to_contain_text("Changed under the sheet")
    sheet.locator("[data-row-edit]").click()
    sheet.get_by_label("Description").fill("Typed in the sheet")
    asked: list[str] = []
    page.once("dialog", lambda dialog: (asked.append(dialog.message), dialog.dismiss()))
    page.keyboard.press("Escape")
    expect(sheet.get_by_label("Description")).to_have_value("Typed in the sheet")
    assert asked == ["Discard your unsaved changes?"]
    page.once("dialog", lambda dialog: dialog.accept())
    page.keyboard.press("Escape")
    expect(sheet).to_be_hidden()
    expect(row.get_by_role("link", name=name, exact=True)).to_be_focused()
    assert (page.url, page.evaluate("performance.timeOrigin")) == (listed, loaded)


def test_a_failed_change_is_retried_where_it_stands(
    sign_in: SignIn, demo: Demo
) -> None:
    name = "radar-demo-58"
    page = sign_in("oskar")
    page.goto(f"/instances/?q={name}")
    listed, loaded = page.url, page.evaluate("performance.timeOrigin")
    fault(demo, name, kind="status", status=400, code="ModelArts.6347", times=1)
    row = row_of(page, name)
    row.locator("[data-row-edit]").click()
    page.get_by_role("dialog").get_by_role("button", name="12 h").click()
    expect(row.locator("[data-state=failed]")).to_be_visible()
    expect(page.locator("#announcer")).to_contain_text(f"{name}: Failed")
    failed = row.locator("[data-edit]").get_attribute("data-edit")
    row.get_by_role("link", name="Retry").click()
    expect(row.locator("[data-state=applied]")).to_be_visible()
    expect(row.locator("[data-edit]")).not_to_have_attribute("data-edit", failed or "")
    expect(row.get_by_role("link", name="Retry")).to_have_count(0)
    expect(row.locator("[data-row-edit]")).to_be_focused()
    expect(page.locator("#announcer")).to_contain_text(f"{name}: Applied")
    assert demo.instance(name)["auto_stop"]["duration_seconds"] == 12 * 3600
    assert (page.url, page.evaluate("performance.timeOrigin")) == (listed, loaded)


def test_the_page_recovers_after_the_server_was_away(
    sign_in: SignIn, demo: Demo, complaints: list[str]
) -> None:
    name = "notebook-c6fd"
    page = sign_in("vera")
    page.goto(f"/instances/?q={name}")
    loaded = page.evaluate("performance.timeOrigin")
    demo.signal_web(signal.SIGSTOP)
    frozen_at = time.monotonic()
    try:
        expect(page.locator("#connection")).to_contain_text("Connection lost. Retrying")
        demo.force(name, description="While nobody listened")
        wait_until(lambda: time.monotonic() - frozen_at >= 20)
        expect(row_of(page, name)).to_be_visible()
    finally:
        demo.signal_web(signal.SIGCONT)
    expect(row_of(page, name)).to_contain_text("While nobody listened")
    expect(page.locator("#connection")).not_to_contain_text("lost")
    assert page.evaluate("performance.timeOrigin") == loaded
    # htmx tells the console of every request that got no answer.
    complaints[:] = [text for text in complaints if not text.startswith("htmx:")]


def test_keyboard_only(sign_in: SignIn, demo: Demo) -> None:
    page = sign_in("oskar")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to")).to_be_focused()
    page.keyboard.press("/")
    expect(page.locator("#q")).to_be_focused()
    page.keyboard.type("dialect-classifier")
    page.wait_for_url("**q=dialect-classifier**")
    expect(page.locator("tr[data-instance]")).to_have_count(1)
    link = page.get_by_role("link", name="dialect-classifier", exact=True)
    for _ in range(40):
        page.keyboard.press("Tab")
        if link.evaluate("element => element === document.activeElement"):
            break
    expect(link).to_be_focused()
    page.keyboard.press("Enter")
    edit = page.locator("#detail [data-row-edit]")
    expect(edit).to_be_visible()
    for _ in range(40):
        page.keyboard.press("Tab")
        if edit.evaluate("element => element === document.activeElement"):
            break
    expect(edit).to_be_focused()
    page.keyboard.press("Enter")
    text = page.locator("#edit-form").get_by_label("Description")
    expect(text).to_be_visible()
    for _ in range(40):
        page.keyboard.press("Tab")
        if text.evaluate("element => element === document.activeElement"):
            break
    page.keyboard.press("Control+a")
    page.keyboard.type("Typed without a mouse")
    page.keyboard.press("Tab")
    for _ in range(40):
        if page.evaluate("document.activeElement.id") == "save-button":
            break
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    chip = page.locator("#outcome [data-edit]").first
    expect(chip).to_have_attribute("data-state", "applied")
    assert demo.instance("dialect-classifier")["description"] == "Typed without a mouse"


def test_stop_asks_first_and_says_what_is_lost(sign_in: SignIn, demo: Demo) -> None:
    name = "radar-demo-58"
    page = sign_in("oskar")
    open_instance(page, name)
    page.locator("#stop-button").click()
    question = page.get_by_role("dialog")
    expect(question).to_contain_text("/home/ma-user/work")
    assert demo.instance(name)["status"] == "RUNNING"
    question.get_by_role("button", name="Stop").click()
    expect(page.locator("#actions .status")).to_contain_text(
        re.compile("Stopping|Stopped")
    )
    assert demo.instance(name)["status"] in {"STOPPING", "STOPPED"}


def test_a_viewer_is_offered_nothing(sign_in: SignIn) -> None:
    page = sign_in("vera")
    open_instance(page, "embeddings-refresh")
    expect(page.locator("#detail [data-row-edit]")).to_have_count(0)
    answer = page.request.get(page.url + "edit/")
    assert answer.status == 403


def test_without_javascript_everything_still_works(
    demo: Demo, browser: Browser
) -> None:
    name = "weather-lab-51"
    context: BrowserContext = browser.new_context(
        base_url=demo.url, java_script_enabled=False
    )
    try:
        page = context.new_page()
        page.goto("/")
        page.locator("[name=login]").fill("oskar")
        page.locator("[name=password]").fill(PASSWORD)
        page.keyboard.press("Enter")
        page.wait_for_url("**/instances/")
        open_instance(page, name)
        page.locator("#detail [data-row-edit]").click()
        page.get_by_label("Description").fill("Written without scripts")
        page.get_by_role("button", name="Save").click()
        page.wait_for_url(re.compile(r"/instances/demo/[^/]+/$"))

        def arrived() -> bool:
            page.reload()
            return bool(
                page.locator("[data-edit][data-state=applied]").count()
                and demo.instance(name)["description"] == "Written without scripts"
            )

        wait_until(arrived, seconds=30)
    finally:
        context.close()
