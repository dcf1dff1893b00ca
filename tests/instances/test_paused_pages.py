"""A page of a large fleet is not read again for each change elsewhere."""

import time
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from dashboard.accounts.models import User
from dashboard.accounts.polls import NewsHandler
from dashboard.instances import list_page, listing
from dashboard.instances.models import Cloud, FleetVersion, Instance
from dashboard.livepoll import changes, state
from tests.factories import make_instance

from .pages import rows_of
from .polls import Answer, ask, draw, poller

pytestmark = pytest.mark.usefixtures("_fresh_news")

Poll = Callable[[str], Answer]

PAUSE_SECONDS = 60
"""Longer than a test takes on the slowest machine."""


@pytest.fixture
def watcher(
    client: Client,
    operator: User,
    cloud_row: Cloud,
    monkeypatch: pytest.MonkeyPatch,
) -> Client:
    """Of a fleet that counts as large."""
    make_instance(name="here", owner_name="anna", search_text="anna")
    for number in range(3):
        make_instance(name=f"elsewhere {number}", owner_name="berta")
    monkeypatch.setattr(listing, "INSTANCES_PER_SECOND", 4 / PAUSE_SECONDS)
    changes.read()  # the log begins
    client.force_login(operator)
    return client


@pytest.fixture
def poll(watcher: Client) -> Poll:
    return partial(ask, watcher, news=NewsHandler(["instances:changes"]))


def change(name: str, **fields: Any) -> None:
    changed = Instance.objects.filter(name=name)
    changed.update(**fields)
    state.put_version(FleetVersion.stamp(changed))


def enter(number: int) -> None:
    """Let an instance get onto the pages that show only Anna's."""
    change(f"elsewhere {number}", owner_name="anna", search_text="anna")


PAGES = [{"owner": "anna"}, {"q": "anna"}]
"""One that only some changes concern, and one that all do."""


@pytest.mark.parametrize("filters", PAGES)
def test_a_change_elsewhere_may_wait(
    watcher: Client,
    poll: Poll,
    monkeypatch: pytest.MonkeyPatch,
    filters: dict[str, str],
) -> None:
    drawn = draw(watcher, **filters)
    for number in range(3):
        enter(number)
        with CaptureQueriesContext(connection) as found:
            answer = poll(drawn)
        assert answer.status == "204 No Content"
        assert len(found) == 1, "more than what has changed"
        assert "poll_token" not in answer.news, "It counts as looked at."
    later = SimpleNamespace(
        monotonic=lambda: time.monotonic() + PAUSE_SECONDS, time=time.time
    )
    monkeypatch.setattr(state, "time", later)
    answer = poll(drawn)
    assert answer.status == "200 OK"
    assert len(rows_of(answer.body.decode())) == 4


@pytest.mark.parametrize("filters", PAGES)
def test_a_change_on_the_page_may_not(
    watcher: Client, poll: Poll, filters: dict[str, str]
) -> None:
    drawn = draw(watcher, **filters)
    enter(0)
    assert poll(drawn).status == "204 No Content"
    change("here", description="other words")
    answer = poll(drawn)
    assert answer.status == "200 OK"
    assert len(rows_of(answer.body.decode())) == 2


def test_who_is_late_gets_what_was_read_last(watcher: Client, poll: Poll) -> None:
    early = draw(watcher, owner="anna")
    enter(0)
    read_at = changes.read()
    draw(watcher, owner="anna")
    enter(1)
    answer = poll(early)
    assert answer.status == "200 OK"
    page = answer.body.decode()
    assert len(rows_of(page)) == 2
    # The page and its poll token are of the version that was read.
    url, poll_token = poller(page)
    assert f"since={read_at}&" in url
    assert poll_token.startswith(f"{read_at}.")
    assert poll(page).status == "204 No Content"


def test_nobody_is_shown_less_than_before(watcher: Client, poll: Poll) -> None:
    """Another process has read the page since; this one last read it before."""
    draw(watcher, owner="anna")
    caches = state._shown, list_page._latest
    before = [cache._values.copy() for cache in caches]
    enter(0)
    changes.read()
    later = draw(watcher, owner="anna")
    for cache, values in zip(caches, before, strict=True):
        cache._values = values
    state._pages.clear()
    enter(1)
    answer = poll(later)
    assert answer.status == "200 OK"
    assert len(rows_of(answer.body.decode())) == 3


def test_a_visit_shows_the_present(watcher: Client) -> None:
    draw(watcher, owner="anna")
    enter(0)
    assert len(rows_of(draw(watcher, owner="anna"))) == 2


def test_small_fleets_do_not_wait(
    watcher: Client, poll: Poll, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "INSTANCES_PER_SECOND", 5)
    drawn = draw(watcher, owner="anna")
    enter(0)
    assert poll(drawn).status == "200 OK"
