"""Sums of days, computed from runs, gaps and instances.

From the start of a run to its end an instance runs; from then to its next run it is
stopped, as long as it exists. Both count for the allocation of the run. The time before
its first run counts for the allocation of that run, or for what the instance is now if
there was none. Time in a gap is unknown, whatever the instance did before.

Moments count as whole seconds of Unix time, so that the parts of a time add up to it.

The database adds. A time is the one from its begin to the end of the report, minus the
one from its end. Between two *edges*, the midnights and the ends of gaps, the time that
is left falls by a second each second; so the number of moments and their sum say all.
"""

from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import UTC, date, datetime
from functools import cached_property
from itertools import batched
from typing import Any, NamedTuple

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import (
    BigIntegerField,
    Case,
    Count,
    Exists,
    Expression,
    F,
    Func,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Sum,
    Value,
    When,
)
from django.db.models.functions import Coalesce, Greatest, Least

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
    edges = table.edges()
    for row in runs.unchanged():
        cloud, key, (is_stopped, number) = runs.split(row)
        table.add_rest(cloud, key, STOPPED if is_stopped else RUNNING, 0, number, 0)
    for row in runs.open(edges):
        cloud, key, (started_in, number, started) = runs.split(row)
        table.add_rest(cloud, key, RUNNING, started_in, number, int(started))
    for row in runs.changing(edges, int(now.timestamp()), table.most_seconds):
        cloud, key, ended = runs.split(row)
        table.add_ended(cloud, key, _Ended._make(ended))
    if table.gaps:
        for row in runs.saving(table.gaps):
            cloud, key, times = runs.split(row)
            table.add_avoided(cloud, key, *times)
    for row in runs.first(edges):
        cloud, key, (seen_in, begun_in, number, seen, begun) = runs.split(row)
        table.add_rest(cloud, key, STOPPED, seen_in, number, int(seen))
        table.add_rest(cloud, key, STOPPED, begun_in, -number, -int(begun))
    where = clouds, since, until, scope, edges
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
    for group, key in zip(groups, keys, strict=True):
        cloud, *_, seen_in, gone_in, number, seen, gone = group
        table.add_rest(cloud, key, STOPPED, seen_in, number, int(seen))
        table.add_rest(cloud, key, STOPPED, gone_in, -number, -int(gone or 0))


class _Ended(NamedTuple):
    """Runs that have ended and are alike.

    Attributes:
        started_in, ended_in, gone_in: Number of edges up to the start, to the end, and
            to when the stopped instance ran again or was missing. All edges if there
            is no such moment.
        stops: Whether the instances were known to be stopped after them.
        number: Of the runs.
        started, ended, gone: Sums of the moments.
        avoided: Sum of what was avoided, if gaps do not count.
    """

    started_in: int
    ended_in: int
    gone_in: int
    stops: int
    ended_by: str
    ended_known: str
    number: int
    started: int
    ended: int
    gone: int | None
    avoided: int | None


class _Rest(NamedTuple):
    """The time from an edge to the end, in a cloud.

    Attributes:
        begin: The edge.
        is_unknown: Whether a gap begins there.
        parts: Of each day: its index, the known time and the unknown one.
    """

    begin: int
    is_unknown: bool
    parts: list[tuple[int, int, int]]


