"""The cast and the parts every test may ask for."""

import gc
import os
import shutil
from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import redis
from django.core.cache import cache
from django.db import connection
from django.db.models.signals import post_init
from pytest_django import DjangoDbBlocker

from dashboard.accounts.models import CloudUser, User
from dashboard.audit import labels, services as audit_services, triggers
from dashboard.audit.models import AuditEvent
from dashboard.emulator import Emulator
from dashboard.handover import triggers as handover_guard
from dashboard.instances import upstream
from dashboard.instances.models import Cloud, Instance
from dashboard.instances.refresh import ensure_clouds, refresh_cloud
from dashboard.livepoll import state
from dashboard.web import process_cache
from dashboard.web.bulk_insert import insert_rows
from dashboard.web.redis_clients import quick_redis

from . import factories, migrated
from .programs import missing

PASSWORD = "correct horse battery"


SERVERS = ("stack", "browser", "postgres")
FIGURE = "figure"
"""Name of a test's ``user_properties`` that are shown at the end."""


def pytest_xdist_auto_num_workers() -> int:
    """Run one process more than there are cores: the tests of stacks mostly wait."""
    return (os.cpu_count() or 1) + 1


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Look for no garbage among what stays: modules and ten thousand tests.

    That took a quarter of the time of collecting them, in each process.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(
    items: list[pytest.Item],
) -> Generator[None]:
    """Give tests that share something costly to start to the same process.

    Those of a file share its fixtures, those in a browser one demo, those of the fault
    suite one stack of each kind. What takes longest begins first: servers, then the
    groups with most tests, so that the processes end at about the same time.
    """
    sizes: Counter[str] = Counter()
    for item in items:
        group = item.path.relative_to(item.config.rootpath).as_posix()
        if "demo" in getattr(item, "fixturenames", ()):
            group = "demo"
        elif "one_stack" in getattr(item, "fixturenames", ()):
            group = f"stack {item.callspec.params['one_stack']}"  # type: ignore[attr-defined]
        item.add_marker(pytest.mark.xdist_group(group))
        sizes[group] += 1
    yield  # xdist reads the marks; others shuffle.

    def begins(item: pytest.Item) -> tuple[bool, int]:
        group = item.get_closest_marker("xdist_group")
        assert group is not None
        starts_servers = any(map(item.get_closest_marker, SERVERS))
        return not starts_servers, -sizes[group.args[0]]

    items.sort(key=begins)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show what tests have measured, whichever process they ran in."""
    figures = [
        value
        for reports in terminalreporter.stats.values()
        for report in reports
        if getattr(report, "when", "") == "teardown"
        for name, value in report.user_properties
        if name == FIGURE
    ]
    if figures:
        terminalreporter.section("figures")
        for figure in figures:
            terminalreporter.line(figure)


def make_person(role: str, **fields: Any) -> User:
    """Somebody of a role, who is called after it."""
    return User.objects.create_user(
        username=fields.pop("username", role), password=PASSWORD, role=role, **fields
    )


@pytest.fixture(autouse=True)
def _another_database() -> None:
    """Each test has its own: keys and versions start over and mean something else."""
    process_cache.clear_all()
    # Or an earlier test's database, with its clock set ahead, would seem the newer one.
    with suppress(redis.RedisError):
        quick_redis().delete("curfew:live:highest")


@pytest.fixture
def viewer(db: None) -> User:
    """Sees everything, changes nothing."""
    return make_person("viewer")


@pytest.fixture
def scientist(db: None) -> User:
    """Is anna.schmidt upstream, the owner of the instances that factories make."""
    user = make_person("scientist")
    CloudUser.objects.create(account=user, identifier="anna.schmidt")
    return user


@pytest.fixture
def stranger(db: None) -> User:
    """A scientist who owns none of them."""
    user = make_person("scientist", username="stranger")
    CloudUser.objects.create(account=user, identifier="tom.becker")
    return user


@pytest.fixture
def manager(db: None) -> User:
    """Reads everything, the audit trail too; changes nothing, even of their own."""
    user = make_person("manager")
    CloudUser.objects.create(account=user, identifier="anna.schmidt")
    return user


@pytest.fixture
def operator(db: None) -> User:
    """Acts on any instance."""
    return make_person("operator")


@pytest.fixture
def admin(db: None) -> User:
    """Acts on any instance, and on people."""
    return make_person("admin")


@pytest.fixture
def cloud_row(db: None) -> Cloud:
    """A cloud whose mirror is fresh."""
    return factories.make_cloud()


@pytest.fixture
def instance(cloud_row: Cloud) -> Instance:
    """A running notebook of anna.schmidt's that stops in two hours."""
    return factories.make_instance(cloud=cloud_row)


@pytest.fixture
def cloud_options() -> dict[str, Any]:
    """Options of ``Emulator`` for all tests of a folder; override it there."""
    return {}


