"""Polls that are answered ahead of session and database."""

import json
import re
import time
from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from urllib.parse import unquote_to_bytes

import pytest
import redis
import time_machine
from django.contrib.sessions.models import Session
from django.core.handlers.wsgi import WSGIHandler
from django.db import transaction
from django.test import Client, RequestFactory
from django.urls import reverse
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
from tests.factories import make_cloud, make_instance

LIST = reverse("instances:list")

Poll = Callable[..., "Answer"]


class Answer(SimpleNamespace):
    """What came back, and whether Django was asked."""

    status: str
    headers: dict[str, str]
    was_quick: bool

    @property
    def news(self) -> dict[str, Any]:
        """Of an answer that says that nothing changed."""
        event: dict[str, Any] = json.loads(self.headers["HX-Trigger"])
        return event["curfew:unchanged"]  # type: ignore[no-any-return]


pytestmark = pytest.mark.usefixtures("_fresh_news")


@pytest.fixture
def watcher(client: Client, viewer: User, cloud_row: Cloud) -> Client:
    """A person who looks at the list."""
    client.force_login(viewer)
    return client


def ask(client: Client, page: str, **more: str) -> Answer:
    """Ask as htmx would, through what stands in front of Django."""
    answer = Answer(was_quick=True)
    django = WSGIHandler()

    def slow(environ: Any, start_response: Any) -> Any:
        answer.was_quick = False
        return django(environ, start_response)

    def start_response(status: str, headers: Any, *_: Any) -> None:
        answer.status, answer.headers = status, dict(headers)

    environ = environ_of(client, page, **more)
    body = PollShortcut(slow, state.FleetStateCache())(environ, start_response)
    answer.body = b"".join(body)
    if hasattr(body, "close"):
        body.close()
    return answer


@pytest.fixture
def poll() -> Poll:
    """``ask``."""
    return ask


def environ_of(client: Client, page: str, **more: str) -> dict[str, Any]:
    """The next poll of a page as it reaches us."""
    url, poll_token = poller(page)
    cookies = "; ".join(
        f"{cookie.key}={cookie.value}" for cookie in client.cookies.values()
    )
    return RequestFactory().get(url).environ | {
        "PATH_INFO": unquote_to_bytes(url.partition("?")[0]).decode("latin-1"),
        "HTTP_COOKIE": cookies,
        "HTTP_CURFEW_POLL_TOKEN": poll_token,
        "HTTP_HX_REQUEST": "true",
        **more,
    }


def poller(page: str) -> tuple[str, str]:
    """What the page's poller asks for, and its poll token."""
    match = re.search(r'<div id="poller"[^>]* hx-get="([^"]+)"', page)
    poll_token = re.search(r"hx-headers='{\"Curfew-Poll-Token\": \"([^\"]+)\"}'", page)
    assert match
    assert poll_token
    return match[1].replace("&amp;", "&"), poll_token[1]


def draw(client: Client, **query: str) -> str:
    """The list; what its polls need is known."""
    page = client.get(LIST, query).text
    state.put(
        FleetVersion.current(),
        {cloud.pk: cloud.refreshed_at_ms for cloud in Cloud.objects.all()},
    )
    return page


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


