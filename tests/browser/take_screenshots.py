"""Take the pictures of ``docs/screenshots/`` anew, from a demo of its own.

``uv run --group dev python -m tests.browser.take_screenshots
[--language CODE] [FOLDER [NAME ...]]``

With a folder, every page of ``places`` in every size and scheme, to be looked at; with
names, those that begin so. In another language each page is led to in English, then
loaded again: one that htmx put there shows what it was before.
"""

import argparse
import shutil
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from dashboard.ops.demo import PASSWORD
from dashboard.ops.managed_process import PROJECT

from .conftest import Demo
from .places import PLACES, Traces, leave_traces, load_in

FOR_THE_DOCS = PROJECT / "docs" / "screenshots"
SIZES = {1440: 900, 768: 1024, 390: 844}
SWITCHES = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run "
    "--disable-background-networking --disable-component-update --disable-sync"
)


def main() -> None:
    """Start a demo, take the pictures, stop it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--language")
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("names", nargs="*")
    wanted = parser.parse_args()
    folder = wanted.folder or FOR_THE_DOCS
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary, sync_playwright() as playwright:
        demo = Demo(Path(temporary) / "demo")
        try:
            demo.wait_until_ready()
            browser = playwright.chromium.launch(
                executable_path=shutil.which("chromium"), args=SWITCHES.split()
            )
            page = signed_in(browser, demo, "ada").new_page()
            traces = leave_traces(page, demo)
            if wanted.folder:
                names = tuple(wanted.names)
                take_all(browser, traces, folder, names, wanted.language)
            else:
                take_for_the_docs(page, traces, folder)
            browser.close()
        finally:
            demo.end()


def signed_in(browser: Browser, demo: Demo, name: str) -> BrowserContext:
    """A browser of somebody's; of nobody's without a name."""
    context = browser.new_context(
        base_url=demo.url, timezone_id="Europe/Berlin", locale="en-GB"
    )
    if name:
        page = context.new_page()
        page.goto("/accounts/login/?next=/instances/")
        page.locator("[name=login]").fill(name)
        page.locator("[name=password]").fill(PASSWORD)
        page.keyboard.press("Enter")
        page.wait_for_url("/instances/")
        page.close()
    return context


def take_all(
    browser: Browser,
    traces: Traces,
    folder: Path,
    wanted: tuple[str, ...],
    language: str | None,
) -> None:
    """Save ``<name>-<scheme>-<width>.png`` of every place into the folder."""
    people = {place.who for place in PLACES.values()}
    contexts = {name: signed_in(browser, traces.demo, name) for name in people}
    for name, place in PLACES.items():
        if wanted and not name.startswith(wanted):
            continue
        page = contexts[place.who].new_page()
        page.set_viewport_size({"width": 1440, "height": 900})
        place.go(page, traces)
        if language:
            load_in(language, page)
        for width, height in SIZES.items():
            page.set_viewport_size({"width": width, "height": height})
            for scheme in ("light", "dark"):
                page.emulate_media(color_scheme=scheme)
                picture = folder / f"{name}-{scheme}-{width}.png"
                page.screenshot(path=picture, full_page=True, animations="disabled")
        page.close()


def take_for_the_docs(page: Page, traces: Traces, folder: Path) -> None:
    """Save ``<name>-<scheme>.png`` of those shown in the documents."""
    for name, scheme, width, height in (
        ("list", "light", 1280, 800),
        ("list", "dark", 1280, 800),
        ("due", "light", 1280, 1000),
        ("detail", "light", 1280, 900),
        ("edit", "light", 1280, 1000),
        ("list", "phone", 390, 844),
    ):
        page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        page.set_viewport_size({"width": width, "height": height})
        PLACES[name].go(page, traces)
        page.screenshot(path=folder / f"{name}-{scheme}.png")


if __name__ == "__main__":
    main()
