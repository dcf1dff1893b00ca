"""Curfew watches itself: it tells the operators when it no longer reads any cloud.

Beat runs this in a thread of its own, since it must work when no worker and no broker
does. The reminders in the database are the lock and the record: each is written once
and claimed before it is sent, as everywhere (``docs/decisions/0009-reminders.md``).
Once Curfew reads a cloud again, the workers say so (``team_events.resolved``).
"""

import time
from collections.abc import Iterator
from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from dashboard.instances.models import Cloud

from . import delivery, planning
from .candidates import Candidate, unix_ms
from .models import LIFETIME, NEVER, Reminder
from .on_call import duty_at
from .recipients import Recipients, all_recipients

log = structlog.get_logger(__name__)

EVERY_SECONDS = 15.0
MAX_SECONDS = 60.0
"""A round starts no delivery after this time; the next one continues."""

MISSED_REFRESHES = 3
"""Where clouds are read less often, so many may be missed."""

Kind = Reminder.Kind


def check(watching_since: datetime) -> None:
    """Write and send the notifications of a silence, if there is one.

    Args:
        watching_since: When beat started: a silence before it was no fault.
    """
    now, begun = timezone.now(), time.monotonic()
    if is_silent(now, watching_since):
        recipients = all_recipients(duty_at(now))
        new = list(_candidates(recipients, now, watching_since))
        if written := planning.write(new, now):
            log.error("no cloud has been read", reminders=written)
    for reminder_pk in _due(now):
        if time.monotonic() - begun > MAX_SECONDS:
            break
        delivery.deliver(reminder_pk)


def is_silent(now: datetime, watching_since: datetime) -> bool:
    """Return whether no cloud has been read for too long, and nobody says why."""
    minutes, every = settings.CURFEW.silence_minutes, settings.CURFEW.refresh_seconds
    clouds = _clouds()
    # Without any row no worker has ever found a cloud to read.
    is_over = not clouds and Cloud.objects.exists()
    if not minutes or is_over:
        return False
    allowed = max(
        timedelta(minutes=minutes), MISSED_REFRESHES * timedelta(seconds=every)
    )
    since = max(_read_at(clouds) or watching_since, watching_since)
    if since > now - allowed:
        return False
    # While workers try, they notify of clouds that cannot be read.
    has_tried = any(
        cloud.problem and cloud.attempted_at and cloud.attempted_at > now - allowed
        for cloud in clouds
    )
    announced = Reminder.objects.filter(
        kind=Kind.CLOUD, cloud__in=clouds, created_at__gt=_read_at(clouds) or since
    )
    return not (has_tried and announced.exists())


def _candidates(
    recipients: Recipients, now: datetime, watching_since: datetime
) -> Iterator[Candidate]:
    read_at = _read_at(_clouds())
    event = f"{unix_ms(read_at)}" if read_at else NEVER
    for recipient in recipients.team("on_cloud", recipients.fleet("on_cloud")):
        yield Candidate(
            recipient,
            Kind.SILENCE,
            event,
            moment=read_at or watching_since,
            expires_at=now + LIFETIME,
            for_team=True,
        )


def _clouds() -> list[Cloud]:
    return list(Cloud.objects.filter(unconfigured_since=None))


def _read_at(clouds: list[Cloud]) -> datetime | None:
    moments = (cloud.refreshed_at for cloud in clouds)
    return max((moment for moment in moments if moment), default=None)


def _due(now: datetime) -> list[int]:
    """Return the notifications of silences to send, those in lists included."""
    waiting = Reminder.objects.filter(state=Reminder.State.WAITING, due_at__lte=now)
    about_silence = Q(kind=Kind.SILENCE) | Q(
        pk__in=Reminder.objects.filter(kind=Kind.SILENCE, part_of__isnull=False).values(
            "part_of"
        )
    )
    due = waiting.filter(about_silence).order_by("due_at", "pk")
    return list(due.values_list("pk", flat=True)[:50])
