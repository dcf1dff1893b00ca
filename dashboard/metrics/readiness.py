from dataclasses import dataclass, field
from datetime import datetime, timedelta

import redis
from django.conf import settings
from django.db import DatabaseError
from django.utils import timezone
from redis.backoff import NoBackoff
from redis.retry import Retry

from dashboard.instances.models import Cloud
from dashboard.web.process_cache import ProcessCache

BROKER_SECONDS = 0.5
MISSED_REFRESHES = 5
"""A mirror is too old after this many missed refreshes, at least a minute."""

RECENT_SECONDS = 1


@dataclass
class Readiness:
    """The result of a readiness check.

    Attributes:
        reasons: Why the site is not ready, a sentence each. Anyone may read them, so
            they contain no address and no error text.
        notices: What an operator should know although the site works; as public.
        under_way: What takes time and is no fault; as public.
        mirror_age_seconds: By cloud; None before the first complete refresh.
    """

    reasons: list[str] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    under_way: list[str] = field(default_factory=list)
    mirror_age_seconds: dict[str, float | None] = field(default_factory=dict)


_cache = ProcessCache(max_size=1, seconds=RECENT_SECONDS)


def measure() -> Readiness:
    state = Readiness()
    try:
        clouds = list(Cloud.objects.all())
    except DatabaseError:
        state.reasons.append("The database does not answer.")
    else:
        judge_mirror(state, clouds, timezone.now())
    if not broker_answers():
        state.reasons.append("The broker does not answer.")
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


def oldest_mirror() -> timedelta:
    """Return the age up to which a mirror counts as fresh."""
    seconds = MISSED_REFRESHES * settings.CURFEW.refresh_seconds
    return timedelta(seconds=max(60, seconds))


def judge_mirror(state: Readiness, clouds: list[Cloud], now: datetime) -> None:
    allowed = oldest_mirror()
    for cloud in clouds:
        if cloud.unconfigured_since:
            state.notices += _of_removed(cloud)
            continue
        if cloud.incomplete == Cloud.Incomplete.WRONG_COUNT:
            state.notices.append(
                f"The listing of {cloud.name} has been incomplete since "
                f"{_utc(cloud.incomplete_since)}: it counts {cloud.counted} instances "
                f"and lists {cloud.listed}."
            )
        elif cloud.incomplete:
            state.under_way.append(
                f"{cloud.name} is partly read: {cloud.listed} of {cloud.counted} "
                "instances so far."
            )
        if cloud.problem:
            since = _utc(cloud.problem_since)
            state.notices.append(
                f"Refreshes of {cloud.name} have failed since {since}."
            )
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


def _of_removed(cloud: Cloud) -> list[str]:
    if cloud.retired_at:
        return []
    return [
        f"{cloud.name} left the configuration at {_utc(cloud.unconfigured_since)}; "
        f"its instances are given up at {_utc(cloud.retires_at)}. Add it to "
        "clouds.yaml again, or run manage.py cloud rename or retire."
    ]


def _utc(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC" if moment else "never"
