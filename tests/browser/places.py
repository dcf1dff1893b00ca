"""Every page of the app, in each state worth looking at, and who gets to see it.

One list for the accessibility tests and for the screenshots. A route without a line
here fails ``tests/web/test_tour.py``.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import urljoin

from playwright.sync_api import Page, Route, expect

from dashboard.ops.demo import PASSWORD

from .conftest import FAR_BEYOND_MS, Demo

RUNS = "embeddings-refresh"
STOPPED = "fraud-features"
CHANGED = "notebook-b1b8"
NOTEBOOKS = {
    "notebook": "speaker-id",
    "idle": "interactive-lab",
    "stopped-notebook": "customer-segments",
}
"""Of the new API, by what they stand for."""

FAULTY = ("weekend-job", "prévision-été")
SLOW = ("한국어-분류기", "auto-stop-off")


@dataclass
class Traces:
    """What was left behind for pages to show: their paths, by name."""

    demo: Demo
    paths: dict[str, str] = field(default_factory=dict)

    def __getitem__(self, name: str) -> str:
        """The path of a page that is not the same in every demo."""
        return self.paths[name]


class Place(NamedTuple):
    """One page in one state.

    Attributes:
        route: Name of its address, for the list of what is covered.
        go: Leads a browser there.
        who: Signs in; empty: nobody.
    """

    route: str
    go: Callable[[Page, Traces], object]
    who: str = "ada"


def load_in(language: str, page: Page) -> None:
    """Load a page again in a language, as chosen on the sign-in page.

    What htmx has put there shows what it was before.
    """
    site = urljoin(page.url, "/")
    page.context.add_cookies(
        [{"name": "curfew_language", "value": language, "url": site}]
    )
    page.reload()
    page.context.clear_cookies(name="curfew_language")


def leave_traces(page: Page, demo: Demo) -> Traces:
    """As ada: edit, draft, preview and deliver something, with and without failures."""
    page.set_default_timeout(FAR_BEYOND_MS)
    traces = Traces(demo)
    instance = detail_of(page, RUNS)
    traces.paths["instance"] = instance
    traces.paths["stopped"] = detail_of(page, STOPPED)
    traces.paths["changed"] = detail_of(page, CHANGED)
    for trace, name in NOTEBOOKS.items():
        traces.paths[trace] = detail_of(page, name)
    page.goto(f"{instance}edit/")
    page.get_by_label("Description").fill("Nightly refresh of the product embeddings")
    page.locator("[name=auto_stop_hours]").fill("6")
    page.get_by_role("button", name="Save").click()
    page.locator("#outcome [data-state=applied]").wait_for()
    page.goto("/edits/")
    change = page.locator("[data-edit] a").first.get_attribute("href")
    traces.paths["change"] = change or ""
    traces.paths["undo"] = f"{change}undo/"
    traces.paths["draft"] = draft(page, "/instances/?owner=anna.schmidt")
    traces.paths["preview"] = draft(page, "/instances/?per_page=25")
    preview(page, "12")
    for name in FAULTY:
        fault(demo, name, kind="status", status=400, code="ModelArts.6347")
    traces.paths["batch"] = batch(page, *FAULTY, CHANGED)
    expect(page.locator("#outcome")).to_contain_text("Not all done.")
    demo.cloud.delete("/faults").raise_for_status()
    page.goto("/people/")
    person = page.locator("[data-row-link]").first.get_attribute("href")
    traces.paths["person"] = person or ""
    page.goto("/people/teams/")
    team = page.locator("[data-row-link]").first.get_attribute("href")
    traces.paths["team"] = team or ""
    page.goto("/views/new/?q=gpu")
    page.get_by_label("Name").fill("Everything with a GPU")
    page.locator("main").get_by_role("button", name="Save").click()
    page.goto("/views/")
    view = page.get_by_role("link", name="Edit Everything").get_attribute("href")
    traces.paths["view"] = view or ""
    page.goto("/reminders/channels/new/")
    page.get_by_label("Name").fill("Night shift")
    page.get_by_label("Webhook URL").fill("https://example.org/hook")
    page.locator("main").get_by_role("button", name="Save").click()
    page.get_by_role("button", name="Send test").wait_for()
    traces.paths["channel"] = page.url.removeprefix(demo.url)
    page.goto("/policies/schedules/holidays/")
    page.get_by_label("Name").fill("Berlin")
    page.get_by_role("button", name="Create calendar").click()
    page.get_by_label("Days, one per line").fill("2026-12-25 Christmas")
    page.get_by_role("button", name="Add days").click()
    page.get_by_text("1 day added.").wait_for()
    traces.paths["holidays"] = page.url.removeprefix(demo.url)
    page.goto("/costs/prices/new/")
    page.get_by_label("Flavor").fill("modelarts.vm.gpu.*")
    page.get_by_label("An hour while running").fill("12.50")
    page.get_by_label("Currency").fill("EUR")
    page.get_by_role("button", name="Save price").click()
    page.get_by_text("Price added.").wait_for()
    price = page.get_by_role("link", name="modelarts.vm.gpu.*", exact=True)
    traces.paths["price"] = price.first.get_attribute("href") or ""
    page.goto("/policies/schedules/new/")
    page.get_by_label("Name").fill("Office hours of a tour")
    page.get_by_label("Berlin", exact=True).check()
    page.get_by_role("button", name="Save schedule").click()
    page.locator("#switch-on").wait_for()
    traces.paths["schedule"] = page.url.removeprefix(demo.url)
    page.goto("/costs/budgets/new/")
    page.get_by_label("Name").fill("Everything of a tour")
    page.get_by_label("Amount a month").fill("5000")
    page.get_by_label("Currency").fill("EUR")
    page.get_by_role("button", name="Save budget").click()
    page.get_by_role("link", name="Edit").wait_for()
    traces.paths["budget"] = page.url.removeprefix(demo.url)
    return traces


def detail_of(page: Page, name: str) -> str:
    """Path of an instance's page."""
    page.goto(f"/instances/?q={name}")
    link = page.get_by_role("link", name=name, exact=True)
    return link.get_attribute("href") or ""


