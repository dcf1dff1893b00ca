"""Take the pictures of ``docs/screenshots/`` anew, from a demo of its own.

``uv run --group dev python -m tests.browser.take_screenshots [FOLDER]``; with a folder,
every page in every size and scheme, to be looked at.
"""

import shutil
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from dashboard.ops.child import PROJECT
from dashboard.ops.demo import PASSWORD

from .conftest import Demo

FOR_THE_DOCS = PROJECT / "docs" / "screenshots"
SIZES = {1440: 900, 768: 1024, 390: 844}
SWITCHES = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run "
    "--disable-background-networking --disable-component-update --disable-sync"
)
EDITED = "embeddings-refresh"


def sign_in(page: Page) -> None:
    """As the admin, who sees every page."""
    page.goto("/accounts/login/")
    page.locator("[name=login]").fill("ada")
    page.locator("[name=password]").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/instances/")


def edit_something(page: Page) -> None:
    """Leave an applied edit behind, for chips and receipts to show."""
    page.goto(f"/instances/?q={EDITED}")
    page.locator("[data-row-edit]").click()
    page.get_by_label("Description").fill("Nightly refresh of the product embeddings")
    page.locator("[name=auto_stop_hours]").fill("6")
    page.get_by_role("button", name="Save").click()
    page.locator("#outcome [data-state=applied]").wait_for()


def pages(page: Page) -> dict[str, str]:
    """Every page worth looking at, by name."""
    page.goto(f"/instances/?q={EDITED}")
    detail = page.locator("[data-row-link]").get_attribute("href") or ""
    page.goto("/edits/")
    receipt = page.locator("[data-edit] a").first.get_attribute("href") or ""
    return {
        "list": "/instances/",
        "nothing-matches": "/instances/?q=nothing-is-called-this",
        "due": "/due/",
        "due-flavours": "/due/?group=flavor",
        "views": "/views/",
        "detail": detail,
        "edit": f"{detail}edit/",
        "stop": f"{detail}stop/",
        "edits": "/edits/",
        "receipt": receipt,
        "not-found": "/nowhere/",
    }


def main() -> None:
    """Start a demo, take the pictures, stop it."""
    everything = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    folder = everything or FOR_THE_DOCS
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary, sync_playwright() as playwright:
        demo = Demo(Path(temporary) / "demo")
        try:
            demo.wait_until_ready()
            browser = playwright.chromium.launch(
                executable_path=shutil.which("chromium"), args=SWITCHES.split()
            )
            context = browser.new_context(
                base_url=demo.url, timezone_id="Europe/Berlin", locale="en-GB"
            )
            page = context.new_page()
            sign_in(page)
            edit_something(page)
            take(page, folder, all_of_them=everything is not None)
            browser.close()
        finally:
            demo.end()


def take(page: Page, folder: Path, *, all_of_them: bool) -> None:
    """Save ``<page>-<scheme>[-<width>].png`` into the folder."""
    wanted = pages(page)
    if all_of_them:
        for scheme in ("light", "dark"):
            for width, height in SIZES.items():
                page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
                page.set_viewport_size({"width": width, "height": height})
                for name, path in wanted.items():
                    page.goto(path)
                    page.screenshot(
                        path=folder / f"{name}-{scheme}-{width}.png", full_page=True
                    )
        return
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
        page.goto(wanted[name])
        page.screenshot(path=folder / f"{name}-{scheme}.png")


if __name__ == "__main__":
    main()
