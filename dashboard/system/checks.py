"""Checks of everything Curfew depends on: one list for ``doctor`` and system page."""

import os
import smtplib
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import NamedTuple
from uuid import uuid4

import redis
from celery import current_app
from django.conf import settings
from django.core.cache import cache
from django.core.checks import Tags, run_checks
from django.core.mail import mailers
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone
from kombu.exceptions import OperationalError

from dashboard.edits.delivery import heartbeat
from dashboard.instances import search_index, upstream
from dashboard.instances.messages import message_of
from dashboard.instances.models import Cloud
from dashboard.instances.served_generations import first_pages
from dashboard.metrics.readiness import Readiness, broker_answers, check_mirrors
from dashboard.modelarts.errors import ModelArtsError, NotSentError
from dashboard.modelarts.generations import Generation
from dashboard.modelarts.results import InstancePage
from dashboard.paths import MANAGE_NAME
from dashboard.web.smtp_errors import smtp_problem
from dashboard.web.stored_messages import Message, sentences, verbatim

from . import messages, site_check, workers
from .faults import FaultError
from .production import unsafe_settings

WORKER_SECONDS = 3
WORKER_TRIES = 3
"""A worker whose machine is busy may miss the first."""

MINUTE = 60
OLDEST_SWEEP_SECONDS = 15
MAX_CLOCK_DIFFERENCE_SECONDS = 2
PASSWORD_WARNING = timedelta(days=7)
"""So long before a cloud's password expires it is a fault."""


class Check(NamedTuple):
    """A check of something that Curfew depends on.

    Attributes:
        run: Returns what is well; raises ``FaultError`` with what is not.
        every_seconds: How often the workers run it for the system page.
        on_page: What that page runs itself instead, since it takes milliseconds.
    """

    name: str
    run: Callable[[], Message]
    every_seconds: int = 0
    on_page: Callable[[], Message] | None = None


@dataclass(frozen=True)
class Finding:
    """The result of a check, in sentences without secrets."""

    name: str
    healthy: bool
    message: Message

    @property
    def sentence(self) -> str:
        return str(self.message)


def examine(only: str = "") -> Iterator[Finding]:
    """Run the checks; yield each result as soon as it is known.

    Args:
        only: Prefix of the checks to run, such as ``beat`` or ``cloud``.
    """
    for check in all_checks():
        # Without a readable clouds.yaml there is "clouds" instead of "cloud NAME".
        is_cloud = check.name == "clouds" and only.startswith("cloud")
        if check.name.startswith(only) or is_cloud:
            yield run(check)


def run(check: Check) -> Finding:
    try:
        return Finding(check.name, healthy=True, message=check.run())
    except FaultError as fault:
        return Finding(check.name, healthy=False, message=fault.message)


def all_checks() -> Iterator[Check]:
    """Yield the checks in the order of dependence, slowest last."""
    yield from own_checks()
    yield from _clouds()
    yield SITE


def own_checks() -> Iterator[Check]:
    """Yield the checks of Curfew's own parts: all but the clouds and ``SITE``."""
    yield Check("settings", _settings, every_seconds=5 * MINUTE)
    yield Check("database", _database, every_seconds=MINUTE)
    yield Check("broker", _broker, on_page=_broker)
    yield Check("cache", _cache, on_page=_cache)
    yield Check("worker", _worker, on_page=_reported_workers)
    yield Check("beat", _beat, on_page=_beat_runs)
    yield Check("mirror", _mirror, on_page=_mirror)
    yield Check("mail", _mail, every_seconds=15 * MINUTE)


def _clouds() -> Iterator[Check]:
    try:
        names = upstream.cloud_names()
    except ModelArtsError as error:
        yield Check("clouds", partial(_fail, message_of(error)), every_seconds=MINUTE)
        return
    for name in names:
        yield Check(f"cloud {name}", partial(_cloud, name), every_seconds=5 * MINUTE)


def _fail(message: Message) -> Message:
    raise FaultError(message)