def draft(page: Page, path: str) -> str:
    """Begin a bulk change of all that a list matches; the path of its draft."""
    page.goto(path)
    page.locator("#pick-page").check()
    page.locator("#bulk-matching").click()
    page.wait_for_url("**/bulk/*/")
    return page.url.partition("/bulk/")[1] + page.url.partition("/bulk/")[2]


def preview(page: Page, hours: str) -> None:
    """Choose auto-stop with so many hours for a draft."""
    page.get_by_label("same run time for all").check()
    page.get_by_label("in hours").fill(hours)
    page.get_by_role("button", name="Preview").click()
    page.locator("#confirm-button").wait_for()


def batch(page: Page, *names: str) -> str:
    """Give these a run time of 4.5 hours; the path of the batch."""
    page.goto("/instances/?per_page=100&generation=demanager")
    # A draft that was left unconfirmed keeps its selection.
    page.locator("#pick-none").click()
    for name in names:
        page.get_by_label(f"Select {name}", exact=True).check()
    page.locator("#bulk-picked").click()
    page.wait_for_url("**/bulk/*/")
    preview(page, "4.5")
    page.locator("#confirm-button").click()
    page.wait_for_url("**/batches/*/")
    return "/batches/" + page.url.partition("/batches/")[2]


def fault(demo: Demo, name: str, **what: object) -> None:
    """Let updates of one instance go wrong."""
    struck = {"route": "update", "instance_id": demo.instance(name)["id"]}
    demo.cloud.post("/faults", json=struck | what).raise_for_status()


def at(path: str) -> Callable[[Page, Traces], object]:
    """Go to a fixed path."""
    return lambda page, _: page.goto(path)


def of(name: str, more: str = "") -> Callable[[Page, Traces], object]:
    """Go to a page of something that was left behind."""
    return lambda page, traces: page.goto(traces[name] + more)


