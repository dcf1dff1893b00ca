"""A site below a path: every address of every page begins with it."""

import json
from collections.abc import Iterator, Mapping
from html.parser import HTMLParser
from typing import Any

import pytest
from django.test import Client
from django.urls import clear_script_prefix, set_script_prefix

from dashboard.accounts.models import User
from dashboard.api import urls
from dashboard.api.services import create_token
from dashboard.edits.models import Edit
from dashboard.edits.return_path import FIELD
from dashboard.edits.snapshot import FormSnapshot
from dashboard.instances.models import Instance
from dashboard.reminders import links

from .routes import RULES

PREFIX = "/curfew"


@pytest.fixture
def paths(
    settings: Any, paths: Mapping[str, str], instance: Instance
) -> Iterator[Mapping[str, str]]:
    """The address of each route, below a path."""
    address = f"https://www.example.org{PREFIX}"
    settings.CURFEW = settings.CURFEW.model_copy(update={"url": address})
    settings.FORCE_SCRIPT_NAME = PREFIX
    settings.STATIC_URL = f"{PREFIX}/static/"
    # Django forgets the storage, which has kept the former address.
    settings.STORAGES = dict(settings.STORAGES)
    set_script_prefix(PREFIX)
    yield paths
    clear_script_prefix()


class Addresses(HTMLParser):
    """Collects every attribute that begins like a path."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [
            f"{tag} {name}={value}"
            for name, value in attrs
            if value and value.startswith("/") and name != "aria-keyshortcuts"
        ]


def outside(page: str) -> list[str]:
    return [
        address
        for address in Addresses(page).found
        if not f"{address.partition('=')[2]}/".startswith(f"{PREFIX}/")
    ]


def test_the_parser_sees_what_leads_elsewhere() -> None:
    page = '<a href="/instances/"><img src="/curfew/x"><i hx-get="/curfewed"></i></a>'
    assert outside(page) == ["a href=/instances/", "i hx-get=/curfewed"]


def test_every_page_stays_below_the_path(
    client: Client, admin: User, paths: Mapping[str, str]
) -> None:
    client.force_login(admin)
    assert set(RULES) <= set(paths)
    seen = 0
    for name, path in paths.items():
        query = RULES[name].query if name in RULES else ""
        response = client.get(f"{path.removeprefix(PREFIX)}?{query}")
        for header in ("Location", "HX-Redirect"):
            target = response.headers.get(header, PREFIX)
            assert target.startswith((PREFIX, "https://")), (name, target)
        if response.headers.get("Content-Type", "").startswith("text/html"):
            assert outside(response.text) == [], name
            seen += 1
        client.force_login(admin)  # one of them signs out
    assert seen > 80


@pytest.mark.parametrize("path", ["/nowhere/", "/instances/", "/accounts/login/"])
def test_so_do_refusals_and_the_sign_in_page(
    client: Client, paths: Mapping[str, str], path: str
) -> None:
    response = client.get(path)
    assert outside(response.text) == []
    assert response.headers.get("Location", PREFIX).startswith(PREFIX)
    htmx = {"HX-Request": "true", "HX-Current-URL": "http://testserver/curfew/edits/"}
    response = client.get("/instances/", headers=htmx)
    assert response.headers["HX-Redirect"] == (
        f"{PREFIX}/accounts/login/?next={PREFIX}/edits/"
    )


def test_a_form_leads_back_to_the_list_it_was_opened_from(
    client: Client, admin: User, paths: Mapping[str, str], instance: Instance
) -> None:
    client.force_login(admin)
    page = client.get(paths["edits:edit"].removeprefix(PREFIX))
    form = {
        "description": "Nightly",
        "auto_stop_enable": "on",
        "auto_stop_hours": "2",
        "seen": FormSnapshot.now(instance).token(instance),
        FIELD: f"{PREFIX}/instances/?q=gpu",
    }
    assert page.status_code == 200
    response = client.post(paths["edits:edit"].removeprefix(PREFIX), form)
    assert response.headers["Location"].startswith(f"{PREFIX}/instances/?q=gpu")
    # Without the path it belongs to another application of the host.
    other = form | {"description": "Daily", FIELD: "/instances/?q=gpu"}
    response = client.post(paths["edits:edit"].removeprefix(PREFIX), other)
    assert not response.headers.get("Location", "").startswith("/instances/")


def test_messages_lead_to_the_path(paths: Mapping[str, str], edit: Edit) -> None:
    assert links.absolute(edit.get_absolute_url()) == (
        f"https://www.example.org{PREFIX}/edits/{edit.pk}/"
    )


def test_the_api_answers_with_the_path(
    client: Client, operator: User, paths: Mapping[str, str], edit: Edit
) -> None:
    _, secret = create_token(owner=operator, name="t", scopes=["write"], days=1)
    response = client.generic(
        "POST",
        paths["api:retry_edit"].removeprefix(PREFIX),
        headers={"Authorization": f"Bearer {secret}"},
    )
    again = response.json()
    assert response.status_code == 202, again
    assert response.headers["Location"] == f"{PREFIX}/api/v1/edits/{again['id']}"
    assert again["url"] == f"{PREFIX}/edits/{again['id']}/"
    document = json.loads(urls.document.__wrapped__())
    assert document["servers"] == [{"url": PREFIX}]
    assert all(path.startswith("/api/v1/") for path in document["paths"])
