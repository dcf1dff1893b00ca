"""Nobody fills the trail, or every thread, with downloads."""

from collections.abc import Iterator
from typing import Any
from unittest.mock import Mock

import pytest
import redis
import time_machine
from django.test import Client

from dashboard.accounts.models import User
from dashboard.audit.models import AuditEvent
from dashboard.web import downloads

pytestmark = pytest.mark.usefixtures("_empty_cache")

FILES = ["/instances/export.json", "/instances/export.csv", "/audit/export.csv"]


@pytest.fixture(autouse=True)
def _still() -> Iterator[None]:
    with time_machine.travel("2026-11-23T12:00:10Z", tick=False):
        yield


@pytest.fixture
def taker(client: Client, admin: User) -> Client:
    """Somebody who may take every file."""
    client.force_login(admin)
    return client


@pytest.fixture
def three_a_minute(settings: Any) -> None:
    settings.CURFEW = settings.CURFEW.model_copy(update={"downloads_per_minute": 3})


def take(client: Client, url: str) -> int:
    """Take a file to its end."""
    response = client.get(url)
    if response.streaming:
        assert b"".join(response)
    return response.status_code


@pytest.mark.usefixtures("three_a_minute")
def test_too_many_in_a_minute_are_held_off(taker: Client) -> None:
    assert [take(taker, url) for url in (*FILES, FILES[0])] == [200, 200, 200, 429]
    assert AuditEvent.objects.filter(action__endswith=".exported").count() == 3
    with time_machine.travel("2026-11-23T12:01:10Z", tick=False):
        assert take(taker, FILES[0]) == 200


@pytest.mark.usefixtures("three_a_minute")
def test_other_people_are_not_concerned(taker: Client, viewer: User) -> None:
    assert [take(taker, FILES[0]) for _ in range(4)][-1] == 429
    other = Client()
    other.force_login(viewer)
    assert take(other, FILES[0]) == 200


@pytest.mark.parametrize("url", FILES)
def test_two_at_a_time(taker: Client, url: str) -> None:
    first, second = taker.get(url), taker.get(url)
    third = taker.get(url)
    assert third.status_code == 429
    assert third.headers["Retry-After"]
    assert b"".join(first)
    assert take(taker, url) == 200, "a place is free again"
    assert b"".join(second)


def test_a_file_that_is_refused_takes_no_place(taker: Client) -> None:
    for _ in range(downloads.AT_ONCE + 1):
        assert taker.get(FILES[0], {"sort": "nonsense"}).status_code == 400
    assert take(taker, FILES[0]) == 200


def test_a_place_of_a_process_that_died_is_free_after_a_while(taker: Client) -> None:
    taker.get(FILES[0])
    keys = downloads.quick_redis().keys("curfew:download:*")
    assert len(keys) == 1
    assert 0 < downloads.quick_redis().ttl(keys[0]) <= downloads.SLOT_SECONDS


@pytest.mark.usefixtures("three_a_minute")
def test_without_redis_nobody_is_held_off(
    taker: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = Mock()
    away.set.side_effect = away.delete.side_effect = redis.ConnectionError
    monkeypatch.setattr(downloads, "quick_redis", lambda: away)
    assert [take(taker, FILES[0]) for _ in range(3)] == [200, 200, 200]