def _rows_ticked(page: Page, _: Traces) -> None:
    page.goto("/instances/")
    for number in range(3):
        page.locator("input[name=pick]").nth(number).check()
    expect(page.locator("#picked-count")).to_have_text("3 selected")


def _budget_with_errors(page: Page, _: Traces) -> None:
    page.goto("/costs/budgets/new/")
    page.get_by_label("Owner", exact=True).first.check()
    page.get_by_role("button", name="Save budget").click()
    expect(page.get_by_role("alert").first).to_contain_text("Not saved.")


def _views_menu(page: Page, _: Traces) -> None:
    page.goto("/instances/?status=RUNNING&flavor_type=CPU")
    page.locator("#views-menu > summary").click()


def _display_menu(page: Page, _: Traces) -> None:
    page.goto("/instances/?owner=@me")
    page.locator("#display-menu > summary").click()


def _filter_menu(page: Page, _: Traces) -> None:
    page.goto("/instances/?status=RUNNING&owner=!li.wei")
    page.locator("#filter-menu > summary").click()


def _shortcuts(page: Page, _: Traces) -> None:
    page.goto("/instances/")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()


def _palette(page: Page, _: Traces) -> None:
    page.goto("/instances/")
    page.keyboard.press("Control+k")
    page.get_by_role("combobox").fill("gpu")
    expect(page.get_by_role("option", name="Search in the list")).to_be_visible()


def _edit_with_errors(page: Page, traces: Traces) -> None:
    page.goto(f"{traces['instance']}edit/")
    page.get_by_label("Description").fill("Bad <text>")
    page.locator("[name=auto_stop_hours]").fill("25")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert").first).to_contain_text("Fix the following to save")


def _notebook_with_errors(page: Page, traces: Traces) -> None:
    page.goto(f"{traces['notebook']}edit/")
    page.get_by_label("Name").fill("not a name!")
    page.get_by_role("button", name="Add tag").click()
    page.get_by_label("Key", exact=True).last.fill("a&b")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert").first).to_contain_text("Fix the following to save")


def _extend_with_errors(page: Page, traces: Traces) -> None:
    page.goto(f"{traces['notebook']}extend/")
    page.get_by_label("Or stop this many hours").fill("999")
    page.get_by_role("button", name="Extend", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("Not extended.")


def _token_made(page: Page, _: Traces) -> None:
    page.goto("/accounts/tokens/")
    create_token(page, "laptop")


def create_token(page: Page, name: str) -> str:
    """From the page of tokens: make one; its text. It asks who is there before."""
    page.get_by_label("Name").fill(name)
    page.get_by_role("button", name="Create token").click()
    page.locator("[name=password], .secret").first.wait_for()
    if page.locator("[name=password]").count():
        page.locator("[name=password]").fill(PASSWORD)
        page.keyboard.press("Enter")
    return page.locator(".secret").text_content() or ""


def _conflict(page: Page, traces: Traces) -> None:
    page.goto(f"{traces['changed']}edit/")
    words = f"Somebody else was here at {page.evaluate('performance.timeOrigin')}"
    traces.demo.force(CHANGED, description=words)
    with page.context.expect_page() as other:
        page.evaluate("path => window.open(path)", traces["changed"])
    expect(other.value.locator("main")).to_contain_text(words)
    other.value.close()
    page.get_by_label("Description").fill("My own words")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("main")).to_contain_text(words)


def _batch_under_way(page: Page, traces: Traces) -> None:
    """As it is a moment after the yes, for as long as anybody looks."""

    def nothing_new(route: Route) -> None:
        route.fulfill(status=204)

    for name in SLOW:
        fault(traces.demo, name, kind="delay", latency_seconds=5, times=1)
    page.route("**/batches/*/progress*", nothing_new)
    page.goto("/instances/")
    # What was chosen before need not be so any more.
    hours = traces.paths.setdefault("hours", "3")
    traces.paths["hours"] = f"{float(hours) + 0.5:g}"
    page.goto("/instances/?per_page=100&generation=demanager")
    for name in SLOW:
        page.get_by_label(f"Select {name}", exact=True).check()
    page.locator("#bulk-picked").click()
    preview(page, hours)
    page.locator("#confirm-button").click()
    expect(page.locator("#outcome")).to_contain_text("In progress")


