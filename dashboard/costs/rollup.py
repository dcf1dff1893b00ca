"""Stores the sums of days that have been over for long enough.

Reports read the days before ``RollUp.done_until`` from ``UsageDay`` and ``UsageWeek``
and compute the others from runs, so their numbers do not depend on when this runs.

A day is stored once nothing that belongs to it can change any more in the usual course:
its cloud was read after it, and after the time that its stops can save at most.
``recorder.invalidate`` takes back what changes nevertheless.
"""

import time
from datetime import date, datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Min, Sum

from dashboard.instances.models import Cloud, Instance

from . import live
from .models import Allocation, RollUp, Run, UsageDay, UsageWeek
from .periods import DAY, day_of, monday_of
from .sums import COLUMNS, Sums


def roll_up(now: datetime, seconds: float = 15) -> int:
    """Store the days that can be; return how many.

    Args:
        seconds: After this time the rest is left for the next call.
    """
    ends_at = time.monotonic() + seconds
    number = 0
    for cloud in Cloud.objects.exclude(read_at=None):
        if not _begin(cloud):
            continue
        last = _last_day(cloud, now)
        while time.monotonic() < ends_at and _store_next_day(cloud, last, now):
            number += 1
    return number


def _last_day(cloud: Cloud, now: datetime) -> date:
    saves_until = min(cloud.read_at or now, now)
    most = timedelta(hours=settings.CURFEW.savings_max_hours)
    return day_of(saves_until - most) - DAY


def _begin(cloud: Cloud) -> bool:
    """Begin to store a cloud, or start over with other settings.

    Returns:
        Whether it had begun before: a transaction that saw no row may be recording runs
        now, which the next call sees.
    """
    row = RollUp.objects.filter(cloud=cloud).first()
    if row and row.is_valid:
        return True
    runs = Run.objects.filter(allocation__cloud=cloud).aggregate(at=Min("started_at"))
    seen = Instance.objects.filter(cloud=cloud).aggregate(at=Min("first_seen_at"))
    moments = [at for at in (runs["at"], seen["at"]) if at]
    if moments:
        first = day_of(min(moments))
        # Of other settings; later ones are replaced, day by day.
        UsageDay.objects.filter(allocation__cloud=cloud, day__lt=first).delete()
        RollUp.objects.update_or_create(
            cloud=cloud,
            defaults={
                "done_until": first,
                "time_zone": settings.CURFEW.report_time_zone,
                "most_hours": settings.CURFEW.savings_max_hours,
            },
        )
    return False


def _store_next_day(cloud: Cloud, last: date, now: datetime) -> bool:
    """Store one more day of a cloud, and its week if it ends one."""
    with transaction.atomic():
        # ``recorder`` takes the same lock before it changes a past day.
        row = RollUp.objects.select_for_update().filter(cloud=cloud).first()
        if row is None or not row.is_valid or row.done_until > last:
            return False
        day = row.done_until
        found, unstored = live.sums_of_allocations(cloud, day, now, row.most_hours)
        if not unstored:
            _replace(UsageDay, cloud, day, found)
            if day == monday_of(day) + 6 * DAY:
                _store_week(cloud, monday_of(day))
            row.done_until = day + DAY
            row.save(update_fields=["done_until"])
    if unstored:
        # Outside, since a recorder may be adding the same ones and wait for the lock.
        Allocation.objects.bulk_create(unstored, ignore_conflicts=True)
        return _store_next_day(cloud, last, now)
    return True


def _store_week(cloud: Cloud, monday: date) -> None:
    rows = (
        UsageDay.objects.filter(
            allocation__cloud=cloud, day__gte=monday, day__lt=monday + 7 * DAY
        )
        .order_by()
        .values("allocation")
        .annotate(**{f"sum_{name}": Sum(name) for name in COLUMNS})
        .values_list("allocation", *(f"sum_{name}" for name in COLUMNS))
    )
    sums = [(pk, Sums._make(map(int, values))) for pk, *values in rows]
    _replace(UsageWeek, cloud, monday, sums)


def _replace[Row: (UsageDay, UsageWeek)](
    model: type[Row], cloud: Cloud, day: date, sums: list[tuple[int, Sums]]
) -> None:
    rows = model._default_manager
    rows.filter(allocation__cloud=cloud, day=day).delete()
    rows.bulk_create(
        [model(day=day, allocation_id=pk, **values._asdict()) for pk, values in sums]
    )
