"""What the system page shows."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from urllib.parse import urlsplit

import redis
from django.conf import settings
from django.db import connection
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from dashboard.accounts.models import User
from dashboard.instances import upstream_metrics
from dashboard.instances.cloud_overviews import CloudOverview, cloud_overviews
from dashboard.instances.models import Cloud
from dashboard.metrics import queues
from dashboard.metrics.readiness import Readiness, check_mirrors
from dashboard.reminders.models import Channel, Reminder
from dashboard.web.stored_messages import Message, sentences

from . import findings, messages, test_mail, workers
from .checks import SITE, Check, own_checks, run
from .test_mail import TestMail
from .workers import WorkerReport

MAX_SKEW_SECONDS = 60
"""Countdowns allow for the difference; much more than that is a fault of a clock."""

GOOD, WAIT, BAD = "good", "wait", "bad"
"""Tones, as ``data-tone`` has them."""

DAY = timedelta(days=1)

_TITLES: dict[str, str | Promise] = {
    "settings": _("Settings"),
    "database": _("Database"),
    "broker": _("Broker"),
    "cache": _("Cache"),
    "worker": _("Workers"),
    "beat": _("Beat"),
    "mirror": _("Sync"),
    "mail": _("Mail server"),
    "clouds": "clouds.yaml",
    "site": _("Public address"),
}


@dataclass(frozen=True)
class CheckLine:
    """A check and its result.

    Attributes:
        checked_at: None for one that the page has just run, and before the first run.
    """

    name: str
    tone: str
    message: Message
    checked_at: datetime | None = None

    @property
    def title(self) -> str:
        return str(_TITLES.get(self.name, self.name.removeprefix("cloud ")))

    @property
    def is_cloud(self) -> bool:
        return self.name not in _TITLES


@dataclass(frozen=True)
class CloudLine:
    """A cloud and how it is doing.

    Attributes:
        calls: In the last minute; None if Redis is away.
        notes: Pairs of tone and sentence, worst first.
    """

    overview: CloudOverview
    refreshed_at: datetime | None
    skew_seconds: int
    calls: int | None
    notes: list[tuple[str, Message]]

    @property
    def cloud(self) -> Cloud:
        return self.overview.cloud

    @property
    def tone(self) -> str:
        return self.notes[0][0] if self.notes else GOOD

    @property
    def instances(self) -> int:
        return sum(held.count for held in self.overview.generations)


@dataclass(frozen=True)
class QueueLine:
    """A queue, the number of waiting messages, and of workers that serve it."""

    name: str
    waiting: int
    workers: int


@dataclass(frozen=True)
class Overview:
    checks: list[CheckLine]
    clouds: list[CloudLine]
    workers: list[WorkerReport] = field(default_factory=list)
    queues: list[QueueLine] = field(default_factory=list)
    is_checking: bool = False
    checked_at: datetime | None = None
    database: str = ""
    database_bytes: int = 0
    mail_host: str = ""
    test_mail: TestMail | None = None
    channels: int = 0
    failed_webhooks: int = 0

    @property
    def calls_limit(self) -> int:
        return round(settings.CURFEW.upstream_rate * 60)

    @property
    def problems(self) -> int:
        """Number of checks and clouds with a problem.

        A cloud that the checks have complained about counts once.
        """
        names = {line.name for line in self.checks if line.tone == BAD} - {"mirror"}
        names |= {f"cloud {one.cloud.name}" for one in self.clouds if one.tone == BAD}
        is_mirror = any(x.name == "mirror" and x.tone == BAD for x in self.checks)
        return len(names) or int(is_mirror)

    @property
    def is_incomplete(self) -> bool:
        """Whether a check has no current result."""
        return any(line.tone == WAIT for line in self.checks)


def overview(user: User) -> Overview:
    now = timezone.now()
    stored = findings.read()
    reports = _or_empty(workers.reports)
    day = Reminder.objects.filter(channel__isnull=False, created_at__gt=now - DAY)
    return Overview(
        checks=list(_checks(stored)),
        clouds=[_cloud(one, now) for one in cloud_overviews(user)],
        workers=reports,
        queues=_or_empty(lambda: _queues(reports)),
        is_checking=findings.is_running(),
        checked_at=max((one.checked_at for one in stored.values()), default=None),
        database=connection.display_name,
        database_bytes=database_bytes(),
        mail_host=_mail_host(),
        test_mail=test_mail.last(user),
        channels=Channel.objects.filter(active=True).count(),
        failed_webhooks=day.filter(state=Reminder.State.FAILED).count(),
    )


def _checks(stored: dict[str, findings.StoredFinding]) -> Iterator[CheckLine]:
    for check in own_checks():
        yield _on_page(check) if check.on_page else _stored(check, stored)
    for name in stored:
        # Workers know the clouds; the web server needs no clouds.yaml.
        if name.startswith("cloud"):
            yield _line(stored[name])
    yield _stored(SITE, stored)


def _on_page(check: Check) -> CheckLine:
    assert check.on_page  # noqa: S101
    found = run(check._replace(run=check.on_page))
    message = found.message
    if check.name == "mirror" and not found.healthy:
        message = sentences(message, messages.SEE_CLOUDS())
    return CheckLine(check.name, GOOD if found.healthy else BAD, message)


def _stored(check: Check, stored: dict[str, findings.StoredFinding]) -> CheckLine:
    if check.name in stored:
        return _line(stored[check.name])
    return CheckLine(check.name, WAIT, messages.NOT_CHECKED_YET())


def _line(one: findings.StoredFinding) -> CheckLine:
    found, tone = one.finding, GOOD if one.finding.healthy else BAD
    message = found.message
    if one.is_outdated:
        message = sentences(message, messages.OUT_OF_DATE())
        tone = BAD if tone == BAD else WAIT
    return CheckLine(found.name, tone, message, one.checked_at)


def _cloud(overview: CloudOverview, now: datetime) -> CloudLine:
    cloud = overview.cloud
    try:
        calls = upstream_metrics.calls_last_minute(cloud.name)
    except redis.RedisError:
        calls = None
    notes = sorted(_notes(cloud, now), key=lambda note: note[0] != BAD)
    skew_seconds = round(cloud.skew_ms / 1000)
    return CloudLine(overview, cloud.refreshed_at, skew_seconds, calls, notes)


def _notes(cloud: Cloud, now: datetime) -> Iterator[tuple[str, Message]]:
    state = Readiness()
    check_mirrors(state, [cloud], now)
    if cloud.unconfigured_since:
        yield from ((WAIT, notice) for notice in state.notices)
        return
    if cloud.problem:
        again = messages.TRIES_AGAIN(seconds=round(settings.CURFEW.refresh_seconds))
        yield BAD, sentences(*state.notices, cloud.problem, again)
    else:
        yield from ((WAIT, notice) for notice in state.notices)
        if state.reasons:
            yield BAD, sentences(*state.reasons, messages.CHECK_WORKERS())
    for message in [*state.in_progress, *state.limits]:
        yield WAIT, message
    skew_seconds = round(cloud.skew_ms / 1000)
    if abs(skew_seconds) > MAX_SKEW_SECONDS:
        is_ahead = skew_seconds > 0
        about = messages.CLOCK_AHEAD if is_ahead else messages.CLOCK_BEHIND
        yield WAIT, about(seconds=abs(skew_seconds))


def _queues(reports: list[WorkerReport]) -> list[QueueLine]:
    alive = [report for report in reports if report.is_alive]
    return [
        QueueLine(name, waiting, sum(name in one.queues for one in alive))
        for name, waiting in queues.read().waiting.items()
    ]


def _or_empty[Line](read: Callable[[], list[Line]]) -> list[Line]:
    """Return what is in Redis; nothing without it, which a check reports."""
    try:
        return read()
    except redis.RedisError:
        return []


def database_bytes() -> int:
    sql = "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()"
    if connection.vendor == "postgresql":
        sql = "SELECT pg_database_size(current_database())"
    with connection.cursor() as cursor:
        cursor.execute(sql)
        row = cursor.fetchone()
    return int(row[0])


def _mail_host() -> str:
    return urlsplit(settings.CURFEW.mail_url.get_secret_value()).hostname or ""
