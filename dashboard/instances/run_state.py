"""Which instances run, and which runs end soon, never or too late.

Every page, the API and the metrics take their numbers from here, so that one question
has one answer. An instance *runs* while a listing holds it with the status ``RUNNING``.
A run *has an end* when the cloud reports a stop time for it; without one nothing stops
it, whatever its auto-stop setting says, since the setting counts from the next start.
A run that has reached its end is *stopping*; it is *overdue* once it has been stopping
for ``CURFEW_OVERDUE_AFTER_MINUTES``.
"""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.conf import settings
from django.db.models import Q

from dashboard.modelarts.statuses import InstanceStatus

if TYPE_CHECKING:
    from .models import Instance

SOON = timedelta(minutes=15)
"""How near the end of a run is that ends soon."""

DUE_WITHIN = timedelta(hours=1)
"""How near the end of a run is that is due."""

PRESENT = Q(missing_since=None)
"""In the latest complete listing of its cloud."""

RUNNING = Q(is_running=True)
WITH_END = Q(is_running=True, run_ends_at__isnull=False)
WITHOUT_END = Q(is_running=True, run_ends_at=None)
"""Running, and nothing stops it but a person."""


def due(now: datetime) -> Q:
    """Runs that end within the hour, those past their end included."""
    return ends_by(now + DUE_WITHIN)


def soon(now: datetime) -> Q:
    """Runs that end within 15 minutes or are stopping; not those overdue."""
    return ends_by(now + SOON) & Q(run_ends_at__gt=now - overdue_after())


def overdue(now: datetime) -> Q:
    """Runs that should have ended longer ago than a stop takes."""
    return ends_by(now - overdue_after())


def ends_by(moment: datetime) -> Q:
    """Runs whose end is not later than ``moment``."""
    return Q(is_running=True, run_ends_at__lte=moment)


def overdue_after() -> timedelta:
    """How long after its end a run is overdue."""
    return timedelta(minutes=settings.CURFEW.overdue_after_minutes)


def is_overdue(ends_at: datetime, now: datetime) -> bool:
    """Whether ``overdue`` holds for a run with this end."""
    return ends_at <= now - overdue_after()


def is_running(instance: "Instance") -> bool:
    """Whether ``RUNNING`` holds for an instance that need not be stored."""
    return instance.missing_since is None and instance.status == InstanceStatus.RUNNING


def is_without_end(instance: "Instance") -> bool:
    """Whether ``WITHOUT_END`` holds for an instance that need not be stored."""
    return is_running(instance) and instance.stops_at is None
