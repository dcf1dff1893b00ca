"""Sums of days, computed from runs, gaps and instances.

An instance runs from the start of a run to its end, and is stopped from then to its
next run, as long as it exists. Both times count for the allocation of the run. The time
before its first run counts for the allocation of that run, or of the instance as it is
now if it never ran. Time in a gap is unknown, whatever the instance did before.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from typing import Any

from dashboard.instances.models import Cloud

from . import allocations, gap_times
from .day_table import DayTable
from .models import Allocation
from .periods import DAY, custom
from .run_queries import EndedRuns, Group, Key, RunQueries, fetched
from .scopes import Scope
from .sums import RUNNING, STOPPED, Sums

BY_PRICE = ("cloud_id", "flavor")


def sums(
    clouds: dict[int, Cloud],
    first: date,
    last: date,
    scope: Scope,
    now: datetime,
    most_hours: float,
    *,
    columns: Sequence[str] = (),
) -> Iterator[tuple[date, Group, Sums]]:
    """Yield the sums of each day and group of some clouds that has any.

    Args:
        clouds: By ``pk``.
        first, last: Days of reports; nothing after ``now`` counts.
        most_hours: What a stop saves at most.
        columns: Columns of ``Allocation`` that tell groups apart, beside its cloud and
            its flavor.
    """
    rows, _ = _computed(clouds, first, last, scope, now, most_hours, columns)
    yield from rows


def sums_of_allocations(
    cloud: Cloud, day: date, now: datetime, most_hours: float
) -> tuple[list[tuple[int, Sums]], list[Allocation]]:
    """Return the sums of a day of a cloud by ``Allocation.pk``.

    Returns:
        The sums, without those of allocations that are not stored, and these
        allocations: store them and call again.
    """
    clouds = {cloud.pk: cloud}
    rows, unstored = _computed(clouds, day, day, Scope(), now, most_hours, None)
    return [(key, sums) for _, key, sums in rows if isinstance(key, int)], unstored


def _computed(
    clouds: dict[int, Cloud],
    first: date,
    last: date,
    scope: Scope,
    now: datetime,
    most_hours: float,
    columns: Sequence[str] | None,
) -> tuple[Iterator[tuple[date, Any, Sums]], list[Allocation]]:
    """Return the sums by group, or by allocation if ``columns`` is None.

    Returns:
        Also the allocations that are not stored; their keys are digests.
    """
    period = custom(first, last)
    since, until = period.since, min(period.until, now)
    if until <= since or not clouds:
        return iter(()), []
    horizon = max(until, period.until + most_hours / 24 * DAY)
    found = gap_times.between(since, horizon, now, clouds.values())
    gaps = gap_times.by_cloud(found)
    ends_at, now_at = int(until.timestamp()), int(now.timestamp())
    most_seconds = int(most_hours * 3_600)
    table = DayTable(period.days, ends_at, now_at, most_seconds, gaps)
    queries = RunQueries(clouds, since, until, scope, columns)
    for row in queries.unchanged():
        cloud, key, (is_stopped, number) = queries.split(row)
        table.add_to_end(cloud, key, STOPPED if is_stopped else RUNNING, 0, number, 0)
    for row in queries.open(table.edges):
        cloud, key, (started_in, number, started) = queries.split(row)
        table.add_to_end(cloud, key, RUNNING, started_in, number, int(started))
    for row in queries.ended(table.edges, now_at, most_seconds):
        cloud, key, ended = queries.split(row)
        table.add_ended(cloud, key, EndedRuns._make(ended))
    if gaps:
        for row in queries.saving(gaps):
            cloud, key, times = queries.split(row)
            table.add_avoided(cloud, key, *times)
    for row in queries.first(table.edges):
        cloud, key, moments = queries.split(row)
        _add_stopped(table, cloud, key, moments)
    names = allocations.COLUMNS if columns is None else (*BY_PRICE, *columns)
    idle = queries.without_run(table.edges, names)
    if columns is not None:
        groups = fetched(idle)
        _add_without_run(table, groups, [group[: len(names)] for group in groups])
        return table.rows(), []
    # The ORM decodes the tags of allocations that may have to be stored.
    groups = list(idle)
    values = [dict(zip(names, group, strict=False)) for group in groups]
    items = allocations.find(values)
    _add_without_run(table, groups, [item.pk or item.digest for item in items])
    return table.rows(), [item for item in items if not item.pk]


def _add_without_run(
    table: DayTable, groups: Iterable[tuple[Any, ...]], keys: Sequence[Key]
) -> None:
    for group, key in zip(groups, keys, strict=True):
        cloud, *_ = group
        _add_stopped(table, cloud, key, group[-5:])


def _add_stopped(
    table: DayTable, cloud: int, key: Key, moments: Sequence[int | None]
) -> None:
    """Add the time from being first seen to the first run, or to being gone."""
    seen_in, until_in, number, seen, until = (int(value or 0) for value in moments)
    table.add_to_end(cloud, key, STOPPED, seen_in, number, seen)
    table.add_to_end(cloud, key, STOPPED, until_in, -number, -until)
