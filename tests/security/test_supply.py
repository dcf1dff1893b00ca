"""What is delivered is what was recorded: htmx by its hash, packages by theirs."""

import base64
import hashlib
import re
from pathlib import Path

import pytest
from django.contrib.staticfiles import finders
from django.test import Client

from dashboard.accounts.models import User

ROOT = Path(__file__).resolve().parent.parent.parent

HTMX = "H5SrcfygHmAuTDZphMHqBJLc3FhssKjG7w/CeCpFReSfwBWDTKpkzPP8c+cLsK+V"
"""SHA-384 of the htmx in django-htmx 1.29.0; changes only with an upgrade of that."""


def test_htmx_is_the_one_that_was_recorded(client: Client, viewer: User) -> None:
    client.force_login(viewer)
    page = client.get("/instances/").text
    (name,) = re.findall(r'<script src="/static/(django_htmx/[^"]+)"', page)
    found = finders.find(name)
    assert isinstance(found, str)
    digest = hashlib.sha384(Path(found).read_bytes()).digest()
    assert base64.b64encode(digest).decode() == HTMX


def test_no_page_loads_anything_from_elsewhere() -> None:
    loads = re.compile(r"<(?:script|link|img|iframe|source)\b[^>]*(?:https?:)?//[^>]*>")
    for template in (ROOT / "templates").rglob("*.html"):
        assert not loads.search(template.read_text()), template.name
    for style in (ROOT / "static").rglob("*.css"):
        assert not re.search(r"@import|url\([\"']?(?:https?:)?//", style.read_text())


@pytest.mark.parametrize("name", ["base.txt", "dev.txt"])
def test_every_package_is_pinned_and_hashed(name: str) -> None:
    text = (ROOT / "requirements" / name).read_text()
    joined = re.sub(r"\\\n", " ", text)
    lines = [line for line in joined.splitlines() if not re.match(r"\s*(#|$)", line)]
    assert len(lines) > 30
    for line in lines:
        assert re.match(r"[\w.\[\],-]+==[\w.]+ ", line), line
        assert "--hash=sha256:" in line, line
    assert "://" not in text


def test_the_image_installs_nothing_else() -> None:
    text = (ROOT / "Dockerfile").read_text()
    installs = re.findall(r"pip install[^&]*", re.sub(r"\\\n", " ", text))
    assert installs
    for each in installs:
        assert "--require-hashes" in each
