"""Sums of days, computed from runs, gaps and instances.

From the start of a run to its end an instance runs; from then to its next run it is
stopped, as long as it exists. Both count for the allocation of the run. The time before
its first run counts for the allocation of that run, or for what the instance is now if
there was none. Time in a gap is unknown, whatever the instance did before.

Moments count as whole seconds of Unix time, so that the parts of a time add up to it.
"""

from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator
from datetime import date, datetime
from itertools import batched
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import (
    BigIntegerField,
    Count,
    Exists,
    Func,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
)
from django.db.models.functions import Greatest

from dashboard.instances.models import Cloud, Instance

from . import allocations, gap_times
from .gap_times import GapTimes
from .models import Allocation, Run
from .periods import DAY, custom
from .scopes import Scope
from .sums import (
    AVOIDED,
    COLUMNS,
    ENDED,
    ENDED_SECONDS,
    RUNNING,
    STOPPED,
    UNKNOWN,
    UNSURE,
    Sums,
)

type Key = int | str | tuple[int, str]
"""Of an allocation: ``pk``, or ``digest`` of one that is not stored; or its cloud and
flavor, which decide the price."""

BY_PRICE = ("cloud_id", "flavor")
"""What is told apart where only costs count: some dozen flavors instead of thousands of
allocations."""


class UnixTime(Func):
    """A moment in whole seconds of Unix time; faster than reading a ``datetime``."""

    output_field = BigIntegerField()

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        return self.as_sql(
            compiler,
            connection,
            template="CAST(STRFTIME('%%%%s', %(expressions)s) AS INTEGER)",
            **context,
        )

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        return self.as_sql(
            compiler,
            connection,
            template="FLOOR(EXTRACT(EPOCH FROM %(expressions)s))::bigint",
            **context,
        )


def sums(
    clouds: dict[int, Cloud],
    first: date,
    last: date,
    scope: Scope,
    now: datetime,
    most_hours: float,
    *,
    by_allocation: bool = True,
) -> Iterator[tuple[date, Allocation, Sums]]:
    """Yield the sums of each day and allocation of some clouds that has any.

    Args:
        clouds: By ``pk``.
        first, last: Days of reports; nothing after ``now`` counts.
        most_hours: What a stop saves at most.
        by_allocation: Whether allocations are told apart; if not, those that are
            yielded have nothing but a cloud and a flavor.
    """
    period = custom(first, last)
    since, until = period.since, min(period.until, now)
    if until <= since or not clouds:
        return
    horizon = max(until, period.until + most_hours / 24 * DAY)
    gaps = gap_times.between(since, horizon, now, clouds.values())
    table = _Table(period.days, int(until.timestamp()), int(now.timestamp()))
    table.gaps = gap_times.by_cloud(gaps)
    table.most_seconds = int(most_hours * 3_600)
    last_runs = _last_runs(clouds, since)
    known = [pk for pk in last_runs if pk is not None]
    column = "allocation" if by_allocation else "allocation__flavor"
    for cloud, value, *run in _runs(clouds, since, until, scope, known, column):
        table.add_run(cloud, _key(cloud, value), *run)
    if len(known) < len(last_runs):
        before = _BeforeFirstRuns(clouds, since, until, scope)
        for cloud, value, seen, begun in before.with_first_run(column):
            table.add_time(cloud, _key(cloud, value), STOPPED, seen, begun)
        _add_without_run(table, before, by_allocation=by_allocation)
    yield from table.rows(clouds)


def _key(cloud: int, value: int | str) -> Key:
    """Return the key of an allocation, by its ``pk`` or its flavor."""
    return (cloud, value) if isinstance(value, str) else value


def _add_without_run(
    table: "_Table", before: "_BeforeFirstRuns", *, by_allocation: bool
) -> None:
    columns = allocations.COLUMNS if by_allocation else BY_PRICE
    groups = list(before.without_run(columns))
    keys: list[Key]
    if by_allocation:
        values = [{name: group[name] for name in columns} for group in groups]
        found = allocations.find(values)
        table.unstored |= {item.digest: item for item in found if not item.pk}
        keys = [item.pk or item.digest for item in found]
    else:
        keys = [(group["cloud_id"], group["flavor"]) for group in groups]
    for group, key in zip(groups, keys, strict=True):
        gone = table.until if group["gone"] is None else group["gone"]
        time = STOPPED, group["seen"], gone
        table.add_time(group["cloud_id"], key, *time, group["number"])


