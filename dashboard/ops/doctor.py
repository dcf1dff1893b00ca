"""Checks of everything Curfew depends on, in the order of dependence."""

import os
import smtplib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
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
from dashboard.instances import upstream
from dashboard.instances.models import Cloud
from dashboard.metrics.readiness import Readiness, broker_answers, judge_mirror
from dashboard.modelarts.errors import ModelArtsError, NotSentError
from dashboard.web.smtp_errors import smtp_problem

from . import site_check
from .faults import FaultError
from .production import unsafe_settings

WORKER_SECONDS = 3
OLDEST_SWEEP_SECONDS = 15
MOST_APART_SECONDS = 2


@dataclass(frozen=True)
class Finding:
    """The result of a check, in a sentence without secrets."""

    name: str
    healthy: bool
    sentence: str


def examine(only: str = "") -> Iterator[Finding]:
    """Run the checks, slowest last; yield each as soon as it is known.

    Args:
        only: Prefix of the checks to run, such as ``beat`` or ``cloud``.
    """
    checks = {
        "settings": _settings,
        "database": _database,
        "broker": _broker,
        "cache": _cache,
        "worker": _worker,
        "beat": _beat,
        "mirror": _mirror,
        "mail": _mail,
    }
    for name, check in checks.items():
        if name.startswith(only):
            yield _finding(name, check)
    if "cloud".startswith(only) or only.startswith("cloud"):
        yield from _clouds(only)
    if "site".startswith(only):
        yield _finding("site", _site)


def _clouds(only: str) -> Iterator[Finding]:
    try:
        clouds = upstream.usable_cloud_names()
    except ModelArtsError as error:
        yield Finding("clouds", healthy=False, sentence=error.sentence)
        return
    if not clouds:
        yield Finding(
            "clouds", healthy=False, sentence="clouds.yaml does not define a cloud."
        )
    for name in clouds:
        if f"cloud {name}".startswith(only):
            yield _finding(f"cloud {name}", partial(_cloud, name))


def _finding(name: str, check: Callable[[], str]) -> Finding:
    try:
        return Finding(name, healthy=True, sentence=check())
    except FaultError as fault:
        return Finding(name, healthy=False, sentence=str(fault))


def _settings() -> str:
    # Invalid settings stop every command, this one too, before it gets here.
    if settings.DEBUG:
        raise FaultError(
            "CURFEW_DEBUG is on: error pages expose internals. Turn it off."
        )
    if faults := list(unsafe_settings(settings.CURFEW)):
        raise FaultError(" ".join(faults))
    if not settings.CURFEW.is_local:
        tags = [Tags.security]
        if complaints := run_checks(tags=tags, include_deployment_checks=True):
            raise FaultError(" ".join(complaint.msg for complaint in complaints))
    return "Settings are complete and valid."


def pending_migrations() -> int:
    """Return the number of unapplied migrations.

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
            f"Cannot connect to CURFEW_DATABASE_URL: {_first_line(error)}."
        ) from None
    if pending:
        raise FaultError(
            f"{pending} migrations are not applied. Run: manage.py migrate"
        )
    _compare_clocks()
    return f"Connected to {connection.display_name}; all migrations are applied."


def _compare_clocks() -> None:
    """Leases and due times use the database's clock, countdowns ours."""
    if connection.vendor != "postgresql":
        return  # SQLite's clock is this machine's
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        theirs = cursor.fetchone()[0]
    apart = abs((theirs - timezone.now()).total_seconds())
    if apart > MOST_APART_SECONDS:
        raise FaultError(
            f"Its clock and this machine's are {apart:.0f} s apart. Have both follow "
            "the same time server."
        )


def _broker() -> str:
    if not broker_answers():
        raise FaultError("No response. Check CURFEW_REDIS_URL and the Redis server.")
    return _judge_broker()


def _judge_broker() -> str:
    try:
        with redis.Redis.from_url(settings.BROKER_URL, socket_timeout=1) as client:
            memory = client.info("memory")
            persistence = client.info("persistence")
    except redis.RedisError:
        return "Connected. The server does not report its persistence settings."
    if memory["maxmemory_policy"] != "noeviction":
        raise FaultError(
            "Redis may evict queued tasks. Set maxmemory-policy noeviction."
        )
    if not persistence["aof_enabled"]:
        raise FaultError(
            "Queued tasks are lost when Redis restarts. Set appendonly yes."
        )
    return "Connected; queued tasks are persistent."


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
        raise FaultError(
            "Stored values are evicted immediately. Check the memory limit."
        )
    return "Reads and writes work."


def _worker() -> str:
    try:
        served = current_app.control.inspect(timeout=WORKER_SECONDS).active_queues()
    except (OperationalError, redis.RedisError, OSError):
        raise FaultError("Not checked: the broker is unavailable.") from None
    if not served:
        raise FaultError(
            f"No worker answered within {WORKER_SECONDS} s. "
            "Run: celery --app dashboard worker"
        )
    queues = {queue["name"] for queues in served.values() for queue in queues}
    if missing := sorted(set(current_app.conf.task_queues) - queues):
        raise FaultError(f"No worker serves the queue {' or '.join(missing)}.")
    return f"{len(served)} workers responding; every queue is served."


def _beat() -> str:
    try:
        age = heartbeat.sweep_age_seconds()
    except redis.RedisError:
        raise FaultError("Not checked: the cache is unavailable.") from None
    if age is None or age > OLDEST_SWEEP_SECONDS:
        since = "yet" if age is None else f"for {age:.0f} s"
        raise FaultError(f"Beat has not run {since}. Run: celery --app dashboard beat")
    return f"Beat last ran {age:.0f} s ago."


def _mirror() -> str:
    state = Readiness()
    try:
        judge_mirror(state, list(Cloud.objects.all()), timezone.now())
    except DatabaseError:
        raise FaultError("Not checked: the database is unavailable.") from None
    if not state.mirror_age_seconds and not state.notices:
        return "No cloud synced yet. The workers start the first sync within seconds."
    if faults := [*state.notices, *state.reasons]:
        raise FaultError(" ".join(faults))
    whole = "Every cloud is synced and up to date."
    return " ".join(state.under_way) or whole


def _mail() -> str:
    config = settings.CURFEW
    if not config.mail_url:
        return "No mail server is configured. Curfew sends no email."
    server = mailers.default
    try:
        server.open()
    except (OSError, smtplib.SMTPException) as error:
        raise FaultError(str(smtp_problem(error))) from None
    finally:
        with suppress(OSError, smtplib.SMTPException):
            server.close()
    if not config.mail_starttls:
        return "Connected to the mail server without TLS."
    return "Connected to the mail server over TLS."


def _site() -> str:
    if not settings.CURFEW.url and settings.CURFEW.is_local:
        return "Not checked: CURFEW_URL is not set."
    return site_check.check(settings.CURFEW.site_url)


def _cloud(name: str) -> str:
    try:
        page = next(upstream.client_for(name).list_instances(page_size=1))
    except NotSentError as error:
        raise FaultError(f"{error.sentence}{_proxy_hint()}") from None
    except ModelArtsError as error:
        raise FaultError(error.sentence) from None
    return f"Credentials are valid; {page.total_count} instances found."


def _proxy_hint() -> str:
    in_environment = os.environ.get("HTTPS_PROXY") or os.environ.get("https_proxy")
    if not in_environment or settings.CURFEW.cloud_proxy_url:
        return ""
    return (
        " HTTPS_PROXY is set, but Curfew does not use it; set CURFEW_CLOUD_PROXY if "
        "clouds are reached through a proxy."
    )


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
