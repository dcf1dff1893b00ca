"""Whether database, broker and mirror are in working order."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

import redis
from django.conf import settings
from django.db import DatabaseError
from django.utils import timezone
from redis.backoff import NoBackoff
from redis.retry import Retry

from dashboard.instances.models import Cloud
from dashboard.web.shelf import Shelf

BROKER_SECONDS = 0.5
MISSED_REFRESHES = 5
"""So many in a row make a mirror too old, but never less than a minute."""

RECENT_SECONDS = 1


@dataclass
class Readiness:
    """What was found.

    Attributes:
        reasons: Why the site is not ready, a sentence each. Anybody may read them, so
            they name no address and quote no error.
        mirror_age_seconds: By cloud; None where no refresh was ever complete.
    """

    reasons: list[str] = field(default_factory=list)
    mirror_age_seconds: dict[str, float | None] = field(default_factory=dict)


_shelf: Shelf[Readiness] = Shelf(most=1, seconds=RECENT_SECONDS)


def measure() -> Readiness:
    """Look at database, broker and mirror."""
    state = Readiness()
    try:
        clouds = list(Cloud.objects.all())
    except DatabaseError:
        state.reasons.append("The database does not answer.")
    else:
        _judge_mirror(state, clouds, timezone.now())
    if not broker_answers():
        state.reasons.append("The broker does not answer.")
    return state


def recent() -> Readiness:
    """The same, at most a second old."""
    return _shelf.recall("readiness", measure)


def broker_answers() -> bool:
    """Whether the broker answers a PING in time."""
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


def oldest_mirror() -> timedelta:
    """The age up to which a mirror still counts as fresh."""
    seconds = MISSED_REFRESHES * settings.CURFEW.refresh_seconds
    return timedelta(seconds=max(60, seconds))


def _judge_mirror(state: Readiness, clouds: list[Cloud], now: datetime) -> None:
    allowed = oldest_mirror()
    attempts = [cloud.attempted_at for cloud in clouds if cloud.attempted_at]
    # Nobody asks a cloud that is no longer configured; its row stays. Where nobody asks
    # any cloud, though, all of them count: then it is the worker that is missing.
    since = max(attempts, default=now) - allowed
    for cloud in clouds:
        if cloud.attempted_at and cloud.attempted_at < since:
            continue
        age = None if cloud.refreshed_at is None else now - cloud.refreshed_at
        state.mirror_age_seconds[cloud.name] = (
            None if age is None else round(age.total_seconds(), 1)
        )
        if age is None:
            state.reasons.append(f"The mirror of {cloud.name} was never complete.")
        elif age > allowed:
            state.reasons.append(
                f"The mirror of {cloud.name} is {age.total_seconds():.0f} s old."
            )
    if not state.mirror_age_seconds:
        state.reasons.append("No cloud was asked yet.")