def _bulk_nothing(page: Page, _: Traces) -> None:
    page.goto("/instances/")
    page.evaluate(
        """() => { const button = document.getElementById("bulk-picked");
        button.disabled = false; button.click(); }"""
    )
    expect(page.locator("main")).to_contain_text("No instances selected")


def _draft_with_errors(page: Page, traces: Traces) -> None:
    page.goto(traces["draft"])
    page.get_by_label("same run time for all").check()
    page.get_by_label("in hours").fill("99")
    page.get_by_role("button", name="Preview").click()
    page.locator("#hours-errors").wait_for()


def _bulk_number_wrong(page: Page, traces: Traces) -> None:
    page.goto(traces["preview"])
    page.get_by_label("the number of instances").fill("1")
    page.locator("#confirm-button").click()
    page.locator("#number-fault").wait_for()


def _signed_out_of_a_form(page: Page, _: Traces) -> None:
    """Fill in a form whose session ends before it is sent."""
    page.goto("/views/new/?q=x")
    page.get_by_label("Name").fill("Typed before the session ended")
    page.context.clear_cookies(name=re.compile("session"))
    page.locator("main").get_by_role("button", name="Save").click()
    expect(page.locator("main")).to_contain_text("401")


def _rule_with_errors(page: Page, _: Traces) -> None:
    page.goto("/policies/new/")
    page.get_by_role("button", name="Save policy").click()
    page.locator(".errorlist").first.wait_for()


def _schedule_with_errors(page: Page, _: Traces) -> None:
    page.goto("/policies/schedules/new/")
    page.locator("[name=times-0-stop]").fill("25:00")
    page.get_by_role("button", name="Save schedule").click()
    page.locator(".errorlist").first.wait_for()


def _person_with_errors(page: Page, _: Traces) -> None:
    page.goto("/people/add/")
    page.get_by_label("Username").fill("not a name!")
    page.locator("[name=role]").first.check()
    page.locator("main form button[type=submit]").click()
    page.locator(".errorlist").first.wait_for()


def _import_preview(page: Page, _: Traces) -> None:
    page.goto("/people/import/")
    lines = "username,role,owners\nnew,viewer,someone\nother,chief,\nanna,,li.wei"
    page.get_by_label("Or paste the lines").fill(lines)
    page.get_by_role("button", name="Preview").click()
    page.get_by_role("button", name="Import").wait_for()


def _price_with_errors(page: Page, _: Traces) -> None:
    page.goto("/costs/prices/new/")
    page.get_by_label("An hour while running").fill("1,234")
    page.get_by_role("button", name="Save price").click()
    page.locator(".errorlist").first.wait_for()


def _prices_preview(page: Page, _: Traces) -> None:
    page.goto("/costs/prices/import/")
    lines = (
        "flavor,running,currency,valid_from\nmodelarts.vm.cpu.*,0.35,EUR,2026-01-01\n"
        "modelarts.vm.gpu.*,11,EUR,\nmodelarts.kat1.xlarge,free,EUR,"
    )
    page.get_by_label("Or paste the lines").fill(lines)
    page.get_by_role("button", name="Preview").click()
    page.get_by_role("button", name="Import").wait_for()


def _prices_fetched(page: Page, _: Traces) -> None:
    page.goto("/costs/prices/fetch/")
    page.get_by_role("button", name="Fetch prices").first.click()
    page.locator("#answer form").wait_for()


