"""The polls of a page that several people look at."""

import time
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.core.handlers.wsgi import WSGIHandler
from django.test import Client
from django.utils import timezone

from dashboard.accounts.models import User
from dashboard.edits.tasks import sweep_due_edits
from dashboard.instances.models import Cloud, FleetVersion, Instance
from dashboard.livepoll import state, token
from dashboard.livepoll.shortcut import PollShortcut
from dashboard.web import process_cache
from dashboard.web.gateway import Later, Response
from dashboard.web.redis_clients import quick_redis
from dashboard.web.stored_messages import verbatim
from tests.factories import make_instance

from .polls import Poll, draw, environ_of, poller

pytestmark = pytest.mark.usefixtures("_fresh_news")


class TestSharedPages:
    """A change elsewhere costs one full poll of each page, not of each watcher."""

    @pytest.fixture
    def other(self, operator: User) -> Client:
        """Someone else who looks at the same page."""
        client = Client()
        client.force_login(operator)
        return client

    @pytest.fixture
    def drawn(self, watcher: Client, other: Client) -> tuple[str, str]:
        """The page of both, before a change of an instance that is not on it."""
        make_instance(name="here", owner_name="anna")
        elsewhere = make_instance(name="elsewhere", owner_name="berta")
        pages = draw(watcher, owner="anna"), draw(other, owner="anna")
        self.change(elsewhere, description="other words")
        return pages

    def change(self, instance: Instance, **fields: Any) -> None:
        changed = Instance.objects.filter(pk=instance.pk)
        changed.update(**fields)
        state.put_version(FleetVersion.stamp(changed))

    def test_the_first_poll_answers_all_others(
        self, watcher: Client, other: Client, poll: Poll, drawn: tuple[str, str]
    ) -> None:
        first, second = drawn
        process_cache.clear_all()  # as in a process that has not drawn the page
        answer = poll(watcher, first)
        assert (answer.status, answer.was_quick) == ("204 No Content", False)
        assert poll(other, second).was_quick
        assert poll(watcher, first).was_quick
        renewed = answer.news["poll_token"]
        assert poll(watcher, first, HTTP_CURFEW_POLL_TOKEN=renewed).was_quick

    def test_in_another_process_too(
        self, watcher: Client, other: Client, poll: Poll, drawn: tuple[str, str]
    ) -> None:
        poll(watcher, drawn[0])
        process_cache.clear_all()
        assert poll(other, drawn[1]).was_quick

    def on_the_loop(
        self, client: Client, page: str, *, is_fresh: bool = True
    ) -> Response | Later | None:
        cache = state.FleetStateCache()
        if is_fresh:
            cache.read()
            cache._read_at = float("inf")
        return PollShortcut(WSGIHandler(), cache).from_memory(environ_of(client, page))

    def test_the_loop_itself_answers_what_the_process_knows(
        self, watcher: Client, poll: Poll, drawn: tuple[str, str]
    ) -> None:
        assert isinstance(self.on_the_loop(watcher, drawn[0]), Later)
        poll(watcher, drawn[0])
        answer = self.on_the_loop(watcher, drawn[0])
        assert answer
        assert answer[0] == "204 No Content"

    @pytest.mark.parametrize("is_fresh", [True, False])
    def test_polls_of_a_page_wait_for_the_first_of_them(
        self,
        watcher: Client,
        other: Client,
        poll: Poll,
        drawn: tuple[str, str],
        is_fresh: bool,
    ) -> None:
        first = self.on_the_loop(watcher, drawn[0], is_fresh=is_fresh)
        second = self.on_the_loop(other, drawn[1], is_fresh=is_fresh)
        elsewhere = self.on_the_loop(watcher, draw(watcher), is_fresh=is_fresh)
        assert isinstance(first, Later)
        assert first.key
        assert second == first != elsewhere

    def test_so_they_do_while_nothing_is_known(
        self, watcher: Client, poll: Poll, drawn: tuple[str, str]
    ) -> None:
        quick_redis().flushdb()
        later = self.on_the_loop(watcher, drawn[0])
        assert isinstance(later, Later)
        assert later.key
        # An answer with news makes it known, too.
        self.change(Instance.objects.get(name="here"), description="changed")
        assert poll(watcher, drawn[0]).status == "200 OK"
        assert state.FleetStateCache().read()

    def test_the_first_poll_asks_no_more_than_what_the_page_shows(
        self,
        watcher: Client,
        poll: Poll,
        drawn: tuple[str, str],
        django_assert_num_queries: Any,
    ) -> None:
        # Version, numbers, rows, clouds, generations.
        with django_assert_num_queries(5):
            answer = poll(watcher, drawn[0])
        assert (answer.status, answer.was_quick) == ("204 No Content", True)

    def test_no_poll_with_news_waits_for_another(
        self, watcher: Client, other: Client, poll: Poll, drawn: tuple[str, str]
    ) -> None:
        self.change(Instance.objects.get(name="here"), description="changed")
        assert poll(watcher, drawn[0]).status == "200 OK"
        assert self.on_the_loop(other, drawn[1]) == Later()

    def test_nor_does_one_without_a_valid_token(
        self, watcher: Client, viewer: User, drawn: tuple[str, str]
    ) -> None:
        with time_machine.travel(time.time() + token.LIFE_SECONDS + 1, tick=False):
            assert self.on_the_loop(watcher, drawn[0]) is None
        state.revoke(viewer.pk)
        assert self.on_the_loop(watcher, drawn[0]) is None

    def test_what_a_process_finds_out_counts_before_it_asks_redis_again(
        self, watcher: Client, drawn: tuple[str, str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        cache = state.FleetStateCache()
        before = cache.read()
        monkeypatch.setattr(state, "MEMORY_SECONDS", 60)
        monkeypatch.setattr(state, "cache", cache)
        self.change(Instance.objects.get(name="elsewhere"), description="again")
        assert cache.read() == before
        assert watcher.get(poller(drawn[0])[0]).status_code == 200
        after = cache.read()
        assert before
        assert after
        assert after.version == FleetVersion.current() > before.version

    @pytest.mark.parametrize(
        "fields",
        [
            {"description": "changed"},
            {"status": "STOPPED", "stops_at": None},
            {"owner_name": "berta"},
        ],
    )
    def test_a_change_on_the_page_is_sent_to_all(
        self,
        watcher: Client,
        other: Client,
        poll: Poll,
        drawn: tuple[str, str],
        fields: dict[str, Any],
    ) -> None:
        poll(watcher, drawn[0])
        self.change(Instance.objects.get(name="here"), **fields)
        for client, page in zip((watcher, other), drawn, strict=True):
            answer = poll(client, page)
            assert (answer.status, answer.was_quick) == ("200 OK", False)
            assert poll(client, answer.body.decode()).was_quick

    def test_an_instance_that_enters_is_sent(
        self, watcher: Client, poll: Poll, drawn: tuple[str, str]
    ) -> None:
        poll(watcher, drawn[0])
        self.change(Instance.objects.get(name="elsewhere"), owner_name="anna")
        assert ">elsewhere</a>" in poll(watcher, drawn[0]).body.decode()

    def test_numbers_and_troubles_are_part_of_the_page(
        self, watcher: Client, poll: Poll, drawn: tuple[str, str]
    ) -> None:
        page = drawn[0]
        for fields in (
            {"problem": verbatim("It does not answer.")},
            {"held_since": timezone.now()},
            {"incomplete": Cloud.Incomplete.WRONG_COUNT, "counted": 7},
            {"unconfigured_since": timezone.now()},
        ):
            Cloud.objects.update(**fields)
            state.put_version(FleetVersion.stamp())
            answer = poll(watcher, page)
            assert answer.status == "200 OK", fields
            page = answer.body.decode()
        elsewhere = Instance.objects.get(name="elsewhere")
        page = draw(watcher, autostop="off")
        self.change(elsewhere, stops_at=timezone.now() + timedelta(minutes=9))
        assert poll(watcher, page).status == "200 OK"

    def test_what_one_page_shows_says_nothing_about_another(
        self, watcher: Client, poll: Poll, drawn: tuple[str, str]
    ) -> None:
        poll(watcher, drawn[0])
        for query in (
            {"owner": "carl"},
            {"owner": "anna", "sort": "name"},
            {"status": "RUNNING"},
        ):
            page = draw(watcher, **query)
            self.change(Instance.objects.get(name="elsewhere"), description=str(query))
            poll(watcher, drawn[0])
            state._readers.clear()
            assert not poll(watcher, page).was_quick

    def test_what_was_found_at_another_version_says_nothing(
        self, watcher: Client, other: Client, poll: Poll, drawn: tuple[str, str]
    ) -> None:
        poll(watcher, drawn[0])
        self.change(Instance.objects.get(name="here"), description="changed")
        assert not poll(other, drawn[1]).was_quick
        # A slow process writes what it found before the change.
        key = quick_redis().keys(f"{state._PAGE}*")[0]
        quick_redis().set(key, f"1.{'0' * 12}")
        process_cache.clear_all()
        assert poll(watcher, drawn[0]).status == "200 OK"

    def test_without_what_redis_has_lost_django_answers(
        self, watcher: Client, other: Client, poll: Poll, drawn: tuple[str, str]
    ) -> None:
        poll(watcher, drawn[0])
        for lost in (b"", b"\xff.x", None):
            (key,) = quick_redis().keys(f"{state._PAGE}*")
            quick_redis().delete(key) if lost is None else quick_redis().set(key, lost)
            process_cache.clear_all()
            answer = poll(other, drawn[1])
            assert (answer.status, answer.was_quick) == ("204 No Content", False)

    def test_a_change_that_was_not_published_is_sent_after_a_sweep(
        self, watcher: Client, poll: Poll, drawn: tuple[str, str]
    ) -> None:
        poll(watcher, drawn[0])
        FleetVersion.stamp(Instance.objects.filter(name="here"))
        assert poll(watcher, drawn[0]).was_quick
        sweep_due_edits()
        assert poll(watcher, drawn[0]).status == "200 OK"

    def test_a_lost_permission_counts_more(
        self,
        watcher: Client,
        viewer: User,
        other: Client,
        poll: Poll,
        drawn: tuple[str, str],
    ) -> None:
        poll(other, drawn[1])
        assert poll(watcher, drawn[0]).was_quick
        state.revoke(viewer.pk)
        assert not poll(watcher, drawn[0]).was_quick

    def test_an_expired_token_is_renewed_for_what_it_showed(
        self, watcher: Client, poll: Poll, drawn: tuple[str, str]
    ) -> None:
        with time_machine.travel(time.time() + token.LIFE_SECONDS + 1, tick=False):
            answer = poll(watcher, drawn[0])
            assert (answer.status, answer.was_quick) == ("204 No Content", False)
            renewed = answer.news["poll_token"]
            assert poll(watcher, drawn[0], HTTP_CURFEW_POLL_TOKEN=renewed).was_quick

    def test_rows_in_another_order_are_put_right(
        self, watcher: Client, poll: Poll, drawn: tuple[str, str]
    ) -> None:
        pk = Instance.objects.get(name="here").pk
        wrong = {"HTTP_CURFEW_DISPLAYED_ROWS": f"{pk},999"}
        process_cache.clear_all()  # so that Django answers
        answer = poll(watcher, drawn[0], **wrong)
        assert (answer.status, answer.headers["Curfew-Row-Moves"]) == ("200 OK", "-999")
