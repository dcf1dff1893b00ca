"""The circuit breaker of each cloud, in a row that all processes see."""

from datetime import datetime, timedelta

from django.db.models import F

from dashboard.instances.messages import message_of
from dashboard.instances.models import Cloud
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


def note_health(cloud: Cloud, error: ModelArtsError | None, now: datetime) -> bool:
    """Open the cloud's circuit or close it; every process sees the same row.

    Returns:
        Whether pages show the cloud differently now.
    """
    row = Cloud.objects.filter(pk=cloud.pk)
    if isinstance(error, AuthenticationError | ConfigurationError):
        # More calls would lock the account, and only an operator can fix the file.
        row.update(failures=OPENS_AT, held_until=now + HOLD)
    elif isinstance(error, NotSentError | AmbiguousError):
        row.update(failures=F("failures") + 1)
        row.filter(failures__gte=OPENS_AT).update(held_until=now + PROBE_EVERY)
    else:
        closed = row.filter(held_since__isnull=False).update(
            held_until=None, held_since=None, hold_reason=Message()
        )
        row.filter(failures__gt=0).update(failures=0)
        return bool(closed)
    opened = row.filter(failures__gte=OPENS_AT, held_since=None)
    return bool(opened.update(held_since=now, hold_reason=message_of(error)))