def _channel_with_errors(page: Page, _: Traces) -> None:
    page.goto("/reminders/channels/new/")
    page.get_by_label("Webhook URL").fill("http://10.0.0.1/")
    page.locator("main").get_by_role("button", name="Save").click()
    page.locator(".errorlist").first.wait_for()


def open_inbox(page: Page) -> None:
    """Open the inbox, and the lists in it."""
    page.goto("/reminders/")
    for more in page.locator(".inbox summary").all():
        more.click()


def _digest_off(page: Page, _: Traces) -> None:
    page.goto("/costs/digest/")
    text = page.locator(".digest-text").text_content() or ""
    page.goto("/costs/digest/off/" + text.partition("/costs/digest/off/")[2].strip())


def _reminder_act(page: Page, _: Traces) -> None:
    _follow_a_reminder(page, "Stop now", "main form button.danger")


def _reminder_extend(page: Page, _: Traces) -> None:
    _follow_a_reminder(page, "Extend", "main .ends")


def _follow_a_reminder(page: Page, name: str, asks: str) -> None:
    """Open the first link of the inbox that still asks: some runs have ended since."""
    open_inbox(page)
    links = page.locator(".inbox").get_by_role("link", name=name).all()
    for address in [link.get_attribute("href") for link in links]:
        page.goto(address or "")
        if page.locator(asks).count():
            return
    raise AssertionError(f"no notification asks to {name.lower()}")


def _wall(page: Page, _: Traces) -> None:
    page.goto("/walls/")
    page.goto(page.locator("[data-row-link]").last.get_attribute("href") or "")


def _wrong_password(page: Page, _: Traces) -> None:
    page.goto("/accounts/login/")
    page.locator("[name=login]").fill("nobody-at-all")
    page.locator("[name=password]").fill("wrong")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_be_visible()