class _Table:
    """The sums of days, by what may stand for an allocation."""

    gaps: dict[int, GapTimes]
    most_seconds: int

    def __init__(self, days: list[date], until: int, now: int) -> None:
        self._days = days
        self._bounds = [int(custom(day, day).since.timestamp()) for day in days]
        self.since, self.until, self._now = self._bounds[0], until, now
        self._edges: list[int] = []
        self._rests: dict[tuple[int, int], _Rest] = {}
        self.unstored: list[Allocation] = []
        self._sums: dict[tuple[int, Key], list[int]] = {}

    def edges(self) -> list[int]:
        """Return the begin and the end of all, and the edges between them."""
        inner = {*self._bounds}
        for gaps in self.gaps.values():
            inner.update(gaps.edges())
        between = sorted(edge for edge in inner if self.since < edge < self.until)
        self._edges = [self.since, *between, self.until]
        return self._edges

    def add_rest(
        self, cloud: int, key: Key, column: int, edges: int, number: int, moments: int
    ) -> None:
        """Add the times from some moments to the end, or subtract them.

        Args:
            edges: Number of edges up to each of the moments.
            number: Of the moments; below 0 to subtract.
            moments: Their sum; below 0 to subtract.
        """
        if edges == len(self._edges):
            return
        rest = self._rests.get((cloud, edges)) or self._rest(cloud, edges)
        for index, known, unknown in rest.parts:
            sums = self._of(index, key)
            sums[column] += number * known
            sums[UNKNOWN] += number * unknown
        if edges:
            sums = self._of(rest.parts[0][0], key)
            later = moments - number * rest.begin
            sums[UNKNOWN if rest.is_unknown else column] -= later

    def _rest(self, cloud: int, edges: int) -> _Rest:
        begin = self._edges[max(edges - 1, 0)]
        gaps = self.gaps.get(cloud, gap_times.NONE)
        rest = _Rest(begin, bool(gaps.overlap(begin, begin + 1)), [])
        ends = [*self._bounds[1:], self.until]
        for index in range(bisect_right(self._bounds, begin) - 1, len(ends)):
            end = min(ends[index], self.until)
            if begin < end:
                unknown = gaps.overlap(begin, end)
                rest.parts.append((index, end - begin - unknown, unknown))
                begin = end
        self._rests[cloud, edges] = rest
        return rest

    def add_ended(self, cloud: int, key: Key, runs: _Ended) -> None:
        number, started, ended = runs.number, int(runs.started), int(runs.ended)
        self.add_rest(cloud, key, RUNNING, runs.started_in, number, started)
        self.add_rest(cloud, key, RUNNING, runs.ended_in, -number, -ended)
        if runs.stops:
            gone = int(runs.gone or 0)
            self.add_rest(cloud, key, STOPPED, runs.ended_in, number, ended)
            self.add_rest(cloud, key, STOPPED, runs.gone_in, -number, -gone)
        if not 0 < runs.ended_in < len(self._edges):
            return
        sums = self._of_moment(self._edges[runs.ended_in - 1], key)
        sums[ENDED[runs.ended_by]] += number
        sums[ENDED_SECONDS] += ended - started
        if runs.ended_by not in AVOIDED:
            return
        if runs.ended_known != Run.Known.OBSERVED:
            sums[UNSURE[runs.ended_by]] += number
        elif cloud not in self.gaps:
            sums[AVOIDED[runs.ended_by]] += int(runs.avoided or 0)

    def add_avoided(
        self,
        cloud: int,
        key: Key,
        ended: int,
        next_started: int | None,
        missing: int | None,
        ended_by: str,
    ) -> None:
        """Add what the end of a run has avoided, in a cloud that has gaps."""
        until = avoided_until(
            ended, next_started, missing, self._now, self.most_seconds
        )
        unknown = self.gaps[cloud].overlap(ended, until)
        sums = self._of_moment(ended, key)
        sums[AVOIDED[ended_by]] += until - ended - unknown

    def rows(self) -> Iterator[tuple[date, Any, Sums]]:
        for (index, key), sums in self._sums.items():
            if any(sums):
                yield self._days[index], key, Sums._make(sums)

    def _of_moment(self, moment: int, key: Key) -> list[int]:
        return self._of(bisect_right(self._bounds, moment) - 1, key)

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

    def open(self, edges: Sequence[int]) -> Iterable[tuple[Any, ...]]:
        """Return the open runs that began in the time.

        Of those that are alike, the edges up to their start, their number, and the sum
        of these moments.
        """
        rows = self._rows.filter(self._begins, ended_at=None)
        keys = ("allocation__cloud", *self.columns, "started_in")
        alike = rows.annotate(started_in=_edges_until("started_at", edges))
        summed = alike.values(*keys).annotate(
            number=Count("pk"), started=Sum(UnixTime("started_at"))
        )
        return fetched(summed.values_list(*keys, "number", "started"))

    @property
    def _begins(self) -> Q:
        return Q(started_at__gte=self._since, started_at__lt=self._until)

    def changing(
        self, edges: Sequence[int], now: int, most_seconds: int
    ) -> Iterable[tuple[Any, ...]]:
        """Return the other runs, those that are alike together (``_Ended``)."""
        begins = self._begins & Q(ended_at__isnull=False)
        ends = Q(ended_at__gte=self._since, ended_at__lt=self._until)
        is_over = Q(next_started_at__lt=self._until)
        is_over |= Q(next_started_at=None, instance__missing_since__lt=self._until)
        goes = Q(ended_at__lt=self._since) & is_over
        later = Coalesce("next_started_at", "instance__missing_since")
        # After it was missing nothing says when it was there again.
        stops = ~Q(end_status="")
        gone = Case(
            When(stops & Q(later__lt=F("ended_at")), then="ended_at"),
            When(stops, then="later"),
        )
        ended = UnixTime("ended_at")
        until = Least(
            Coalesce(UnixTime("next_started_at"), now),
            Coalesce(UnixTime("instance__missing_since"), now),
            *(Value(now), ended + most_seconds),
        )
        saves = Q(ended_by__in=Run.SAVING, ended_known=Run.Known.OBSERVED)
        for rows in (self._rows.filter(begins), *self._last(ends | goes)):
            keys = (
                rows.annotate(later=later, gone_at=gone)
                .annotate(
                    started_in=_edges_until("started_at", edges),
                    ended_in=_edges_until("ended_at", edges),
                    gone_in=_edges_until("gone_at", edges),
                    stops=Case(When(stops, then=1), default=0),
                )
                .values("allocation__cloud", *self.columns, *_Ended._fields[:6])
            )
            yield from fetched(
                keys.annotate(
                    number=Count("pk"),
                    started=Sum(UnixTime("started_at")),
                    ended=Sum(ended),
                    gone=Sum(UnixTime("gone_at")),
                    avoided=Sum(Greatest(until, ended) - ended, filter=saves),
                ).values_list("allocation__cloud", *self.columns, *_Ended._fields)
            )

    def saving(self, clouds: Collection[int]) -> Iterable[tuple[Any, ...]]:
        """Return the runs of some clouds whose ends in the time avoided something."""
        ends = Q(
            allocation__cloud__in=clouds,
            ended_at__gte=self._since,
            ended_at__lt=self._until,
            ended_by__in=Run.SAVING,
            ended_known=Run.Known.OBSERVED,
        )
        for rows in (self._rows.filter(self._begins, ends), *self._last(ends)):
            yield from fetched(
                rows.values_list(
                    "allocation__cloud",
                    *self.columns,
                    *(UnixTime("ended_at"), UnixTime("next_started_at")),
                    UnixTime("instance__missing_since"),
                    "ended_by",
                )
            )

    def first(self, edges: Sequence[int]) -> Iterable[tuple[Any, ...]]:
        """Return the first runs of instances that had been seen before.

        Of those that are alike, the edges up to when the instances were first seen and
        to when they began to run, their number, and the sums of these moments.
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
        alike = rows.annotate(
            seen_in=_edges_until("instance__first_seen_at", edges),
            begun_in=_edges_until("started_at", edges),
        )
        keys = ("instance__cloud", *self.columns, "seen_in", "begun_in")
        summed = alike.values(*keys).annotate(
            number=Count("pk"),
            seen=Sum(UnixTime("instance__first_seen_at")),
            begun=Sum(UnixTime("started_at")),
        )
        return fetched(summed.values_list(*keys, "number", "seen", "begun"))


def _edges_until(moment: str, edges: Sequence[int], before: int = 0) -> Expression:
    """Return how many edges there are up to a moment; all if it is NULL."""
    if not edges:
        return Value(before)
    middle = len(edges) // 2
    edge = datetime.fromtimestamp(edges[middle], UTC)
    return Case(
        When(
            **{f"{moment}__lt": edge},
            then=_edges_until(moment, edges[:middle], before),
        ),
        default=_edges_until(moment, edges[middle + 1 :], before + middle + 1),
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
    edges: Sequence[int],
    columns: Collection[str],
) -> QuerySet[Any, tuple[Any, ...]]:
    """Return the instances that have not run, those that are alike together.

    Columns, the edges up to when they were first seen and to when they were gone (all
    while they exist), their number, and the sums of these moments.
    """
    present = Q(missing_since=None) | Q(missing_since__gt=since)
    runs = Run.objects.filter(instance=OuterRef("pk"))
    instances = Instance.objects.filter(
        ~Exists(runs), present, scope.q(), cloud__in=clouds, first_seen_at__lt=until
    )
    keys = (*columns, "seen_in", "gone_in")
    found: QuerySet[Any, tuple[Any, ...]] = (
        instances.order_by()
        .annotate(
            seen_in=_edges_until("first_seen_at", edges),
            gone_in=_edges_until("missing_since", edges),
        )
        .values(*keys)
        .annotate(
            number=Count("pk"),
            seen=Sum(UnixTime("first_seen_at")),
            gone=Sum(UnixTime("missing_since")),
        )
        .values_list(*keys, "number", "seen", "gone")
    )
    return found
