"""Is everything Curfew needs in place? One check each, in the order of dependence."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from uuid import uuid4

import redis
from celery import current_app
from django.conf import settings
from django.core.cache import cache
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from kombu.exceptions import OperationalError

from dashboard.instances import upstream
from dashboard.metrics.readiness import broker_answers
from dashboard.modelarts.errors import ModelArtsError

WORKER_SECONDS = 3


class FaultError(Exception):
    """A check failed; the message is a sentence that says what to do."""


@dataclass(frozen=True)
class Finding:
    """What one check found, in a sentence that never holds a secret."""

    name: str
    healthy: bool
    sentence: str


def examine() -> Iterator[Finding]:
    """Run every check, slowest last; each is given as soon as it is known."""
    yield _finding("settings", _settings)
    yield _finding("database", _database)
    yield _finding("broker", _broker)
    yield _finding("cache", _cache)
    yield _finding("worker", _worker)
    try:
        clouds = upstream.cloud_names()
    except ModelArtsError as error:
        yield Finding("clouds", healthy=False, sentence=error.sentence)
        return
    if not clouds:
        yield Finding(
            "clouds", healthy=False, sentence="No cloud is described in clouds.yaml."
        )
    for name in clouds:
        yield _finding(f"cloud {name}", partial(_cloud, name))


def _finding(name: str, check: Callable[[], str]) -> Finding:
    try:
        return Finding(name, healthy=True, sentence=check())
    except FaultError as fault:
        return Finding(name, healthy=False, sentence=str(fault))


def _settings() -> str:
    # Wrong ones stop every command, this one too, before it gets here.
    if settings.DEBUG:
        raise FaultError("CURFEW_DEBUG is on: error pages show internals to everybody.")
    return "Complete and well-formed."


def pending_migrations() -> int:
    """How many migrations are not applied yet.

    Raises:
        DatabaseError: The database cannot be reached.
    """
    executor = MigrationExecutor(connection)
    return len(executor.migration_plan(executor.loader.graph.leaf_nodes()))


def _database() -> str:
    try:
        pending = pending_migrations()
    except DatabaseError as error:
        raise FaultError(
            f"CURFEW_DATABASE_URL cannot be reached: {_first_line(error)}."
        ) from None
    if pending:
        raise FaultError(
            f"{pending} migrations are not applied. Run: manage.py migrate"
        )
    return f"{connection.display_name} answers, all migrations are applied."


def _broker() -> str:
    if not broker_answers():
        raise FaultError("It does not answer. Check CURFEW_REDIS_URL and the server.")
    return "It answers."


def _cache() -> str:
    key, value = f"doctor:{uuid4()}", "well"
    try:
        cache.set(key, value, timeout=10)
        kept = cache.get(key)
        cache.delete(key)
    except redis.RedisError:
        raise FaultError(
            "It cannot be used. It is the database after the broker's in "
            "CURFEW_REDIS_URL, on the same server."
        ) from None
    if kept != value:
        raise FaultError("It forgets at once. Check the server's memory limit.")
    return "It keeps what it is given."


def _worker() -> str:
    try:
        served = current_app.control.inspect(timeout=WORKER_SECONDS).active_queues()
    except (OperationalError, redis.RedisError, OSError):
        raise FaultError("It cannot be asked while the broker is away.") from None
    if not served:
        raise FaultError(
            f"No worker answered within {WORKER_SECONDS} s. "
            "Run: celery --app dashboard worker"
        )
    queues = {queue["name"] for queues in served.values() for queue in queues}
    if missing := sorted(set(current_app.conf.task_queues) - queues):
        raise FaultError(f"No worker serves the queue {' or '.join(missing)}.")
    return f"{len(served)} answering, every queue is served."


def _cloud(name: str) -> str:
    try:
        page = next(upstream.client_for(name).list_instances(page_size=1))
    except ModelArtsError as error:
        raise FaultError(error.sentence) from None
    return f"Credentials are good; it has {page.total_count} instances."


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
