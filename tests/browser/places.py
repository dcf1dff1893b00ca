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
    """Load a page anew in a language, as chosen on the sign-in page.

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
    page.goto(f"{instance}edit/")
    page.get_by_label("Description").fill("Nightly refresh of the product embeddings")
    page.locator("[name=auto_stop_hours]").fill("6")
    page.get_by_role("button", name="Save").click()
    page.locator("#outcome [data-state=applied]").wait_for()
    page.goto("/edits/")
    receipt = page.locator("[data-edit] a").first.get_attribute("href")
    traces.paths["receipt"] = receipt or ""
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
    page.goto("/views/new/?q=gpu")
    page.get_by_label("Name").fill("Everything with a GPU")
    page.locator("main").get_by_role("button", name="Save").click()
    page.goto("/views/")
    view = page.get_by_role("link", name="Change Everything").get_attribute("href")
    traces.paths["view"] = view or ""
    page.goto("/reminders/channels/new/")
    page.get_by_label("Name").fill("Night shift")
    page.get_by_label("Webhook address").fill("https://example.org/hook")
    page.locator("main").get_by_role("button", name="Save").click()
    page.get_by_role("button", name="Send test").wait_for()
    traces.paths["channel"] = page.url.removeprefix(demo.url)
    return traces


def detail_of(page: Page, name: str) -> str:
    """Path of an instance's page."""
    page.goto(f"/instances/?q={name}")
    link = page.get_by_role("link", name=name, exact=True)
    return link.get_attribute("href") or ""


def draft(page: Page, path: str) -> str:
    """Begin a bulk change of all that a list matches; the path of its draft."""
    page.goto(path)
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
    page.goto("/instances/?per_page=100")
    page.locator("#pick-page").wait_for()
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


def _views_menu(page: Page, _: Traces) -> None:
    page.goto("/instances/?status=RUNNING&flavor_type=CPU")
    page.locator("#views-menu > summary").click()


def _shortcuts(page: Page, _: Traces) -> None:
    page.goto("/instances/")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()


def _edit_with_errors(page: Page, traces: Traces) -> None:
    page.goto(f"{traces['instance']}edit/")
    page.get_by_label("Description").fill("Bad <text>")
    page.locator("[name=auto_stop_hours]").fill("25")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert").first).to_contain_text("Fix the following to save")


def _token_made(page: Page, _: Traces) -> None:
    page.goto("/accounts/tokens/")
    make_token(page, "laptop")


def make_token(page: Page, name: str) -> str:
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
    page.goto("/instances/?per_page=100")
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
    page.get_by_label("Name").fill("Autosaved before the session ended")
    page.context.clear_cookies(name=re.compile("session"))
    page.locator("main").get_by_role("button", name="Save").click()
    expect(page.locator("main")).to_contain_text("401")


def _rule_with_errors(page: Page, _: Traces) -> None:
    page.goto("/policies/new/")
    page.get_by_role("button", name="Save policy").click()
    page.locator(".errorlist").first.wait_for()


def _person_with_errors(page: Page, _: Traces) -> None:
    page.goto("/people/add/")
    page.get_by_label("Username").fill("not a name!")
    page.locator("[name=role]").first.check()
    page.locator("main form button[type=submit]").click()
    page.locator(".errorlist").first.wait_for()


def _channel_with_errors(page: Page, _: Traces) -> None:
    page.goto("/reminders/channels/new/")
    page.get_by_label("Webhook address").fill("http://10.0.0.1/")
    page.locator("main").get_by_role("button", name="Save").click()
    page.locator(".errorlist").first.wait_for()


def _reminder_act(page: Page, _: Traces) -> None:
    page.goto("/reminders/")
    page.locator(".inbox").get_by_role("link", name="Stop now").first.click()
    page.locator("main").get_by_role("button", name="Stop now").wait_for()


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
    "shortcuts": Place("instances:list", _shortcuts),
    "detail": Place("instances:detail", of("instance")),
    "detail-viewer": Place("instances:detail", of("instance"), "vera"),
    "edit": Place("edits:edit", of("instance", "edit/")),
    "edit-errors": Place("edits:edit", _edit_with_errors),
    "edit-conflict": Place("edits:edit", _conflict),
    "start": Place("edits:start", of("stopped", "start/")),
    "stop": Place("edits:stop", of("instance", "stop/")),
    "edits": Place("edits:list", at("/edits/")),
    "receipt": Place("edits:detail", of("receipt")),
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
    "due": Place("handover:due", at("/due/")),
    "due-flavours": Place("handover:due", at("/due/?group=flavor")),
    "due-nothing": Place("handover:due", at("/due/?owner=nobody")),
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
    "reminder-link": Place("reminders:act", at("/reminders/act/broken/")),
    "reminder-settings": Place("reminders:settings", at("/reminders/settings/")),
    "reminder-settings-li": Place(
        "reminders:settings", at("/reminders/settings/"), "li"
    ),
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
    "account": Place("mfa_index", at("/accounts/2fa/")),
    "sessions": Place("usersessions_list", at("/accounts/sessions/")),
    "token-made": Place("tokens:mine", _token_made),
    "tokens": Place("tokens:mine", at("/accounts/tokens/")),
    "tokens-of-all": Place("tokens:everybodys", at("/people/tokens/")),
    "password": Place("account_change_password", at("/accounts/password/change/")),
    "is-it-you": Place("account_reauthenticate", at("/accounts/reauthenticate/")),
    # As somebody who goes nowhere else: their browser is signed out then.
    "signed-out": Place("401", _signed_out_of_a_form, "oskar"),
    "not-found": Place("404", at("/nowhere/")),
    "not-allowed": Place("403", at("/people/"), "vera"),
}