@pytest.fixture
def empty_cloud(
    request: pytest.FixtureRequest,
    db: None,
    cloud_options: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Emulator]:
    """The emulator over HTTP, not yet read, as the one configured cloud ``demo``.

    Parametrize it indirectly with options of ``Emulator``.
    """
    options = {"fleet": 40, "seed": 1} | cloud_options
    options |= getattr(request, "param", {})
    for name in [name for name in os.environ if name.startswith("OS_")]:
        monkeypatch.delenv(name)
    with Emulator(**options) as emulator:
        described = tmp_path / "clouds.yaml"
        described.write_text(emulator.clouds_yaml("demo"))
        monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(described))
        upstream.forget_clients()
        yield emulator
        upstream.forget_clients()


@pytest.fixture
def cloud(empty_cloud: Emulator) -> Emulator:
    """The emulator over HTTP, mirrored once."""
    ensure_clouds()
    refresh_cloud("demo")
    return empty_cloud


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings: None) -> None:
    """The test database begins as a copy, so that nothing is left to migrate."""
    migrated.fill_test_database()


@pytest.fixture(scope="session")
def django_db_setup(
    django_db_setup: None, django_db_blocker: DjangoDbBlocker
) -> Iterator[None]:
    """The test database; at the end nobody else is connected to it.

    PostgreSQL drops no database in use, and signs of life keep their connections.
    """
    with _flushable():
        yield
    if connection.vendor == "postgresql":
        with django_db_blocker.unblock(), connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )


@contextmanager
def _flushable() -> Iterator[None]:
    """Let the flush after a transactional test, and it alone, empty guarded tables."""
    # The class: beside a browser's event loop a test has another connection.
    operations = type(connection.ops)
    flush = operations.execute_sql_flush

    def flush_unguarded(self: Any, statements: list[str]) -> None:
        for each in (triggers, handover_guard):
            each.TRIGGERS.drop(self.connection)
        flush(self, statements)
        for each in (triggers, handover_guard):
            each.TRIGGERS.install(self.connection)

    with patch.object(operations, "execute_sql_flush", flush_unguarded):
        yield


@pytest.fixture(scope="session", autouse=True)
def _broker() -> Iterator[None]:
    """The embedded broker, on the port that the settings of this process name."""
    from dashboard.ops.broker import EmbeddedBroker

    from .settings import BROKER_PORT

    with EmbeddedBroker(port=BROKER_PORT):
        yield


@pytest.fixture(scope="session", autouse=True)
def _audit_labels() -> Iterator[None]:
    """Fail a test that records an action or a value which has no label."""

    def check(action: str, before: dict[str, Any], after: dict[str, Any]) -> None:
        subject = action.partition(".")[0]
        if subject in {action.partition(".")[0] for action in labels.actions()}:
            assert action in labels.actions()
            for name in {**before, **after}:
                assert (subject, name) in labels._fields

    def check_event(instance: AuditEvent, **_: Any) -> None:
        check(instance.action, instance.before, instance.after)

    def check_rows(shared: Any, names: Any, rows: Any, **options: Any) -> None:
        rows = list(rows)
        for row in rows:
            values = dict(zip(names, row, strict=True))
            check(shared.action, values["before"], values["after"])
        insert_rows(shared, names, rows, **options)

    post_init.connect(check_event, sender=AuditEvent, weak=False)
    with patch.object(audit_services, "insert_rows", check_rows):
        yield


@pytest.fixture(autouse=True)
def _no_rate_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing in this process waits for its turn to ask a cloud.

    Tests share the clouds' schedules: one that asks much would hold up, or fail,
    whichever comes next.
    """
    monkeypatch.setattr(upstream, "BURST", 1_000_000)
    monkeypatch.setattr(upstream, "SPARE_TURNS", 1_000_000)


@pytest.fixture
def _fresh_news(monkeypatch: pytest.MonkeyPatch) -> None:
    """No news of an earlier test; and this process believes nothing it has read."""
    monkeypatch.setattr(state, "MEMORY_SECONDS", -1)
    monkeypatch.setattr(state._backoff, "until", float("-inf"))
    quick_redis().flushdb()


@pytest.fixture
def _empty_cache() -> Iterator[None]:
    """Limits on sign-ins are counted in the cache."""
    cache.clear()
    yield
    cache.clear()


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict[str, Any]:
    """Debian's Chromium, which looks nothing up and reports nowhere.

    Without windows if possible: it takes half the CPU, and nobody looks at them.
    """
    chromium = shutil.which("chromium-headless-shell") or shutil.which("chromium")
    if chromium is None:
        missing("Chromium")
    # Playwright keeps an event loop in this thread until the end of the session, which
    # Django would take for asynchronous code, in other tests too.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
    switches = (
        "--no-sandbox --disable-gpu --disable-quic --no-first-run "
        "--disable-background-networking --disable-component-update --disable-sync"
    )
    return {"executable_path": chromium, "args": switches.split()}
