"""Queries that add up runs, and instances without runs, for sums of days.

Rows are grouped in the database. A group has one cloud and one key, and each of its
moments lies between the same two neighbouring edges (see ``day_table``), so the number
of its rows and the sum of each moment are enough to compute its times.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import UTC, datetime
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

from dashboard.instances.models import Instance

from .models import Run
from .scopes import Scope

type Group = tuple[Any, ...]
"""What a report distinguishes: ``Cloud.pk`` and flavor, which decide the price, and the
columns of ``Allocation`` that were asked for. There are far fewer owners and flavors
than allocations."""

type Key = int | str | Group
"""``Allocation.pk``, or ``Allocation.digest`` of one that is not stored, or a group."""


class UnixTime(Func):
    """A moment in whole seconds of Unix time; cheaper to read than a ``datetime``."""

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


class EndedRuns(NamedTuple):
    """A group of runs that have ended.

    Attributes:
        started_in, ended_in, gone_in: Number of edges up to the start, to the end, and
            to the moment at which the stopped instance ran again or went missing; the
            number of all edges if there is no such moment.
        stops: 1 if the instances are known to have been stopped after these runs.
        number: Number of runs.
        started, ended, gone: Sum of each of these moments.
        avoided: Seconds that the ends avoided, before gaps are subtracted.
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


