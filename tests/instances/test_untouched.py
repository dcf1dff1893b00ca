"""Pages that a change elsewhere does not touch are not read again."""

import re
from collections.abc import Callable
from itertools import product
from typing import Any

import pytest
from django.db import connection
from django.http import QueryDict
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from dashboard.accounts.models import User
from dashboard.instances import display, list_page, sync
from dashboard.instances.filters import InstanceFilter, ListForm, ListQuery
from dashboard.instances.models import Cloud, FleetVersion, Instance
from dashboard.livepoll import changes, state
from dashboard.livepoll.shortcut import PollShortcut
from dashboard.modelarts.results import UnreadableInstance
from dashboard.saved.models import ListDisplay
from dashboard.web import process_cache
from dashboard.web.gateway import Later
from dashboard.web.redis_clients import quick_redis
from tests.factories import make_instance

from .polls import ask, draw, environ_of

pytestmark = pytest.mark.usefixtures("_fresh_news")

VALUES = {
    "owner": ["anna", "@me"],
    "autostop": ["on", "off", "due", "overdue", "never", "idle"],
    "status": ["RUNNING", "STOPPED", "MISSING"],
    "stops_from": ["2026-01-01T00:00"],
    "stops_before": ["2036-01-01T00:00"],
    "flavor_type": ["GPU"],
    "generation": ["notebooks"],
}
"""Of filters that do not take any text."""


def queries() -> list[str]:
    names = {*InstanceFilter.base_filters} - {"q", "tag"}
    values = ((name, text) for name in names for text in VALUES.get(name, ["x"]))
    filters = ["", *(f"{n}={sign}{v}" for (n, v), sign in product(values, ("", "!")))]
    plain = [key for key in ListForm.SORTS if key != "updated"]
    sorts = [f"sort={sign}{key}" for key in plain for sign in ("", "-")]
    return [*filters, *sorts]


@pytest.mark.parametrize("group", ["", *display.GROUPS])
def test_no_plain_page_depends_on_what_is_only_shown(
    operator: User, cloud_row: Cloud, group: str
) -> None:
    make_instance(name="here")
    operator.cloud_users.create(identifier="anna")
    ListDisplay.objects.create(user=operator, hidden=[], group=group)
    for text in queries():
        query = ListQuery.of(QueryDict(text))
        assert query.is_plain, text
        process_cache.clear_all()
        with CaptureQueriesContext(connection) as found:
            list_page.shown_to(operator, query, 1)
        read = " ".join(q["sql"] for q in found if "instances_instance" in q["sql"])
        assert read, text
        columns = {*re.findall(r'"instances_instance"\."(\w+)"', read)}
        assert not columns & sync.ONLY_SHOWN, text


@pytest.mark.parametrize(
    "text", ["q=x", "tag=x", "autostop=late", "sort=updated", "sort=-updated"]
)
def test_other_pages_are_read_each_time(text: str) -> None:
    assert not ListQuery.of(QueryDict(text)).is_plain


def test_one_of_them_finds_what_is_only_shown(watcher: Client, drawn: str) -> None:
    page = draw(watcher, q="words")
    change("elsewhere", search_text="elsewhere words")
    assert ask(watcher, page).status == "200 OK"


@pytest.fixture
def watcher(client: Client, operator: User, cloud_row: Cloud) -> Client:
    client.force_login(operator)
    return client


@pytest.fixture
def drawn(watcher: Client) -> str:
    """A page, before changes of instances on it and elsewhere."""
    make_instances()
    return draw(watcher, owner="anna")


def make_instances() -> None:
    make_instance(name="here", owner_name="anna")
    make_instance(name="elsewhere", owner_name="berta")
    changes.read()  # the log begins


def change(name: str, *, only_shown: bool = True, **fields: Any) -> None:
    changed = Instance.objects.filter(name=name)
    changed.update(**fields)
    state.put_version(FleetVersion.stamp(changed, only_shown=only_shown))