class _Table:
    """The sums of days, by what may stand for an allocation."""

    gaps: dict[int, GapTimes]
    most_seconds: int

    def __init__(self, days: list[date], until: int, now: int) -> None:
        self._days = days
        self._bounds = [int(custom(day, day).since.timestamp()) for day in days]
        self.until, self._now = until, now
        self.unstored: dict[str, Allocation] = {}
        self._sums: dict[tuple[int, Key], list[int]] = {}

    def add_time(
        self, cloud: int, key: Key, column: int, begin: int, end: int, number: int = 1
    ) -> None:
        """Add a time of an instance, or of a number of them."""
        bounds = self._bounds
        begin, end = max(begin, bounds[0]), min(end, self.until)
        if begin >= end:
            return
        gaps = self.gaps.get(cloud)
        for index in range(bisect_right(bounds, begin) - 1, len(bounds)):
            is_last = index + 1 == len(bounds)
            part_end = end if is_last else min(end, bounds[index + 1])
            sums = self._of(index, key)
            unknown = gaps.overlap(begin, part_end) if gaps else 0
            sums[column] += number * (part_end - begin - unknown)
            sums[UNKNOWN] += number * unknown
            begin = part_end
            if begin >= end:
                return

    def add_run(
        self,
        cloud: int,
        key: Key,
        started: int,
        ended: int | None,
        next_started: int | None,
        missing: int | None,
        ended_by: str,
        ended_known: str,
        end_status: str,
    ) -> None:
        if ended is None:
            self.add_time(cloud, key, RUNNING, started, self._now)
            return
        self.add_time(cloud, key, RUNNING, started, ended)
        gone = next_started or missing or self._now
        # After it was missing nothing says when it was there again.
        if end_status:
            self.add_time(cloud, key, STOPPED, ended, gone)
        if not self._bounds[0] <= ended < self.until:
            return
        sums = self._of(bisect_right(self._bounds, ended) - 1, key)
        sums[ENDED[ended_by]] += 1
        sums[ENDED_SECONDS] += ended - started
        if ended_by not in AVOIDED:
            return
        if ended_known != Run.Known.OBSERVED:
            sums[UNSURE[ended_by]] += 1
            return
        gaps = self.gaps.get(cloud, gap_times.NONE)
        until = avoided_until(
            ended, next_started, missing, self._now, self.most_seconds
        )
        sums[AVOIDED[ended_by]] += until - ended - gaps.overlap(ended, until)

    def rows(self, clouds: dict[int, Cloud]) -> Iterator[tuple[date, Allocation, Sums]]:
        keys = {key for _, key in self._sums}
        pks = {key for key in keys if isinstance(key, int)}
        stored = _stored(pks, clouds)
        for allocation in self.unstored.values():
            allocation.cloud = clouds[allocation.cloud_id]
        found: dict[Key, Allocation] = {}
        for key in keys:
            if isinstance(key, tuple):
                found[key] = Allocation(cloud=clouds[key[0]], flavor=key[1])
            else:
                found[key] = stored[key] if isinstance(key, int) else self.unstored[key]
        for (index, key), sums in self._sums.items():
            yield self._days[index], found[key], Sums._make(sums)

    def _of(self, index: int, key: Key) -> list[int]:
        sums = self._sums.get((index, key))
        if sums is None:
            sums = self._sums[index, key] = [0] * len(COLUMNS)
        return sums


def avoided_until(
    ended: int, next_started: int | None, missing: int | None, now: int, most: int
) -> int:
    """Return until when a run would have gone on, had nothing ended it; Unix time."""
    moments = (next_started, missing, now, ended + most)
    return max(min(moment for moment in moments if moment is not None), ended)


