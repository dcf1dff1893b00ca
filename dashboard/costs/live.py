"""Sums of days, computed from runs, gaps and instances.

From the start of a run to its end an instance runs; from then to its next run it is
stopped, as long as it exists. Both count for the allocation of the run. The time before
its first run counts for the allocation of that run, or for what the instance is now if
there was none. Time in a gap is unknown, whatever the instance did before.

Moments count as whole seconds of Unix time, so that the parts of a time add up to it.
"""

from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import date, datetime
from functools import cached_property
from itertools import batched
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import (
    BigIntegerField,
    Count,
    Exists,
    F,
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

type Key = int | str | Group
"""Of an allocation: ``pk``, or ``digest`` of one that is not stored; or of a group."""

type Group = tuple[Any, ...]
"""What is told apart in a report: ``Cloud.pk`` and flavor, which decide the price, and
the columns of ``Allocation`` that were asked for. Owners and flavors are far fewer than
allocations."""

BY_PRICE = ("cloud_id", "flavor")


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
        # A double, which is exact for microseconds; EXTRACT computes with decimals.
        return self.as_sql(
            compiler,
            connection,
            template="FLOOR(DATE_PART('epoch', %(expressions)s))::bigint",
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
    columns: Sequence[str] = (),
) -> Iterator[tuple[date, Group, Sums]]:
    """Yield the sums of each day and group of some clouds that has any.

    Args:
        clouds: By ``pk``.
        first, last: Days of reports; nothing after ``now`` counts.
        most_hours: What a stop saves at most.
        columns: Of ``Allocation``, beside its cloud and its flavor.
    """
    table = _filled(clouds, first, last, scope, now, most_hours, columns)
    yield from table.rows()


def sums_of_allocations(
    cloud: Cloud, day: date, now: datetime, most_hours: float
) -> tuple[list[tuple[int, Sums]], list[Allocation]]:
    """Return the sums of a day of a cloud by ``Allocation.pk``.

    Returns:
        Also the allocations that have to be stored first; without their sums.
    """
    clouds = {cloud.pk: cloud}
    table = _filled(clouds, day, day, Scope(), now, most_hours, None)
    found = [(key, sums) for _, key, sums in table.rows() if isinstance(key, int)]
    return found, table.unstored


def _filled(
    clouds: dict[int, Cloud],
    first: date,
    last: date,
    scope: Scope,
    now: datetime,
    most_hours: float,
    columns: Sequence[str] | None,
) -> "_Table":
    """Return the sums; by allocation if ``columns`` is None."""
    period = custom(first, last)
    since, until = period.since, min(period.until, now)
    table = _Table(period.days, int(until.timestamp()), int(now.timestamp()))
    if until <= since or not clouds:
        return table
    horizon = max(until, period.until + most_hours / 24 * DAY)
    gaps = gap_times.between(since, horizon, now, clouds.values())
    table.gaps = gap_times.by_cloud(gaps)
    table.most_seconds = int(most_hours * 3_600)
    runs = _Runs(clouds, since, until, scope, columns)
    for row in runs.unchanged():
        cloud, key, (is_stopped, number) = runs.split(row)
        column = STOPPED if is_stopped else RUNNING
        table.add_time(cloud, key, column, table.since, table.until, number)
    for row in runs.changing():
        cloud, key, run = runs.split(row)
        table.add_run(cloud, key, *run)
    for row in runs.first():
        cloud, key, (seen, begun) = runs.split(row)
        table.add_time(cloud, key, STOPPED, seen, begun)
    where = clouds, since, until, scope
    if columns is not None:
        names = (*BY_PRICE, *columns)
        groups = fetched(_without_run(*where, names))
        _add_without_run(table, groups, [group[: len(names)] for group in groups])
        return table
    groups = list(_without_run(*where, allocations.COLUMNS))
    values = [dict(zip(allocations.COLUMNS, each, strict=False)) for each in groups]
    found = allocations.find(values)
    table.unstored = [item for item in found if not item.pk]
    _add_without_run(table, groups, [item.pk or item.digest for item in found])
    return table


def _add_without_run(
    table: "_Table", groups: Iterable[tuple[Any, ...]], keys: Sequence[Key]
) -> None:
    for (cloud, *_, seen, gone, number), key in zip(groups, keys, strict=True):
        end = table.until if gone is None else gone
        table.add_time(cloud, key, STOPPED, seen, end, number)


class _Table:
    """The sums of days, by what may stand for an allocation."""

    gaps: dict[int, GapTimes]
    most_seconds: int

    def __init__(self, days: list[date], until: int, now: int) -> None:
        self._days = days
        self._bounds = [int(custom(day, day).since.timestamp()) for day in days]
        self.since, self.until, self._now = self._bounds[0], until, now
        self.unstored: list[Allocation] = []
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

    def rows(self) -> Iterator[tuple[date, Any, Sums]]:
        for (index, key), sums in self._sums.items():
            yield self._days[index], key, Sums._make(sums)

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


class _Runs:
    """The runs that count in a time: those in it, and the last one before.

    Attributes:
        columns: What tells their allocations apart.
    """

    def __init__(
        self,
        clouds: Collection[int],
        since: datetime,
        until: datetime,
        scope: Scope,
        columns: Sequence[str] | None,
    ) -> None:
        self._clouds, self._since, self._until = clouds, since, until
        names = ["pk"] if columns is None else ["flavor", *columns]
        self.columns = [f"allocation__{name}" for name in names]
        self._is_by_allocation = columns is None
        self._all = Run.objects.filter(scope.of_allocation()).order_by()
        self._rows = self._all.filter(allocation__cloud__in=clouds)

    @cached_property
    def _last_pks(self) -> list[int]:
        """The last run before the time of each instance that existed in it."""
        since = self._since
        earlier = Run.objects.filter(instance=OuterRef("pk"), started_at__lt=since)
        present = Q(missing_since=None) | Q(missing_since__gte=since)
        rows = Instance.objects.filter(present, cloud__in=self._clouds).values_list(
            Subquery(earlier.order_by("-started_at").values("pk")[:1])
        )
        return [pk for (pk,) in fetched(rows.order_by()) if pk is not None]

    def _last(self, condition: Q) -> Iterator[QuerySet[Run]]:
        """Yield the last runs before the time to which a condition applies."""
        # By their keys: a join with instances reads all of their runs.
        for part in batched(self._last_pks, 5_000, strict=False):
            yield self._rows.filter(condition, pk__in=part)

    def split(self, row: tuple[Any, ...]) -> tuple[int, Key, tuple[Any, ...]]:
        """Return the cloud, the key of its allocation, and the other columns."""
        end = 1 + len(self.columns)
        return row[0], row[1] if self._is_by_allocation else row[:end], row[end:]

    def unchanged(self) -> Iterable[tuple[Any, ...]]:
        """Return the number of instances that ran, or were stopped, all the time.

        Most do, so the database counts them.
        """
        runs_on = Q(ended_at=None) | Q(ended_at__gte=self._until)
        stays = Q(next_started_at__gte=self._until) | (
            Q(next_started_at=None)
            & (
                Q(instance__missing_since=None)
                | Q(instance__missing_since__gte=self._until)
            )
        )
        # After it was missing nothing says when it was there again.
        stopped = Q(ended_at__lt=self._since) & stays & ~Q(end_status="")
        for is_stopped, condition in enumerate((runs_on, stopped)):
            for runs in self._last(condition):
                rows = runs.values_list("allocation__cloud", *self.columns)
                for row in fetched(rows.annotate(number=Count("pk"))):
                    yield *row[:-1], is_stopped, row[-1]

    def changing(self) -> Iterable[tuple[Any, ...]]:
        """Return the other runs; of each, what ``_Table.add_run`` needs."""
        begins = Q(started_at__gte=self._since, started_at__lt=self._until)
        ends = Q(ended_at__gte=self._since, ended_at__lt=self._until)
        is_over = Q(next_started_at__lt=self._until)
        is_over |= Q(next_started_at=None, instance__missing_since__lt=self._until)
        goes = Q(ended_at__lt=self._since) & is_over
        for rows in (self._rows.filter(begins), *self._last(ends | goes)):
            yield from fetched(
                rows.values_list(
                    "allocation__cloud",
                    *self.columns,
                    *(UnixTime("started_at"), UnixTime("ended_at")),
                    UnixTime("next_started_at"),
                    UnixTime("instance__missing_since"),
                    *("ended_by", "ended_known", "end_status"),
                )
            )

    def first(self) -> Iterable[tuple[Any, ...]]:
        """Return the first runs of instances that had been seen before.

        Of each, when the instance was first seen, and when it began to run.
        """
        since = self._since
        missing = "instance__missing_since"
        earlier = Run.objects.filter(
            Q(started_at__lt=OuterRef("started_at"))
            | Q(started_at=OuterRef("started_at"), pk__lt=OuterRef("pk")),
            instance=OuterRef("instance"),
        )
        rows = self._all.filter(
            Q(**{missing: None}) | Q(**{f"{missing}__gt": since}),
            ~Exists(earlier),
            # Most are seen running first.
            Q(started_at__gt=F("instance__first_seen_at")),
            started_at__gt=since,
            instance__cloud__in=self._clouds,
            instance__first_seen_at__lt=self._until,
        )
        return fetched(
            rows.values_list(
                "instance__cloud",
                *self.columns,
                UnixTime("instance__first_seen_at"),
                UnixTime("started_at"),
            )
        )


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


def _without_run(
    clouds: Collection[int],
    since: datetime,
    until: datetime,
    scope: Scope,
    columns: Collection[str],
) -> QuerySet[Any, tuple[Any, ...]]:
    """Return the instances that have not run, those that are alike together.

    A mirror begins with all instances of a cloud at once, so most have the same
    moment from which they count. Columns, that moment, when they were gone (None while
    they exist), and their number.
    """
    present = Q(missing_since=None) | Q(missing_since__gt=since)
    runs = Run.objects.filter(instance=OuterRef("pk"))
    found: QuerySet[Any, tuple[Any, ...]] = (
        Instance.objects.filter(
            ~Exists(runs), present, scope.q(), cloud__in=clouds, first_seen_at__lt=until
        )
        .order_by()
        .annotate(
            seen=Greatest(UnixTime("first_seen_at"), int(since.timestamp())),
            gone=UnixTime("missing_since"),
        )
        .values(*columns, "seen", "gone")
        .annotate(number=Count("pk"))
        .values_list(*columns, "seen", "gone", "number")
    )
    return found