def test_one_statement_answers_for_all_pages(
    watcher: Client, drawn: str, django_assert_num_queries: Any
) -> None:
    other = draw(watcher, owner="anna", per_page="50")
    change("elsewhere", description="other words")
    for page, statements in ((drawn, 1), (other, 0), (drawn, 0)):
        with django_assert_num_queries(statements):
            answer = ask(watcher, page)
        assert (answer.status, answer.was_quick) == ("204 No Content", True)


def test_the_loop_answers_what_the_log_knows(watcher: Client, drawn: str) -> None:
    other = draw(watcher, owner="anna", per_page="50")
    change("elsewhere", description="other words")
    cache = state.FleetStateCache()
    cache.read()
    cache._read_at = float("inf")
    shortcut = PollShortcut(lambda *_: (), cache)
    assert isinstance(shortcut.from_memory(environ_of(watcher, other)), Later)
    ask(watcher, drawn)
    answer = shortcut.from_memory(environ_of(watcher, other))
    assert isinstance(answer, tuple)
    assert answer[0] == "204 No Content"


def a_cloud_is_incomplete() -> None:
    Cloud.objects.update(incomplete=Cloud.Incomplete.PARTLY_READ)
    state.put_version(FleetVersion.stamp())


@pytest.mark.parametrize(
    "touch",
    [
        lambda: change("here", description="other words"),
        lambda: change("elsewhere", owner_name="anna", only_shown=False),
        a_cloud_is_incomplete,
    ],
)
def test_other_changes_are_news(
    watcher: Client, drawn: str, touch: Callable[[], None]
) -> None:
    change("elsewhere", description="other words")
    assert ask(watcher, drawn).was_quick
    touch()
    assert ask(watcher, drawn).status == "200 OK"