def _settings() -> Message:
    # Invalid settings stop every command, this one too, before it gets here.
    if settings.DEBUG:
        raise FaultError(messages.DEBUG_ON())
    if faults := list(unsafe_settings(settings.CURFEW)):
        raise FaultError(sentences(*faults))
    if not settings.CURFEW.is_local:
        tags = [Tags.security]
        if complaints := run_checks(tags=tags, include_deployment_checks=True):
            raise FaultError(sentences(*(verbatim(one.msg) for one in complaints)))
    return messages.SETTINGS_VALID()


def pending_migrations() -> int:
    """Return the number of unapplied migrations.

    Raises:
        DatabaseError: The database cannot be reached.
    """
    executor = MigrationExecutor(connection)
    return len(executor.migration_plan(executor.loader.graph.leaf_nodes()))


def _database() -> Message:
    try:
        pending = pending_migrations()
    except DatabaseError as error:
        reason = _first_line(error)
        raise FaultError(messages.DATABASE_UNREACHABLE(reason=reason)) from None
    if pending:
        fault = messages.MIGRATIONS_PENDING(count=pending, manage=MANAGE_NAME)
        raise FaultError(fault)
    _compare_clocks()
    ready = messages.DATABASE_READY(name=connection.display_name)
    if connection.vendor != "postgresql" or search_index.exists(connection):
        return ready
    return sentences(ready, messages.NO_SEARCH_INDEX(manage=MANAGE_NAME))


def _compare_clocks() -> None:
    """Leases and due times use the database's clock, countdowns ours."""
    if connection.vendor != "postgresql":
        return  # SQLite's clock is this machine's
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        theirs = cursor.fetchone()[0]
    apart = abs((theirs - timezone.now()).total_seconds())
    if apart > MAX_CLOCK_DIFFERENCE_SECONDS:
        raise FaultError(messages.CLOCKS_APART(seconds=round(apart)))


def _broker() -> Message:
    if not broker_answers():
        raise FaultError(messages.BROKER_SILENT())
    return _judge_broker()


def _judge_broker() -> Message:
    try:
        with redis.Redis.from_url(settings.BROKER_URL, socket_timeout=1) as client:
            memory = client.info("memory")
            persistence = client.info("persistence")
    except redis.RedisError:
        return messages.BROKER_UNKNOWN()
    if memory["maxmemory_policy"] != "noeviction":
        raise FaultError(messages.BROKER_EVICTS())
    if not persistence["aof_enabled"]:
        raise FaultError(messages.BROKER_FORGETS())
    return messages.BROKER_READY()


def _cache() -> Message:
    key, value = f"doctor:{uuid4()}", "well"
    try:
        cache.set(key, value, timeout=10)
        kept = cache.get(key)
        cache.delete(key)
    except redis.RedisError:
        raise FaultError(messages.CACHE_UNUSABLE()) from None
    if kept != value:
        raise FaultError(messages.CACHE_EVICTS())
    return messages.CACHE_WORKS()


def _worker() -> Message:
    served: dict[str, set[str]] = {}
    for _try in range(WORKER_TRIES):
        try:
            answers = current_app.control.inspect(
                timeout=WORKER_SECONDS
            ).active_queues()
        except (OperationalError, redis.RedisError, OSError):
            raise FaultError(messages.BROKER_AWAY()) from None
        for worker, queues in (answers or {}).items():
            served.setdefault(worker, set()).update(queue["name"] for queue in queues)
        if not unserved_queues(served.values()):
            break
    return judge_workers(served.values(), waited_seconds=WORKER_SECONDS * WORKER_TRIES)


def judge_workers(served: Collection[set[str]], *, waited_seconds: int) -> Message:
    """Judge the workers that have answered.

    Args:
        served: The queues of each.
        waited_seconds: For an answer.

    Raises:
        FaultError: There are none, or a queue is served by none.
    """
    if not served:
        raise FaultError(messages.NO_WORKER(seconds=waited_seconds))
    if missing := unserved_queues(served):
        raise FaultError(messages.QUEUES_UNSERVED(queues=missing))
    return messages.WORKERS_READY(count=len(served))


def _reported_workers() -> Message:
    served = _reported_queues()
    return judge_workers(served, waited_seconds=workers.ALIVE_SECONDS)


