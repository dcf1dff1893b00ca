"""Which instances run, and which runs end soon, never or too late.

Pages, API and metrics take their numbers from here, so that all of them agree. An
instance *runs* while the cloud lists it with the status ``RUNNING``. A run *has an end*
when the cloud reports a stop time for it. Without one nothing stops it, because the
auto-stop setting counts from the next start, unless its lease is idle: then the cloud
stops it once nobody uses it. A run that has reached its end is *due* (pages say
"stopping…"); it is *overdue* once it has been due for ``CURFEW_OVERDUE_AFTER_MINUTES``.

A stop is *late* once it has been due for ``CURFEW_LATE_STOP_MINUTES`` and the instance
is still running or stopping. It is due at the end of the run, or when the cloud was
first asked for it. Overdue is a warning on the pages, a late stop is an alarm.
"""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.conf import settings
from django.db.models import Q

from dashboard.modelarts.instance_state import IDLE
from dashboard.modelarts.statuses import InstanceStatus

if TYPE_CHECKING:
    from .models import Instance

QUARTER, HOUR, SHIFT = timedelta(minutes=15), timedelta(hours=1), timedelta(hours=8)

PRESENT = Q(missing_since=None)
"""In the latest complete listing of its cloud."""

RUNNING = Q(is_running=True)
WITH_END = Q(is_running=True, run_ends_at__isnull=False)
WHEN_IDLE = Q(is_running=True, run_ends_at=None, lease_type=IDLE) & ~Q(
    auto_stop_enable=False
)
"""Running until nobody has used it for some time."""

WITHOUT_END = Q(is_running=True, run_ends_at=None) & (
    ~Q(lease_type=IDLE) | Q(auto_stop_enable=False)
)
"""Running until a person stops it."""


def ends_within_hour(now: datetime) -> Q:
    """Match runs that end within the hour, and those past their end."""
    return ends_by(now + HOUR)


def ends_within_quarter(now: datetime) -> Q:
    """Match runs that end within 15 minutes or are stopping, not overdue ones."""
    return ends_by(now + QUARTER) & Q(run_ends_at__gt=now - overdue_after())


def overdue(now: datetime) -> Q:
    return ends_by(now - overdue_after())


def ends_by(moment: datetime) -> Q:
    return Q(is_running=True, run_ends_at__lte=moment)


def overdue_after() -> timedelta:
    return timedelta(minutes=settings.CURFEW.overdue_after_minutes)


def is_overdue(ends_at: datetime, now: datetime) -> bool:
    return ends_at <= now - overdue_after()


def late_stop(now: datetime) -> Q:
    """Match instances that should have stopped, but are still running or stopping."""
    return Q(stop_due_at__lte=now - late_after())


def late_after() -> timedelta:
    return timedelta(minutes=settings.CURFEW.late_stop_minutes)


def late_since(instance: "Instance", now: datetime) -> datetime | None:
    """Return when it should have stopped; None unless ``late_stop`` matches it.

    The instance need not be stored.
    """
    due_at = stop_due_at(instance)
    if due_at is None or due_at > now:
        return None
    return due_at if due_at <= now - late_after() else None


def stop_due_at(instance: "Instance") -> datetime | None:
    """Return the column of this name; the instance need not be stored."""
    requested_at, ends_at = instance.stop_requested_at, instance.stops_at
    if is_running(instance):
        return min(filter(None, (requested_at, ends_at)), default=None)
    if instance.missing_since or instance.status != InstanceStatus.STOPPING:
        return None
    return requested_at


def is_running(instance: "Instance") -> bool:
    """Return whether ``RUNNING`` matches an instance; it need not be stored."""
    return instance.missing_since is None and instance.status == InstanceStatus.RUNNING


def is_without_end(instance: "Instance") -> bool:
    """Return whether ``WITHOUT_END`` matches an instance; it need not be stored."""
    return (
        is_running(instance)
        and instance.stops_at is None
        and not is_idle_lease(instance.lease_type, instance.auto_stop_enable)
    )


def is_idle_lease(lease_type: str, auto_stop_enable: bool | None) -> bool:
    """Return whether a run with these values ends once nobody uses it."""
    return lease_type == IDLE and auto_stop_enable is not False