def test_what_may_concern_lists_is_read(
    watcher: Client,
    drawn: str,
    django_assert_num_queries: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # However slow the machine is.
    monkeypatch.setattr(changes, "MEMORY_SECONDS", 60)
    monkeypatch.setattr(
        list_page, "_freshness", process_cache.ProcessCache(max_size=4, seconds=60)
    )
    other = draw(watcher, owner="anna", generation="demanager")
    change("elsewhere", owner_name="tom", only_shown=False)
    # The log, clouds and generations are read once for all pages.
    for page, statements in ((drawn, 5), (other, 2), (drawn, 0)):
        with django_assert_num_queries(statements):
            answer = ask(watcher, page)
        assert (answer.status, answer.was_quick) == ("204 No Content", True)


def test_a_look_finds_a_version_that_redis_lacks(
    watcher: Client, drawn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process that has written it died before it could publish it."""
    other = draw(watcher, owner="anna", generation="demanager")
    change("elsewhere", owner_name="tom", only_shown=False)
    ask(watcher, drawn)
    elsewhere = Instance.objects.filter(name="elsewhere")
    version = FleetVersion.stamp(elsewhere, only_shown=True)
    # After a second without another look.
    monkeypatch.setattr(changes, "MEMORY_SECONDS", 0)
    answer = ask(watcher, other)
    assert (answer.status, answer.was_quick) == ("204 No Content", True)
    published = state.FleetStateCache().read()
    assert published
    assert published.version == version


def test_a_change_of_a_number_is_news(watcher: Client) -> None:
    make_instance(name="elsewhere", owner_name="berta")
    page = draw(watcher, sort="name", page="1")
    changes.read()
    change("elsewhere", status="STOPPED", stops_at=None, only_shown=False)
    assert ask(watcher, page).status == "200 OK"


def test_very_many_changes_forget_what_was_known(
    watcher: Client, drawn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for most, statements in ((2, 1), (0, 5)):
        monkeypatch.setattr(changes, "MOST", most)
        change("elsewhere", description=f"words {most}")
        with CaptureQueriesContext(connection) as found:
            assert ask(watcher, drawn).status == "204 No Content"
        assert len(found) == statements


def test_a_restored_database_is_read(watcher: Client, drawn: str) -> None:
    change("elsewhere", description="other words")
    assert ask(watcher, drawn).was_quick
    Instance.objects.filter(name="here").update(description="from the backup")
    Instance.objects.update(version=1)
    FleetVersion.objects.update(version=2, listed_version=1)
    quick_redis().flushdb()
    state.put_version(2)
    assert ask(watcher, drawn).status == "200 OK"


def test_the_page_of_an_instance_is_not_read_either(
    watcher: Client, drawn: str, django_assert_num_queries: Any
) -> None:
    here = Instance.objects.get(name="here")
    page = watcher.get(here.get_absolute_url()).text
    change("elsewhere", description="other words")
    assert not ask(watcher, page).was_quick
    change("elsewhere", status="STOPPED", only_shown=False)
    with django_assert_num_queries(1):
        assert ask(watcher, page).was_quick
    change("here", description="other words")
    assert ask(watcher, page).status == "200 OK"


class TestOwnPage:
    """Of a scientist, who owns one of two instances."""

    @pytest.fixture
    def owner(self, client: Client, scientist: User, cloud_row: Cloud) -> Client:
        scientist.cloud_users.create(identifier="anna")
        client.force_login(scientist)
        return client

    @pytest.fixture
    def own(self, owner: Client) -> str:
        make_instances()
        return draw(owner, "home")

    @pytest.mark.parametrize(
        ("change_elsewhere", "statements"),
        [
            (lambda: change("elsewhere", description="other words"), 1),
            (lambda: change("elsewhere", owner_name="tom", only_shown=False), 3),
        ],
    )
    def test_django_does_not_see_changes_elsewhere(
        self,
        owner: Client,
        own: str,
        change_elsewhere: Callable[[], None],
        statements: int,
        django_assert_num_queries: Any,
    ) -> None:
        change_elsewhere()
        # What has changed; and perhaps the own instances, and the clouds.
        with django_assert_num_queries(statements):
            answer = ask(owner, own)
        assert (answer.status, answer.was_quick) == ("204 No Content", True)

    @pytest.mark.parametrize(
        "touch",
        [
            lambda: change("here", description="other words"),
            lambda: change("elsewhere", owner_name="anna", only_shown=False),
            lambda: change("here", owner_name="berta", only_shown=False),
            a_cloud_is_incomplete,
        ],
    )
    def test_news_of_ones_own(
        self, owner: Client, own: str, touch: Callable[[], None]
    ) -> None:
        change("elsewhere", description="other words")
        assert ask(owner, own).was_quick
        touch()
        assert ask(owner, own).status == "200 OK"

    def test_django_finds_nothing_new_either(self, owner: Client, own: str) -> None:
        change("elsewhere", owner_name="tom", only_shown=False)
        process_cache.clear_all()
        answer = ask(owner, own)
        assert (answer.status, answer.was_quick) == ("204 No Content", False)
        assert answer.news["poll_token"]


class TestRefresh:
    """A refresh says by itself what may change lists."""

    @pytest.fixture
    def batch(self, cloud_row: Cloud) -> sync.SyncBatch:
        instance = make_instance(instance_id="here", missing_since=None)
        known = {"here": Instance.objects.get(pk=instance.pk)}
        return sync.SyncBatch(cloud_row, known, timezone.now())

    @pytest.mark.parametrize(
        ("fields", "is_only_shown"),
        [
            ({"description": "x", "idle_stop_at": timezone.now()}, True),
            ({"owner_name": "berta"}, False),
            ({"status": "STOPPED"}, False),
            ({"missing_since": timezone.now()}, False),
        ],
    )
    def test_by_the_columns_that_differ(
        self, batch: sync.SyncBatch, fields: dict[str, object], is_only_shown: bool
    ) -> None:
        row = Instance.objects.get(instance_id="here")
        for name, value in fields.items():
            setattr(row, name, value)
        batch.changed["here"] = row
        before = FleetVersion.stamp()
        batch.save()
        fleet = FleetVersion.objects.get()
        assert fleet.version > before
        assert (fleet.listed_version == before) is is_only_shown

    def test_one_that_is_back_but_unreadable(self, batch: sync.SyncBatch) -> None:
        batch.known["here"].missing_since = timezone.now()
        batch.add_unreadable(UnreadableInstance("here", "here", "n", "RUNNING", "?"))
        assert not batch.is_only_shown

    def test_a_new_one(self, batch: sync.SyncBatch) -> None:
        batch.new["other"] = Instance()
        assert not batch.is_only_shown