class TestLostPermissions:
    """The poll token is still there, and would be valid for most of a minute."""

    @pytest.fixture(autouse=True)
    def _committed_at_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def commit(callback: Callable[[], None], **_: object) -> None:
            callback()

        monkeypatch.setattr(transaction, "on_commit", commit)

    @pytest.fixture
    def drawn(self, watcher: Client) -> str:
        """With a poll token."""
        return draw(watcher)

    def test_a_sign_out_leads_away_though_the_cookie_is_kept(
        self, watcher: Client, poll: Poll, drawn: str
    ) -> None:
        kept = watcher.cookies.copy()
        assert poll(watcher, drawn).was_quick
        watcher.post(reverse("account_logout"))
        watcher.cookies = kept
        answer = poll(watcher, drawn)
        assert not answer.was_quick
        assert answer.headers["HX-Redirect"].startswith(reverse("account_login"))

    def test_a_session_that_someone_else_ended(
        self, watcher: Client, poll: Poll, drawn: str
    ) -> None:
        Session.objects.all().delete()
        assert "HX-Redirect" in poll(watcher, drawn).headers

    def test_a_deactivated_account(
        self, watcher: Client, viewer: User, poll: Poll, drawn: str
    ) -> None:
        viewer.is_active = False
        viewer.save(update_fields=["is_active"])
        assert "HX-Redirect" in poll(watcher, drawn).headers

    def test_a_role_that_changed(
        self, watcher: Client, viewer: User, poll: Poll, drawn: str
    ) -> None:
        viewer.role = User.Role.OPERATOR
        viewer.save()
        assert not poll(watcher, drawn).was_quick

    def test_other_modelarts_users(
        self, watcher: Client, viewer: User, poll: Poll, drawn: str
    ) -> None:
        viewer.cloud_users.create(identifier="anna.schmidt")
        assert not poll(watcher, drawn).was_quick

    def test_others_are_not_delayed(
        self, watcher: Client, poll: Poll, drawn: str, operator: User
    ) -> None:
        operator.role = User.Role.VIEWER
        operator.save()
        assert poll(watcher, drawn).was_quick

    def test_without_a_signal_the_token_soon_expires(
        self, watcher: Client, poll: Poll, drawn: str
    ) -> None:
        User.objects.update(is_active=False)
        assert poll(watcher, drawn).was_quick
        with time_machine.travel(time.time() + token.LIFE_SECONDS + 1, tick=False):
            assert "HX-Redirect" in poll(watcher, drawn).headers


def test_a_sign_in_slows_no_one_down(
    viewer: User, django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks() as callbacks:
        viewer.save(update_fields=["last_login"])
    assert not callbacks


def test_a_token_that_expired_is_renewed(watcher: Client, poll: Poll) -> None:
    page = draw(watcher)
    with time_machine.travel(time.time() + token.LIFE_SECONDS + 1, tick=False):
        answer = poll(watcher, page)
        assert not answer.was_quick
        renewed = answer.news["poll_token"]
        assert poll(watcher, page, HTTP_CURFEW_POLL_TOKEN=renewed).was_quick


class TestForgeries:
    """Nothing but the very poll that the token was made for."""

    def test_another_session(self, watcher: Client, operator: User, poll: Poll) -> None:
        page = draw(watcher)
        other = Client()
        other.force_login(operator)
        assert not poll(other, page).was_quick
        assert "HX-Redirect" in poll(Client(), page).headers

    def test_other_filters(self, watcher: Client, poll: Poll) -> None:
        page = draw(watcher, status="RUNNING")
        query = poller(page)[0].partition("?")[2]
        for other in (query + "&q=x", query.replace("RUNNING", "STOPPED"), ""):
            assert not poll(watcher, page, QUERY_STRING=other).was_quick

    def test_another_address_or_method(
        self, watcher: Client, poll: Poll, instance: Instance
    ) -> None:
        page = draw(watcher)
        other = f"{instance.get_absolute_url()}changes"
        assert not poll(watcher, page, PATH_INFO=other).was_quick
        assert not poll(watcher, page, REQUEST_METHOD="POST").was_quick

    @pytest.mark.parametrize("position", [0, 5, 20, -1])
    def test_a_changed_character(
        self, watcher: Client, poll: Poll, position: int
    ) -> None:
        page = draw(watcher)
        letters = list(poller(page)[1])
        letters[position] = "7" if letters[position] != "7" else "8"
        forged = "".join(letters)
        assert not poll(watcher, page, HTTP_CURFEW_POLL_TOKEN=forged).was_quick

    @pytest.mark.parametrize("text", [".", "....", "1.2.3.4.", "é", "x" * 9_000])
    def test_nonsense(self, watcher: Client, poll: Poll, text: str) -> None:
        page = draw(watcher)
        assert not poll(watcher, page, HTTP_CURFEW_POLL_TOKEN=text).was_quick


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
        url, poll_token = poller(page)
        environ = {
            **RequestFactory().get(url).environ,
            "HTTP_COOKIE": f"sessionid={client.cookies['sessionid'].value}",
            "HTTP_CURFEW_POLL_TOKEN": poll_token,
        }
        cache = state.FleetStateCache()
        if is_fresh:
            cache.read()
            cache._read_at = float("inf")
        return PollShortcut(WSGIHandler(), cache).from_memory(environ)

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
