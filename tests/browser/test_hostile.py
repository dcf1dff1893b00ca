"""A fleet whose every text is an attack: no page runs, sends or builds any of it.

``dashboard/emulator/hostile.py`` has the payloads.
"""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Dialog, Error, Page, Request

from dashboard.emulator.hostile import PAYLOADS
from dashboard.ops.demo import PASSWORD

from .conftest import Demo

pytestmark = [pytest.mark.browser, pytest.mark.stack, pytest.mark.timeout(400)]

FLEET = 40  # half of them notebooks
assert len(PAYLOADS) <= FLEET

WATCH = """
window.marks = [];
window.pwned = () => window.marks.push("script");
document.addEventListener("securitypolicyviolation",
  (event) => window.marks.push(`policy: ${event.violatedDirective}`));
"""
FOREIGN = r"""() => {
  const found = [...window.marks];
  for (const one of document.querySelectorAll("*")) {
    if (/pwned/i.test(one.getAttribute("class")))
      found.push(`element: ${one.outerHTML}`);
    for (const { name, value } of one.attributes) {
      if (/^(on|hx-on|data-hx-)/.test(name)) found.push(`attribute: ${name}`);
      if (name.startsWith("hx-") && /\/pwned"/i.test(value)) found.push(name);
      if (/^(src|action|formaction)$/.test(name) && /pwned|evil/i.test(value))
        found.push(`${name}: ${value}`);
      if (name === "href" && /^\s*(javascript|data|vbscript):|^(https?:)?\/\/evil/i
          .test(value)) found.push(`${name}: ${value}`);
    }
  }
  if (document.querySelector("iframe, base, object, embed, style, meta[http-equiv]"))
    found.push("an element that no page of ours has");
  return found;
}"""
TWO_FRAMES = """() => new Promise((done) =>
  requestAnimationFrame(() => requestAnimationFrame(() => done())))"""


@pytest.fixture(scope="module")
def hostile(
    tmp_path_factory: pytest.TempPathFactory, browser: Browser
) -> Iterator[Demo]:
    """A demo of its own on the hostile fleet."""
    folder = tmp_path_factory.mktemp("hostile") / "demo"
    demo = Demo(folder, "--hostile", "--fleet", str(FLEET))
    try:
        demo.wait_until_ready()
        yield demo
    finally:
        demo.end()


@pytest.fixture
def page_and_marks(hostile: Demo, browser: Browser) -> Iterator[tuple[Page, list[str]]]:
    """A page of ada's, and what it did that no page should."""
    context = browser.new_context(base_url=hostile.url)
    context.add_init_script(WATCH)
    page = context.new_page()
    found: list[str] = []

    def judge(request: Request) -> None:
        path = request.url.removeprefix(hostile.url).partition("?")[0]
        if path.lower().startswith("/pwned") or not request.url.startswith(hostile.url):
            found.append(f"request: {request.method} {request.url[:100]}")

    def dismiss(dialog: Dialog) -> None:
        found.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    page.on("request", judge)
    page.on("dialog", dismiss)
    page.on("pageerror", lambda error: found.append(f"error: {error}"))
    page.goto("/accounts/login/")
    page.locator("[name=login]").fill("ada")
    page.locator("[name=password]").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/instances/")
    yield page, found
    context.close()


def check(page: Page, found: list[str], where: str) -> None:
    try:
        # By then everything has fired that fires on load.
        page.evaluate(TWO_FRAMES)
        foreign = page.evaluate(FOREIGN)
    except Error as error:
        foreign = [f"the page led away by itself: {error.message}"]
    assert [*foreign, *found] == [], where


def instances(page: Page, found: list[str]) -> list[str]:
    page.goto("/instances/?per_page=100")
    check(page, found, "the list")
    links = page.locator("tr[data-instance] [data-row-link]")
    paths: list[str] = links.evaluate_all("all => all.map(a => a.getAttribute('href'))")
    return paths


def test_the_list_and_the_pages_around_it(
    page_and_marks: tuple[Page, list[str]],
) -> None:
    page, found = page_and_marks
    assert len(instances(page, found)) == FLEET, "each is shown, whatever it is called"
    for path in (
        "/instances/?per_page=100",
        "/instances/?q=%3Cscript%3Epwned()%3C/script%3E&sort=%22onload=pwned()",
        "/instances/?generation=notebooks&tag=%3Cscript%3Epwned()%3C/script%3E",
        "/instances/clouds/",
        "/due/",
        "/edits/",
        "/audit/",
        "/audit/?target=%3Cscript%3Epwned()%3C/script%3E&since=%22%3E%3Cscript%3E",
        "/no/such/%3Cscript%3Epwned()%3C/script%3E",
    ):
        page.goto(path)
        check(page, found, path)


def test_every_page_of_every_instance(page_and_marks: tuple[Page, list[str]]) -> None:
    page, found = page_and_marks
    visited = set()
    for path in instances(page, found):
        page.goto(path)
        check(page, found, path)
        links = page.locator("main a").evaluate_all(
            "all => all.map(a => a.getAttribute('href'))"
        )
        for action in ("edit/", "start/", "stop/", "extend/"):
            if f"{path}{action}" in links:
                visited.add(action)
                page.goto(f"{path}{action}")
                check(page, found, f"{path}{action}")
    assert visited == {"edit/", "start/", "stop/", "extend/"}


def test_a_poll_brings_none_of_it_to_life(
    page_and_marks: tuple[Page, list[str]], hostile: Demo
) -> None:
    page, found = page_and_marks
    page.goto("/instances/?per_page=100")
    news = '<b class=pwned hx-post="/pwned" hx-trigger="load">new</b>'
    ids: list[str] = page.locator("tr[data-instance]").evaluate_all(
        "all => all.map(row => row.dataset.instance)"
    )
    changes: dict[str, Any] = {"name": news, "description": news}
    old = next(each for each in ids if re.fullmatch(r"DE-[\w-]+", each))
    new = next(each for each in ids if re.fullmatch(r"[0-9a-f-]{36}", each))
    hostile.cloud.post(f"/instances/{old}", json=changes).raise_for_status()
    changes["tags"] = {news: news}
    hostile.cloud.post(f"/notebooks/{new}", json=changes).raise_for_status()
    for number in range(2):
        link = page.locator("[data-row-link]", has_text=">new</b>").nth(number)
        link.wait_for(timeout=60_000)
    assert page.locator(".tag", has_text=">new</b>=").count() == 1
    check(page, found, "after a poll")