PLACES: dict[str, Place] = {
    "sign-in": Place("account_login", at("/accounts/login/"), ""),
    "sign-in-refused": Place("account_login", _wrong_password, ""),
    "home": Place("home", at("/?mine=1"), "li"),
    "list": Place("instances:list", at("/instances/")),
    "list-viewer": Place("instances:list", at("/instances/"), "vera"),
    "list-ticked": Place("instances:list", _rows_ticked),
    "list-nothing": Place("instances:list", at("/instances/?q=nothing-is-so-called")),
    "list-menu": Place("instances:list", _views_menu),
    "list-filters": Place("instances:list", _filter_menu),
    "list-display": Place("instances:list", _display_menu),
    "palette": Place("instances:palette", _palette),
    "shortcuts": Place("instances:list", _shortcuts),
    "clouds": Place("instances:clouds", at("/instances/clouds/")),
    "system": Place("system:overview", at("/system/")),
    "system-operator": Place("system:overview", at("/system/"), "oskar"),
    "release-notes": Place("system:release_notes", at("/system/release-notes/")),
    "detail": Place("instances:detail", of("instance")),
    "detail-viewer": Place("instances:detail", of("instance"), "vera"),
    "edit": Place("edits:edit", of("instance", "edit/")),
    "edit-errors": Place("edits:edit", _edit_with_errors),
    "edit-conflict": Place("edits:edit", _conflict),
    "start": Place("edits:start", of("stopped", "start/")),
    "stop": Place("edits:stop", of("instance", "stop/")),
    "restart": Place("edits:restart", of("instance", "restart/")),
    "extend": Place("edits:extend", of("notebook", "extend/")),
    "extend-errors": Place("edits:extend", _extend_with_errors),
    "extend-idle": Place("edits:extend", of("idle", "extend/")),
    "extend-refused": Place("edits:extend", of("instance", "extend/")),
    "overrides": Place("edits:overrides", at("/policies/overrides/?whose=all")),
    "override": Place("edits:override", of("instance", "override/")),
    "override-ignore": Place("edits:override", of("notebook", "override/?kind=ignore")),
    "detail-notebook": Place("instances:detail", of("notebook")),
    "edit-notebook": Place("edits:edit", _notebook_with_errors),
    "start-notebook": Place("edits:start", of("stopped-notebook", "start/")),
    "edits": Place("edits:list", at("/edits/")),
    "change": Place("edits:detail", of("change")),
    "undo": Place("edits:undo", of("undo")),
    "bulk-nothing": Place("edits:bulk", _bulk_nothing),
    "bulk-draft": Place("edits:bulk_draft", of("draft")),
    "bulk-draft-errors": Place("edits:bulk_draft", _draft_with_errors),
    "bulk-preview": Place("edits:bulk_draft", of("preview")),
    "bulk-number-wrong": Place("edits:bulk_draft", _bulk_number_wrong),
    "batches": Place("edits:batches", at("/batches/")),
    "batch-under-way": Place("edits:batch", _batch_under_way),
    "batch-failures": Place("edits:batch", of("batch")),
    "batch-left-out": Place("edits:batch", of("batch", "?state=skipped")),
    "rules": Place("policies:rules", at("/policies/")),
    "rule-new": Place("policies:new", at("/policies/new/")),
    "rule-errors": Place("policies:new", _rule_with_errors),
    "rule": Place("policies:rule", at("/policies/1/")),
    "rule-acting": Place("edits:acting", at("/policies/1/acting/")),
    "compliance": Place("policies:compliance", at("/policies/compliance/")),
    "compliance-li": Place("policies:compliance", at("/policies/compliance/"), "li"),
    "exceptions": Place("policies:exceptions", at("/policies/exceptions/")),
    "exception-ask": Place("policies:ask", at("/policies/1/exceptions/1/")),
    "schedules": Place("schedules:list", at("/policies/schedules/")),
    "schedules-viewer": Place("schedules:list", at("/policies/schedules/"), "vera"),
    "schedule": Place("schedules:schedule", of("schedule")),
    "schedule-viewer": Place("schedules:schedule", of("schedule"), "vera"),
    "schedule-new": Place("schedules:new", at("/policies/schedules/new/")),
    "schedule-edit": Place("schedules:edit", of("schedule", "edit/")),
    "schedule-errors": Place("schedules:new", _schedule_with_errors),
    "holiday-calendars": Place(
        "schedules:calendars", at("/policies/schedules/holidays/")
    ),
    "holidays": Place("schedules:calendar", of("holidays")),
    "holidays-viewer": Place("schedules:calendar", of("holidays"), "vera"),
    "budgets": Place("costs:budgets", at("/costs/budgets/")),
    "budgets-li": Place("costs:budgets", at("/costs/budgets/"), "li"),
    "budget": Place("costs:budget", of("budget")),
    "budget-new": Place("costs:new_budget", at("/costs/budgets/new/")),
    "budget-errors": Place("costs:new_budget", _budget_with_errors),
    "budget-edit": Place("costs:edit_budget", of("budget", "edit/")),
    "prices": Place("costs:prices", at("/costs/prices/")),
    "prices-viewer": Place("costs:prices", at("/costs/prices/"), "vera"),
    "price": Place("costs:price", of("price")),
    "price-new": Place("costs:new_price", at("/costs/prices/new/")),
    "price-errors": Place("costs:new_price", _price_with_errors),
    "price-remove": Place("costs:remove_price", of("price", "remove/")),
    "prices-import": Place("costs:import_prices", at("/costs/prices/import/")),
    "prices-import-preview": Place("costs:import_prices", _prices_preview),
    "prices-fetch": Place("costs:fetch_prices", at("/costs/prices/fetch/")),
    "prices-fetched": Place("costs:proposal", _prices_fetched),
    "digest": Place("digests:preview", at("/costs/digest/")),
    "digest-anna": Place("digests:preview", at("/costs/digest/"), "anna"),
    "digest-off": Place("digests:off", _digest_off, "anna"),
    "digest-off-broken": Place("digests:off", at("/costs/digest/off/broken/"), ""),
    "question": Place("edits:question", at("/questions/1/")),
    "answer-broken": Place("reminders:answer", at("/reminders/answer/broken/"), ""),
    "due": Place("handover:due", at("/due/")),
    "due-flavours": Place("handover:due", at("/due/?group=flavor")),
    "due-nothing": Place("handover:due", at("/due/?owner=nobody")),
    "costs": Place("costs:report", at("/costs/")),
    "costs-hours": Place("costs:report", at("/costs/?measure=hours&step=week")),
    "costs-scientist": Place("costs:report", at("/costs/?period=last_week"), "li"),
    "costs-errors": Place(
        "costs:report", at("/costs/?period=custom&since=2026-02-01&until=2026-01-01")
    ),
    "runs": Place("costs:runs", at("/costs/runs/")),
    "savings": Place("costs:savings", at("/costs/savings/")),
    "handovers": Place("handover:list", at("/handover/")),
    "handovers-viewer": Place("handover:list", at("/handover/"), "vera"),
    "handover-new": Place("handover:new", at("/handover/new/")),
    "handover": Place("handover:handover", at("/handover/1/")),
    "handover-draft": Place("handover:handover", at("/handover/2/")),
    "handover-publish": Place("handover:publish", at("/handover/2/publish/")),
    "walls": Place("handover:walls", at("/walls/")),
    "wall-link": Place("handover:wall_link", at("/walls/1/")),
    "wall": Place("handover:wall", _wall),
    "wall-gone": Place("handover:wall", at("/wall/nobody-made-this/"), ""),
    "views": Place("saved:list", at("/views/")),
    "view-new": Place("saved:new", at("/views/new/?q=x")),
    "view": Place("saved:view", of("view")),
    "reminders": Place("reminders:inbox", at("/reminders/")),
    "reminders-none": Place("reminders:inbox", at("/reminders/"), "vera"),
    "reminder-act": Place("reminders:act", _reminder_act),
    "reminder-extend": Place("reminders:act", _reminder_extend),
    "reminder-link": Place("reminders:act", at("/reminders/act/broken/")),
    "reminder-settings": Place("reminders:settings", at("/reminders/settings/")),
    "reminder-settings-li": Place(
        "reminders:settings", at("/reminders/settings/"), "li"
    ),
    "on-call": Place("reminders:on_call", at("/reminders/on-call/")),
    "reminder-log": Place("reminders:log", at("/reminders/log/")),
    "channels": Place("reminders:channels", at("/reminders/channels/")),
    "channel-new": Place("reminders:new_channel", at("/reminders/channels/new/")),
    "channel-errors": Place("reminders:new_channel", _channel_with_errors),
    "channel": Place("reminders:channel", of("channel")),
    "audit": Place("audit:list", at("/audit/")),
    "people": Place("people:list", at("/people/")),
    "person": Place("people:person", of("person")),
    "person-add": Place("people:add", at("/people/add/")),
    "person-add-errors": Place("people:add", _person_with_errors),
    "people-import": Place("people:import", at("/people/import/")),
    "people-import-preview": Place("people:import", _import_preview),
    "owners": Place("people:owners", at("/people/owners/")),
    "teams": Place("people:teams", at("/people/teams/")),
    "team": Place("people:team", of("team")),
    "team-add": Place("people:add_team", at("/people/teams/add/")),
    "account": Place("mfa_index", at("/accounts/2fa/")),
    "sessions": Place("usersessions_list", at("/accounts/sessions/")),
    "token-made": Place("tokens:mine", _token_made),
    "tokens": Place("tokens:mine", at("/accounts/tokens/")),
    "tokens-of-all": Place("tokens:all", at("/people/tokens/")),
    "password": Place("account_change_password", at("/accounts/password/change/")),
    "is-it-you": Place("account_reauthenticate", at("/accounts/reauthenticate/")),
    # As somebody who goes nowhere else: their browser is signed out then.
    "signed-out": Place("401", _signed_out_of_a_form, "oskar"),
    "not-found": Place("404", at("/nowhere/")),
    "not-allowed": Place("403", at("/people/"), "vera"),
}
