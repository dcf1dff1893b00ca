"""Writes and polls have limits, which many pages behind one address do not meet."""

from collections.abc import Iterator
from typing import Any
from unittest.mock import Mock

import pytest
import redis
import time_machine
from django.test import Client

from dashboard.accounts.models import User
from dashboard.config import Config
from dashboard.web import limits

pytestmark = pytest.mark.usefixtures("_empty_cache")
HTMX = {"HX-Request": "true"}
POLL = "/instances/changes?since=0"


@pytest.fixture(autouse=True)
def _still() -> Iterator[None]:
    # Within one minute, or a count might begin anew in the middle of a test.
    with time_machine.travel("2026-11-23T12:00:10Z", tick=False):
        yield


@pytest.fixture
def few(settings: Any) -> None:
    changed = {"writes_per_minute": 3, "polls_per_minute": 5}
    settings.CURFEW = settings.CURFEW.model_copy(update=changed)


def writes(client: Client, count: int, address: str = "10.0.0.1") -> list[int]:
    return [
        client.post("/no/such/page", REMOTE_ADDR=address).status_code
        for _ in range(count)
    ]


@pytest.mark.usefixtures("few")
def test_too_many_writes_are_held_off(client: Client, viewer: User) -> None:
    client.force_login(viewer)
    assert writes(client, 4) == [404, 404, 404, 429]
    response = client.post("/no/such/page")
    assert response.headers["Retry-After"] == "50"
    assert "Try again in 50 seconds" in response.text
    assert client.get("/instances/").status_code == 200, "looking is not writing"


@pytest.mark.usefixtures("few")
def test_others_and_the_next_minute_are_not_concerned(
    client: Client, viewer: User, operator: User
) -> None:
    client.force_login(viewer)
    writes(client, 4)
    other = Client()
    other.force_login(operator)
    assert writes(other, 1) == [404]
    with time_machine.travel("2026-11-23T12:01:10Z", tick=False):
        assert writes(client, 1) == [404]


@pytest.mark.usefixtures("few")
def test_an_address_has_its_limit_too(client: Client, db: None) -> None:
    most = 3 * limits.PEOPLE_PER_ADDRESS
    assert writes(client, most + 1)[-2:] == [404, 429]
    assert writes(client, 1, "10.0.0.2") == [404]


@pytest.mark.usefixtures("few")
def test_polls_are_counted_by_themselves(client: Client, viewer: User) -> None:
    client.force_login(viewer)
    polls = [client.get(POLL, headers=HTMX).status_code for _ in range(6)]
    assert (polls[:-1], polls[-1]) == ([204] * 5, 429)
    assert writes(client, 1) == [404]


def test_the_defaults_leave_room_for_fifty_pages_at_one_second() -> None:
    polls = Config.model_fields["polls_per_minute"].default
    assert polls > 50 * 60, "all of one person's"
    assert polls * limits.PEOPLE_PER_ADDRESS > 2 * 50 * 60, "of a whole office"


@pytest.mark.usefixtures("few")
def test_without_redis_nobody_is_locked_out(
    client: Client, viewer: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = Mock(side_effect=redis.ConnectionError("away"))
    monkeypatch.setattr(limits, "quick_redis", away)
    monkeypatch.setattr(limits, "_backoff_until", 0.0)
    client.force_login(viewer)
    assert set(writes(client, 8)) == {404}
    assert away.call_count == 1, "asked once, then left alone for a moment"
