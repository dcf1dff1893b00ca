"""The circuit breaker of each cloud, in a row that all processes see."""

from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Now

from dashboard.instances.messages import message_of
from dashboard.instances.models import Cloud, FleetVersion
from dashboard.modelarts.errors import (
    AmbiguousError,
    AuthenticationError,
    ConfigurationError,
    ModelArtsError,
    NotSentError,
)
from dashboard.web.stored_messages import Message

OPENS_AT = 5
"""Calls in a row without an answer after which a cloud's edits wait."""

PROBE_EVERY = timedelta(seconds=10)
HOLD = timedelta(seconds=60)


def claim_call(cloud: Cloud, now: datetime) -> bool:
    """Return whether to call the cloud; claim the probe if its circuit is open."""
    if cloud.failures < OPENS_AT:
        return True
    # One caller wins this update and sends the probe.
    probe = Cloud.objects.filter(pk=cloud.pk, held_until=cloud.held_until)
    return bool(probe.update(held_until=now + PROBE_EVERY))


def is_refused(error: ModelArtsError | None) -> bool:
    """Whether the cloud refuses our credentials, so that all calls would fail."""
    return isinstance(error, AuthenticationError | ConfigurationError)


def is_silence(error: ModelArtsError | None) -> bool:
    """Whether the cloud has not answered."""
    return isinstance(error, NotSentError | AmbiguousError)


def note_health(cloud: Cloud, error: ModelArtsError | None) -> None:
    """Open the cloud's circuit or close it; every process sees the same row.

    Args:
        cloud: As it was read last: if it had no failures, a success is no news.
        error: Why a delivery ended early; None if the cloud answered.
    """
    row = Cloud.objects.filter(pk=cloud.pk)
    if is_refused(error):
        # More calls would lock the account, and only an operator can fix the file.
        values: dict[str, Any] = {"failures": OPENS_AT, "held_until": Now() + HOLD}
    elif is_silence(error):
        values = {"failures": F("failures") + 1}
    elif cloud.failures or cloud.held_since or cloud.held_until:
        _close(row)
        return
    else:
        return
    with transaction.atomic():
        row.update(**values)
        if "held_until" not in values:
            row.filter(failures__gte=OPENS_AT).update(held_until=Now() + PROBE_EVERY)
        opened = row.filter(failures__gte=OPENS_AT, held_since=None)
        reason = message_of(error) if error else Message()
        if opened.update(held_since=Now(), hold_reason=reason):
            FleetVersion.stamp()


def _close(row: QuerySet[Cloud]) -> None:
    with transaction.atomic():
        closed = row.filter(held_since__isnull=False).update(
            held_until=None, held_since=None, hold_reason=Message()
        )
        row.filter(failures__gt=0).update(failures=0)
        if closed:
            FleetVersion.stamp()