class RunQueries:
    """The runs that count in a period: those in it, and the last one before it.

    Attributes:
        columns: Columns of ``Run`` that make up the key of a group.
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
        self._scope = scope
        names = ["pk"] if columns is None else ["flavor", *columns]
        self.columns = [f"allocation__{name}" for name in names]
        self._is_by_allocation = columns is None
        self._all = Run.objects.filter(scope.of_allocation()).order_by()
        self._rows = self._all.filter(allocation__cloud__in=clouds)

    @cached_property
    def _last_pks(self) -> list[int]:
        """The last run before the period of each instance that existed in it."""
        since = self._since
        earlier = Run.objects.filter(instance=OuterRef("pk"), started_at__lt=since)
        present = Q(missing_since=None) | Q(missing_since__gte=since)
        rows = Instance.objects.filter(present, cloud__in=self._clouds).values_list(
            Subquery(earlier.order_by("-started_at").values("pk")[:1])
        )
        return [pk for (pk,) in fetched(rows.order_by()) if pk is not None]

    def _last(self, condition: Q) -> Iterator[QuerySet[Run]]:
        """Yield those of the last runs before the period that meet a condition."""
        # By primary key, since a join with instances would read all of their runs.
        for part in batched(self._last_pks, 5_000, strict=False):
            yield self._rows.filter(condition, pk__in=part)

    def split(self, row: tuple[Any, ...]) -> tuple[int, Key, tuple[Any, ...]]:
        """Split a row into its cloud, its key, and its other columns."""
        end = 1 + len(self.columns)
        return row[0], row[1] if self._is_by_allocation else row[:end], row[end:]

    def unchanged(self) -> Iterable[tuple[Any, ...]]:
        """Yield the number of instances that ran, or were stopped, all the time.

        The last columns are whether they were stopped (0, 1) and their number.
        """
        runs_on = Q(ended_at=None) | Q(ended_at__gte=self._until)
        stays = Q(next_started_at__gte=self._until) | (
            Q(next_started_at=None)
            & (
                Q(instance__missing_since=None)
                | Q(instance__missing_since__gte=self._until)
            )
        )
        # Nobody knows when an instance that was missing was there again.
        stopped = Q(ended_at__lt=self._since) & stays & ~Q(end_status="")
        for is_stopped, condition in enumerate((runs_on, stopped)):
            for runs in self._last(condition):
                rows = runs.values_list("allocation__cloud", *self.columns)
                for row in fetched(rows.annotate(number=Count("pk"))):
                    yield *row[:-1], is_stopped, row[-1]

    def open(self, edges: Sequence[int]) -> Iterable[tuple[Any, ...]]:
        """Return the open runs that began in the period.

        The last columns of a group are the number of edges up to the start, the number
        of runs, and the sum of their starts.
        """
        rows = self._rows.filter(self._begins, ended_at=None)
        keys = ("allocation__cloud", *self.columns, "started_in")
        rows = rows.annotate(started_in=_edges_until("started_at", edges))
        groups = rows.values(*keys).annotate(
            number=Count("pk"), started=Sum(UnixTime("started_at"))
        )
        return fetched(groups.values_list(*keys, "number", "started"))

    @property
    def _begins(self) -> Q:
        return Q(started_at__gte=self._since, started_at__lt=self._until)

    def ended(
        self, edges: Sequence[int], now: int, most_seconds: int
    ) -> Iterable[tuple[Any, ...]]:
        """Yield the other runs; the last columns of a group are ``EndedRuns``."""
        begins = self._begins & Q(ended_at__isnull=False)
        ends = Q(ended_at__gte=self._since, ended_at__lt=self._until)
        is_over = Q(next_started_at__lt=self._until)
        is_over |= Q(next_started_at=None, instance__missing_since__lt=self._until)
        goes = Q(ended_at__lt=self._since) & is_over
        later = Coalesce("next_started_at", "instance__missing_since")
        # Nobody knows when an instance that was missing was there again.
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
                .values("allocation__cloud", *self.columns, *EndedRuns._fields[:6])
            )
            yield from fetched(
                keys.annotate(
                    number=Count("pk"),
                    started=Sum(UnixTime("started_at")),
                    ended=Sum(ended),
                    gone=Sum(UnixTime("gone_at")),
                    avoided=Sum(Greatest(until, ended) - ended, filter=saves),
                ).values_list("allocation__cloud", *self.columns, *EndedRuns._fields)
            )

    def saving(self, clouds: Collection[int]) -> Iterable[tuple[Any, ...]]:
        """Yield each run of some clouds whose end in the period avoided something.

        The last columns are its end, the next start, when the instance went missing,
        and what ended it.
        """
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
        """Return the first runs of instances that had been seen before they ran.

        The last columns of a group are the numbers of edges up to when the instances
        were first seen and up to their first start, the number of instances, and the
        sums of both moments.
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
            # Most instances are running when they are first seen.
            Q(started_at__gt=F("instance__first_seen_at")),
            started_at__gt=since,
            instance__cloud__in=self._clouds,
            instance__first_seen_at__lt=self._until,
        )
        rows = rows.annotate(
            seen_in=_edges_until("instance__first_seen_at", edges),
            begun_in=_edges_until("started_at", edges),
        )
        keys = ("instance__cloud", *self.columns, "seen_in", "begun_in")
        groups = rows.values(*keys).annotate(
            number=Count("pk"),
            seen=Sum(UnixTime("instance__first_seen_at")),
            begun=Sum(UnixTime("started_at")),
        )
        return fetched(groups.values_list(*keys, "number", "seen", "begun"))

    def without_run(
        self, edges: Sequence[int], columns: Collection[str]
    ) -> QuerySet[Any, tuple[Any, ...]]:
        """Return a query of the instances that have not run.

        The last columns of a group are the numbers of edges up to when they were first
        seen and up to when they were gone, the number of instances, and the sums of
        both moments; the second sum is None while they exist.

        Args:
            columns: Columns of ``Instance`` that make up the key of a group.
        """
        present = Q(missing_since=None) | Q(missing_since__gt=self._since)
        instances = Instance.objects.filter(
            ~Exists(Run.objects.filter(instance=OuterRef("pk"))),
            present,
            self._scope.q(),
            cloud__in=self._clouds,
            first_seen_at__lt=self._until,
        )
        rows = instances.order_by().annotate(
            seen_in=_edges_until("first_seen_at", edges),
            gone_in=_edges_until("missing_since", edges),
        )
        keys = (*columns, "seen_in", "gone_in")
        groups = rows.values(*keys).annotate(
            number=Count("pk"),
            seen=Sum(UnixTime("first_seen_at")),
            gone=Sum(UnixTime("missing_since")),
        )
        found: QuerySet[Any, tuple[Any, ...]] = groups.values_list(
            *keys, "number", "seen", "gone"
        )
        return found


def _edges_until(moment: str, edges: Sequence[int], before: int = 0) -> Expression:
    """Return an expression for the number of edges up to a moment, by binary search.

    All edges are up to NULL.
    """
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
    """Return rows as the database driver returns them.

    The ORM would convert each number, which takes as long as the queries of a report of
    a year.
    """
    try:
        sql, params = rows.query.sql_with_params()
    except EmptyResultSet:  # nothing can match
        return []
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        found: list[tuple[Any, ...]] = cursor.fetchall()
    return found
