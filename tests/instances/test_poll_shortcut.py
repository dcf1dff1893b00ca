"""Polls that are answered ahead of session and database."""

import time
from typing import Any

import pytest
import redis
from django.test import Client

from dashboard.edits.tasks import sweep_due_edits
from dashboard.instances.models import Cloud, FleetVersion, Instance
from dashboard.livepoll import state
from dashboard.web.redis_clients import quick_redis
from tests.factories import make_cloud, make_instance

from .polls import Poll, draw

pytestmark = pytest.mark.usefixtures("_fresh_news")


def test_nothing_new_asks_neither_session_nor_database(
    watcher: Client,
    poll: Poll,
    cloud_row: Cloud,
    django_assert_num_queries: Any,
) -> None:
    make_instance(name="Müller & Söhne's")
    page = draw(watcher, q="müller & 'x'", status="RUNNING", page="2")
    with django_assert_num_queries(0):
        answer = poll(watcher, page)
    assert (answer.status, answer.body) == ("204 No Content", b"")
    assert answer.was_quick
    assert answer.news["as_of_ms"] == cloud_row.refreshed_at_ms
    assert abs(answer.news["now_ms"] - time.time() * 1000) < 60_000
    assert "no-store" in answer.headers["Cache-Control"]


def test_one_round_trip_to_redis(
    watcher: Client, poll: Poll, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = draw(watcher)
    sent: list[object] = []
    original = redis.Connection.send_packed_command

    def send(self: redis.Connection, command: Any, **more: Any) -> None:
        sent.append(command)
        original(self, command, **more)

    monkeypatch.setattr(redis.Connection, "send_packed_command", send)
    assert poll(watcher, page).was_quick
    assert len(sent) == 1


def test_what_was_read_is_used_for_a_moment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(state, "MEMORY_SECONDS", 60)
    cache = state.FleetStateCache()
    state.put(1, {})
    first = cache.read()
    state.put(2, {})
    assert cache.read() is first
    monkeypatch.setattr(state, "MEMORY_SECONDS", -1)
    news = cache.read()
    assert news
    assert news.version == 2


def test_a_change_is_sent_at_once_and_in_full(
    watcher: Client, poll: Poll, django_capture_on_commit_callbacks: Any
) -> None:
    instance = make_instance()
    page = draw(watcher)
    with django_capture_on_commit_callbacks(execute=True):
        FleetVersion.stamp(Instance.objects.filter(pk=instance.pk))
        assert poll(watcher, page).was_quick, "not before it is committed"
    answer = poll(watcher, page)
    assert not answer.was_quick
    assert f'id="instance-{instance.pk}"' in answer.body.decode()
    assert poll(watcher, answer.body.decode()).was_quick


class TestDeathBetweenCommitAndNews:
    """The version in Redis is old, and nobody is left to say so."""

    @pytest.fixture
    def drawn(self, watcher: Client) -> str:
        """Drawn before a change that was committed but not published."""
        make_instance()
        page = draw(watcher)
        # The commit hooks of a test's transaction are never run.
        FleetVersion.stamp(Instance.objects.all())
        return page

    def test_the_sweep_publishes_it(
        self, watcher: Client, poll: Poll, drawn: str
    ) -> None:
        assert poll(watcher, drawn).was_quick
        sweep_due_edits()
        assert not poll(watcher, drawn).was_quick

    def test_without_a_sweeper_it_expires(
        self, watcher: Client, poll: Poll, drawn: str
    ) -> None:
        # No poll prolongs it.
        poll(watcher, drawn)
        keys = quick_redis()
        assert 0 < keys.pttl(state._VERSION) <= state.LIFE_SECONDS * 1000
        keys.delete(state._VERSION)
        assert poll(watcher, drawn).status == "200 OK"

    def test_a_slow_reader_puts_no_older_version_back(self) -> None:
        state.put_version(8)
        state.put(7, {})
        state.put_version(6)
        assert quick_redis().get(state._VERSION) == b"8"


def test_without_a_state_the_database_is_queried_once_for_all(
    watcher: Client, poll: Poll
) -> None:
    page = draw(watcher)
    quick_redis().flushdb()
    first, second = poll(watcher, page), poll(watcher, page)
    assert (first.status, first.was_quick) == ("204 No Content", False)
    assert (second.status, second.was_quick) == ("204 No Content", True)


def test_without_redis_the_database_is_queried(
    watcher: Client, poll: Poll, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = draw(watcher)

    def refuse(*_: Any, **__: Any) -> None:
        raise redis.ConnectionError

    monkeypatch.setattr(redis.Connection, "send_packed_command", refuse)
    answer = poll(watcher, page)
    assert (answer.status, answer.was_quick) == ("204 No Content", False)
    # And the commit of a change does not fail.
    state.put_version(3)
    state.revoke(3)


class TestPageOfOneInstance:
    """Its poll goes the same way."""

    @pytest.mark.parametrize("cloud", ["demo", "Übung 1"])
    def test_nothing_new(
        self, watcher: Client, poll: Poll, cloud: str, django_assert_num_queries: Any
    ) -> None:
        mirror = make_cloud(cloud)
        make_cloud("other", refreshed_at=None)
        instance = make_instance(cloud=mirror)
        draw(watcher)
        page = watcher.get(instance.get_absolute_url()).text
        with django_assert_num_queries(0):
            answer = poll(watcher, page)
        assert answer.was_quick
        assert answer.news["as_of_ms"] == mirror.refreshed_at_ms

    def test_a_change_elsewhere_costs_one_full_poll(
        self, watcher: Client, poll: Poll
    ) -> None:
        instance, other = make_instance(), make_instance()
        draw(watcher)
        page = watcher.get(instance.get_absolute_url()).text
        state.put_version(FleetVersion.stamp(Instance.objects.filter(pk=other.pk)))
        answer = poll(watcher, page)
        assert (answer.status, answer.was_quick) == ("204 No Content", False)
        renewed = answer.news["poll_token"]
        assert poll(watcher, page, HTTP_CURFEW_POLL_TOKEN=renewed).was_quick


def test_the_age_is_that_of_the_cloud_that_lags_most() -> None:
    assert state.FleetState(1, {1: 5, 2: 3}).as_of_ms(0) == 3
    assert state.FleetState(1, {1: 5, 2: None}).as_of_ms(0) is None
    assert state.FleetState(1, {}).as_of_ms(0) is None
    assert state.FleetState(1, {1: 5, 2: None}).as_of_ms(1) == 5