def _reported_queues() -> list[set[str]]:
    """Return the queues of each worker that has reported itself lately."""
    try:
        reports = workers.reports()
    except redis.RedisError:
        raise FaultError(messages.CACHE_AWAY()) from None
    return [set(report.queues) for report in reports if report.is_alive]


def unserved_queues(served: Iterable[set[str]]) -> list[str]:
    return sorted(set(current_app.conf.task_queues).difference(*served))


def _beat() -> Message:
    try:
        age = heartbeat.sweep_age_seconds()
    except redis.RedisError:
        raise FaultError(messages.CACHE_AWAY()) from None
    if age is None:
        raise FaultError(messages.BEAT_NEVER())
    if age > OLDEST_SWEEP_SECONDS:
        raise FaultError(messages.BEAT_SILENT(seconds=round(age)))
    return messages.BEAT_RUNS(seconds=round(age))


def _beat_runs() -> Message:
    """Judge beat for the page, which polls: without the seconds of the last sweep.

    Workers make the sweeps, so without one nothing is known about beat.
    """
    try:
        _beat()
    except FaultError:
        if "edits" in unserved_queues(_reported_queues()):
            raise FaultError(messages.BEAT_UNKNOWN()) from None
        raise
    return messages.BEAT_ALIVE()


def _mirror() -> Message:
    state = Readiness()
    try:
        check_mirrors(state, list(Cloud.objects.all()), timezone.now())
    except DatabaseError:
        raise FaultError(messages.DATABASE_AWAY()) from None
    if not state.mirror_age_seconds and not state.notices:
        return messages.NO_CLOUD_SYNCED()
    if faults := [*state.notices, *state.reasons]:
        raise FaultError(sentences(*faults))
    progress = state.in_progress or [messages.CLOUDS_SYNCED()]
    return sentences(*progress, *state.limits)


def _mail() -> Message:
    config = settings.CURFEW
    if not config.mail_url:
        return messages.NO_MAIL_SERVER()
    server = mailers.default
    try:
        server.open()
    except (OSError, smtplib.SMTPException) as error:
        raise FaultError(smtp_problem(error)) from None
    finally:
        with suppress(OSError, smtplib.SMTPException):
            server.close()
    if not config.mail_starttls:
        return messages.MAIL_IN_CLEAR()
    return messages.MAIL_READY()


def _site() -> Message:
    if not settings.CURFEW.url and settings.CURFEW.is_local:
        return messages.SITE_WITHOUT_URL()
    return site_check.check(settings.CURFEW.site_url)


SITE = Check("site", _site, every_seconds=60 * MINUTE)


def _cloud(name: str) -> Message:
    try:
        client = upstream.client_for(name)
        pages = first_pages(client)
    except NotSentError as error:
        raise FaultError(sentences(message_of(error), _proxy_hint())) from None
    except ModelArtsError as error:
        raise FaultError(message_of(error)) from None
    held = [_generation(key, page) for key, page in pages.items()]
    ready = messages.CLOUD_READY(generations=held)
    return sentences(ready, _judge_password(client.password_expires_at))


def _judge_password(expires_at: datetime | None) -> Message:
    if expires_at is None:
        return Message()
    day = f"{expires_at.astimezone(UTC):%Y-%m-%d}"
    if expires_at - timezone.now() < PASSWORD_WARNING:
        raise FaultError(messages.PASSWORD_EXPIRES_SOON(day=day))
    return messages.PASSWORD_EXPIRES(day=day)


def _generation(key: Generation, page: InstancePage | None) -> Message:
    """Return what a cloud holds of one generation of the API."""
    if page is None:
        return messages.GENERATION_NOT_SERVED(generation=key.value)
    return messages.GENERATION_SERVED(
        generation=key.value, count=page.total_count, scope=page.scope
    )


def _proxy_hint() -> Message:
    in_environment = os.environ.get("HTTPS_PROXY") or os.environ.get("https_proxy")
    if not in_environment or settings.CURFEW.cloud_proxy_url:
        return Message()
    return messages.PROXY_UNUSED()


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