def _stored(pks: set[int], clouds: dict[int, Cloud]) -> dict[int, Allocation]:
    # So many are most of them.
    is_many = len(pks) > 500
    rows = Allocation.objects.all()
    found = rows if is_many else rows.filter(pk__in=pks)
    return allocations.with_clouds(found, clouds)


def _last_runs(cloud_pks: Collection[int], since: datetime) -> list[int | None]:
    """Return ``pk`` of the last run before a moment of each instance that existed."""
    earlier = Run.objects.filter(instance=OuterRef("pk"), started_at__lt=since)
    present = Q(missing_since=None) | Q(missing_since__gte=since)
    rows = Instance.objects.filter(present, cloud__in=cloud_pks).values_list(
        Subquery(earlier.order_by("-started_at").values("pk")[:1])
    )
    return [pk for (pk,) in fetched(rows)]


def _runs(
    cloud_pks: Collection[int],
    since: datetime,
    until: datetime,
    scope: Scope,
    last_runs: list[int],
    key: str,
) -> Iterator[tuple[Any, ...]]:
    """Yield the runs that begin in a time, and the last one before of each instance.

    Args:
        key: The column that tells their allocations apart.
    """
    # By their keys: with the query of ``_last_runs`` PostgreSQL would read all runs.
    conditions = [Q(pk__in=part) for part in batched(last_runs, 5_000, strict=False)]
    for condition in (Q(started_at__gte=since, started_at__lt=until), *conditions):
        rows = Run.objects.filter(
            condition, scope.of_allocation(), allocation__cloud__in=cloud_pks
        )
        columns = rows.order_by().values_list(
            *("allocation__cloud", key, UnixTime("started_at")),
            *(UnixTime("ended_at"), UnixTime("next_started_at")),
            UnixTime("instance__missing_since"),
            *("ended_by", "ended_known", "end_status"),
        )
        yield from fetched(columns)


def fetched(rows: QuerySet[Any, tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Return rows as the database has them; the ORM converts each number once more.

    For a report of a year that took as long as the queries.
    """
    try:
        sql, params = rows.query.sql_with_params()
    except EmptyResultSet:  # nothing can match
        return []
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        found: list[tuple[Any, ...]] = cursor.fetchall()
    return found


class _BeforeFirstRuns:
    """The time in which instances had not run yet."""

    def __init__(
        self,
        clouds: dict[int, Cloud],
        since: datetime,
        until: datetime,
        scope: Scope,
    ) -> None:
        self._scope, self._since = scope, since
        self._runs = Run.objects.filter(instance=OuterRef("pk"))
        self._instances = (
            Instance.objects.filter(cloud__in=clouds, first_seen_at__lt=until)
            .filter(Q(missing_since=None) | Q(missing_since__gt=since))
            .filter(~Exists(self._runs.filter(started_at__lte=since)))
        )

    def with_first_run(self, key: str) -> Iterable[tuple[int, Any, int, int]]:
        """Return cloud, a column of the first run, and the time before it."""
        first = self._runs.order_by("started_at").values
        rows = self._instances.filter(Exists(self._runs)).annotate(
            key=Subquery(first(key)[:1]),
            seen=UnixTime("first_seen_at"),
            begun=UnixTime(Subquery(first("started_at")[:1])),
        )
        if not self._scope.is_everything:
            rows = rows.alias(allocation=Subquery(first("allocation")[:1]))
            rows = rows.filter(allocation__in=self._scope.allocations())
        return rows.values_list("cloud", "key", "seen", "begun")

    def without_run(self, columns: Collection[str]) -> Iterable[dict[str, Any]]:
        """Return the instances that have not run, those that are alike together.

        A mirror begins with all instances of a cloud at once, so most have the same
        ``seen``. ``gone`` is None while they exist, and ``number`` says how many.
        """
        since = int(self._since.timestamp())
        found: Iterable[dict[str, Any]] = (
            self._instances.filter(~Exists(self._runs), self._scope.q())
            .order_by()
            .annotate(
                seen=Greatest(UnixTime("first_seen_at"), since),
                gone=UnixTime("missing_since"),
            )
            .values(*columns, "seen", "gone")
            .annotate(number=Count("pk"))
        )
        return found
