"""Times that the script redraws look as the server drew them, in every language."""

import html
import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.conf import settings
from django.utils import timezone, translation
from playwright.sync_api import Browser, Route

from dashboard.web.templatetags.pages import moment, zone_names
from tests.guards import ROOT

pytestmark = pytest.mark.browser

SCRIPT = (ROOT / "static" / "time.js").read_text()
ZONE = "Europe/Berlin"


@pytest.mark.parametrize("language", [code for code, _name in settings.LANGUAGES])
def test_the_script_writes_what_the_server_writes(
    browser: Browser, language: str
) -> None:
    now = datetime.now(UTC)
    with timezone.override(ZoneInfo(ZONE)), translation.override(language):
        drawn = [
            moment(now, "stop"),
            # Of this year, unless the year ends: then both write it.
            moment(now + timedelta(days=2), "stop"),
            moment(now + timedelta(days=400), "stop"),
            moment(now, "moment"),
            moment(now, "second"),
        ]
        names = html.escape(zone_names(ZONE))
    attributes = f'lang="{language}" data-zone="{ZONE}" data-zone-names="{names}"'
    script = '<script src="/time.js"></script>'
    # Without the server's texts, so that those of the script are compared.
    blank = re.sub(r">[^<]+</time>", "></time>", "".join(drawn))

    def answer(route: Route) -> None:
        if route.request.url.endswith(".js"):
            route.fulfill(content_type="text/javascript; charset=utf-8", body=SCRIPT)
        else:
            content = f"<!DOCTYPE html><html {attributes}>{blank}{script}</html>"
            route.fulfill(content_type="text/html; charset=utf-8", body=content)

    context = browser.new_context(timezone_id=ZONE)
    context.route("**/*", answer)
    page = context.new_page()
    page.goto("http://localhost/")
    texts = [html.unescape(re.sub("<[^>]+>", "", each)) for each in drawn]
    assert page.locator("time").all_inner_texts() == texts
    context.close()
