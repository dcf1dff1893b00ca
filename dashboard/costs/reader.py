"""The sums of a period: those that are stored, and the rest computed from runs."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from functools import cached_property, lru_cache
from itertools import chain, pairwise
from typing import NamedTuple

from django.conf import settings
from django.db.models import Q, Sum

from dashboard.instances.models import Cloud

from . import allocations, live
from .models import Allocation, Price, RollUp, UsageDay, UsageWeek
from .periods import DAY, Period, day_of, monday_of
from .price_list import PriceList
from .scopes import Scope
from .sums import AVOIDED, COLUMNS, Sums


class Cell(NamedTuple):
    """Sums of days that have the same price.

    Attributes:
        bucket: Index of the bucket of the days.
        allocation: Only its cloud and its flavor count, unless cells were asked for
            ``by_allocation``.
    """

    bucket: int
    allocation: Allocation
    price: Price | None
    sums: Sums


class Span(NamedTuple):
    """The days of a bucket."""

    first_day: date
    last_day: date


type _Row = tuple[date, Allocation, Sums]
"""A day, whose price all days of the sums have."""


class Reading:
    """Reads for the reports of one period and scope, at one moment.

    What several reports need is read once: prices, clouds, and the days that are not
    stored, which take a third of the time of a report of a year.
    """

    def __init__(self, period: Period, scope: Scope, now: datetime) -> None:
        self.period, self.scope, self.now = period, scope, now
        self._today = day_of(now)
        self._first, self._last = period.first_day, min(period.last_day, self._today)
        self._live: dict[bool, list[_Row]] = {}

    def buckets(self, step: str) -> list[Span]:
        """Return the days, or weeks, up to today.

        The first and the last week are as short as the period makes them.
        """
        days = [day for day in self.period.days if day <= self._last]
        if step == "day":
            return [Span(day, day) for day in days]
        begins = [day for day in days if day == days[0] or day == monday_of(day)]
        ends = [day - DAY for day in begins[1:]] + days[-1:]
        return [Span(*ends_of) for ends_of in zip(begins, ends, strict=True)]

    def cells(
        self,
        *,
        step: str = "",
        by_allocation: bool = False,
        with_savings: bool = False,
    ) -> Iterator[Cell]:
        """Yield all sums, with their prices.

        Args:
            step: ``day`` or ``week`` for buckets as of ``buckets``; empty for one.
            with_savings: Also read what was avoided.
        """
        if self._last < self._first:
            return
        begins = [bucket.first_day for bucket in self.buckets(step)] if step else []
        columns = COLUMNS if with_savings else COLUMNS[: min(AVOIDED.values())]
        stored = _Stored(self, step, columns, by_allocation=by_allocation)
        live_rows = self._live_rows(by_allocation=by_allocation)
        for day, allocation, sums in chain(stored.rows(), live_rows):
            bucket = bisect_right(begins, day) - 1 if step else 0
            price = self.prices.at(allocation.cloud.name, allocation.flavor, day)
            yield Cell(bucket, allocation, price, sums)

    @cached_property
    def prices(self) -> PriceList:
        return PriceList.load()

    @cached_property
    def clouds(self) -> dict[int, Cloud]:
        return Cloud.objects.in_bulk()

    @cached_property
    def allocations(self) -> dict[int, Allocation]:
        return allocations.with_clouds(self.scope.allocations(), self.clouds)

    @cached_property
    def stored_until(self) -> dict[date, list[int]]:
        """The clouds by the first day of the period that is not stored."""
        done = {
            row.cloud_id: min(row.done_until, self._today)
            for row in RollUp.objects.all()
            if row.is_valid
        }
        found: dict[date, list[int]] = defaultdict(list)
        for cloud in sorted(self.clouds):
            until = max(done.get(cloud, date.min), self._first)
            found[min(until, self._last + DAY)].append(cloud)
        return found

    def _live_rows(self, *, by_allocation: bool) -> list[_Row]:
        """Return the sums that are not stored; those by allocation serve for both."""
        if True not in self._live and by_allocation not in self._live:
            self._live[by_allocation] = self._read_live(by_allocation=by_allocation)
        return self._live[True if True in self._live else by_allocation]

    def _read_live(self, *, by_allocation: bool) -> list[_Row]:
        most_hours = settings.CURFEW.savings_max_hours
        return [
            row
            for first, pks in self.stored_until.items()
            if first <= self._last
            for row in live.sums(
                {pk: self.clouds[pk] for pk in pks},
                *(first, self._last, self.scope, self.now, most_hours),
                by_allocation=by_allocation,
            )
        ]


class _Stored:
    """Reads the sums of days that are stored, for one report."""

    def __init__(
        self,
        reading: Reading,
        step: str,
        columns: Sequence[str],
        *,
        by_allocation: bool,
    ) -> None:
        self._reading, self._step = reading, step
        self._columns = {f"sum_{name}": Sum(name) for name in columns}
        self._by_allocation = by_allocation
        self._priced: dict[tuple[int, str], Allocation] = {}

    def rows(self) -> Iterator[_Row]:
        """Yield the sums, whole weeks at once, none with two prices."""
        first = self._reading.period.first_day
        for until, pks in self._reading.stored_until.items():
            changes = self._reading.prices.changes(first, until - DAY)
            for since_day, until_day in pairwise([first, *changes, until]):
                for model, *ends in _ranges(since_day, until_day, self._step):
                    yield from self._rows(model, pks, *ends)

    def _rows(
        self,
        model: type[UsageDay | UsageWeek],
        cloud_pks: list[int],
        first: date,
        stop: date,
    ) -> Iterator[_Row]:
        condition = Q(day__gte=first, day__lt=stop)
        if len(cloud_pks) < len(self._reading.clouds):
            condition &= Q(allocation__cloud__in=cloud_pks)
        of_scope = self._reading.scope.of_allocation()
        rows = model._default_manager.filter(condition, of_scope)
        keys = ["day"] if self._step else []
        keys += ["allocation"] if self._by_allocation else _PRICED
        summed = rows.order_by().values(*keys).annotate(**self._columns)
        zeros = (0,) * (len(COLUMNS) - len(self._columns))
        for values in live.fetched(summed.values_list(*keys, *self._columns)):
            day = _date(values[0]) if self._step else first
            sums = Sums._make((*map(int, values[len(keys) :]), *zeros))
            if self._by_allocation:
                allocation = self._reading.allocations[values[len(keys) - 1]]
            else:
                allocation = self._of_price(*values[len(keys) - 2 : len(keys)])
            yield day, allocation, sums

    def _of_price(self, cloud: int, flavor: str) -> Allocation:
        if (cloud, flavor) not in self._priced:
            allocation = Allocation(cloud=self._reading.clouds[cloud], flavor=flavor)
            self._priced[cloud, flavor] = allocation
        return self._priced[cloud, flavor]


_PRICED = ["allocation__cloud", "allocation__flavor"]


def _ranges(
    since: date, until: date, step: str
) -> Iterator[tuple[type[UsageDay | UsageWeek], date, date]]:
    """Yield where the sums of some days are: whole weeks, and days; ends excluded."""
    monday, end = monday_of(since + 6 * DAY), monday_of(until)
    if step == "day" or monday >= end:
        monday = end = until
    for model, first, stop in (
        (UsageDay, since, monday),
        (UsageWeek, monday, end),
        (UsageDay, end, until),
    ):
        if first < stop:
            yield model, first, stop


@lru_cache(1_000)
def _date(value: date | str) -> date:
    """Return a date of SQLite, which has none, or of PostgreSQL."""
    return date.fromisoformat(value) if isinstance(value, str) else value
