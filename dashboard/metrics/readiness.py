from dataclasses import dataclass, field
from datetime import datetime

import redis
from django.conf import settings
from django.db import DatabaseError
from django.utils import timezone
from redis.backoff import NoBackoff
from redis.retry import Retry

from dashboard.instances.models import Cloud
from dashboard.paths import MANAGE_NAME
from dashboard.web.process_cache import ProcessCache
from dashboard.web.stored_messages import Message

from . import messages

BROKER_SECONDS = 0.5
MISSED_REFRESHES = 5
"""After this many missed refreshes, and at least a minute, a mirror is too old."""

RECENT_SECONDS = 1


@dataclass
class Readiness:
    """The result of a readiness check.

    Attributes:
        reasons: Why the site is not ready. They are public, so they contain no address
            and no error text.
        notices: Problems of a site that works; also public.
        in_progress: Reads that take time; also public.
        limits: Instances that an account may not list; also public.
        mirror_age_seconds: By cloud; None before the first complete refresh.
    """

    reasons: list[Message] = field(default_factory=list)
    notices: list[Message] = field(default_factory=list)
    in_progress: list[Message] = field(default_factory=list)
    limits: list[Message] = field(default_factory=list)
    mirror_age_seconds: dict[str, float | None] = field(default_factory=dict)


_cache = ProcessCache(max_size=1, seconds=RECENT_SECONDS)


def measure() -> Readiness:
    state = Readiness()
    try:
        clouds = list(Cloud.objects.all())
    except DatabaseError:
        state.reasons.append(messages.DATABASE_SILENT())
    else:
        check_mirrors(state, clouds, timezone.now())
    if not broker_answers():
        state.reasons.append(messages.BROKER_SILENT())
    return state


def recent() -> Readiness:
    """Return ``measure()``, at most a second old."""
    return _cache.get_or_compute("readiness", measure)


def broker_answers() -> bool:
    try:
        with redis.Redis.from_url(
            settings.BROKER_URL,
            socket_timeout=BROKER_SECONDS,
            socket_connect_timeout=BROKER_SECONDS,
            retry=Retry(NoBackoff(), 0),
        ) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False


def allowed_age_seconds() -> float:
    """Return the age from which on a mirror is too old."""
    return max(60, MISSED_REFRESHES * settings.CURFEW.refresh_seconds)


def check_mirrors(state: Readiness, clouds: list[Cloud], now: datetime) -> None:
    """Add the problems of the clouds to a readiness."""
    allowed_seconds = allowed_age_seconds()
    for cloud in clouds:
        name = cloud.name
        if cloud.unconfigured_since:
            if not cloud.retired_at:
                removed = messages.CLOUD_REMOVED(
                    cloud=name,
                    since=_utc(cloud.unconfigured_since),
                    retires_at=_utc(cloud.retires_at),
                    manage=MANAGE_NAME,
                )
                state.notices.append(removed)
            continue
        counts = {"cloud": name, "counted": cloud.counted, "listed": cloud.listed}
        if cloud.incomplete == Cloud.Incomplete.WRONG_COUNT:
            since = _utc(cloud.incomplete_since)
            state.notices.append(messages.WRONG_COUNT(**counts, since=since))
        elif cloud.incomplete:
            state.in_progress.append(messages.PARTLY_READ(**counts))
        if cloud.problem:
            since = _utc(cloud.problem_since)
            state.notices.append(messages.REFRESHES_FAIL(cloud=name, since=since))
        if cloud.notebooks_scope == Cloud.Scope.OWN:
            state.limits.append(messages.OWN_ONLY(cloud=name))
        if cloud.refreshed_at is None:
            state.mirror_age_seconds[name] = None
            state.reasons.append(messages.NEVER_READ(cloud=name))
            continue
        age_seconds = (now - cloud.refreshed_at).total_seconds()
        state.mirror_age_seconds[name] = round(age_seconds, 1)
        if age_seconds > allowed_seconds:
            old = messages.MIRROR_OLD(cloud=name, seconds=round(age_seconds))
            state.reasons.append(old)
    if not state.mirror_age_seconds:
        state.reasons.append(messages.NO_CLOUD_READ())


def _utc(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC" if moment else "never"
