"""The sums of a period: those that are stored, and the rest computed from runs."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from functools import cached_property, lru_cache
from itertools import chain, pairwise
from typing import Any, NamedTuple

from django.conf import settings
from django.db.models import Q, Sum

from dashboard.instances.models import Cloud

from . import live
from .models import Price, RollUp, UsageDay, UsageWeek
from .periods import DAY, Period, day_of, monday_of
from .price_list import PriceList
from .run_queries import Group, fetched
from .scopes import Scope
from .sums import AVOIDED, COLUMNS, Sums


class Cell(NamedTuple):
    """Sums of days that have the same price.

    Attributes:
        bucket: Index of the bucket of the days.
        cloud: Its name.
        values: Of the columns that were asked for.
    """

    bucket: int
    cloud: str
    flavor: str
    values: tuple[Any, ...]
    price: Price | None
    sums: Sums


class Span(NamedTuple):
    """The days of a bucket."""

    first_day: date
    last_day: date


type _Row = tuple[date, Group, Sums]
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
        self._live: dict[tuple[str, ...], list[_Row]] = {}
        self._price_of: dict[tuple[int, str, date], Price | None] = {}

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
        columns: tuple[str, ...] = (),
        with_savings: bool = False,
    ) -> Iterator[Cell]:
        """Yield all sums, with their prices.

        Args:
            step: ``day`` or ``week`` for buckets as of ``buckets``; empty for one.
            columns: Of ``Allocation``, whose values are told apart. ``tags`` is JSON.
            with_savings: Also read what was avoided.
        """
        if self._last < self._first:
            return
        begins = [bucket.first_day for bucket in self.buckets(step)] if step else []
        summed = COLUMNS if with_savings else COLUMNS[: min(AVOIDED.values())]
        stored = _Stored(self, step, summed, columns)
        end = 2 + len(columns)
        for day, group, sums in chain(stored.rows(), self._live_rows(columns)):
            cloud, flavor = group[:2]
            bucket = bisect_right(begins, day) - 1 if step else 0
            price = self._price(cloud, flavor, day)
            name = self.clouds[cloud].name
            yield Cell(bucket, name, flavor, group[2:end], price, sums)

    def _price(self, cloud: int, flavor: str, day: date) -> Price | None:
        key = cloud, flavor, day
        if key not in self._price_of:
            name = self.clouds[cloud].name
            self._price_of[key] = self.prices.at(name, flavor, day)
        return self._price_of[key]

    @cached_property
    def prices(self) -> PriceList:
        return PriceList.load()

    @cached_property
    def clouds(self) -> dict[int, Cloud]:
        return Cloud.objects.in_bulk()

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

    def _live_rows(self, columns: tuple[str, ...]) -> list[_Row]:
        """Return the sums that are not stored; those of a report serve for a trend."""
        for known, rows in self._live.items():
            if known[: len(columns)] == columns:
                return rows
        most_hours = settings.CURFEW.savings_max_hours
        found = self._live[columns] = [
            row
            for first, pks in self.stored_until.items()
            if first <= self._last
            for row in live.sums(
                {pk: self.clouds[pk] for pk in pks},
                *(first, self._last, self.scope, self.now, most_hours),
                columns=columns,
            )
        ]
        return found


class _Stored:
    """Reads the sums of days that are stored, for one report."""

    def __init__(
        self,
        reading: Reading,
        step: str,
        summed: Sequence[str],
        columns: tuple[str, ...],
    ) -> None:
        self._reading, self._step = reading, step
        self._sums = {f"sum_{name}": Sum(name) for name in summed}
        self._columns = columns
        self._keys = ["day"] if step else []
        # SQLite sorts the rows of a year by them: numbers rather than names.
        self._keys += ["allocation"] if columns else _PRICED

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
        keys = self._keys
        summed = rows.order_by().values(*keys).annotate(**self._sums)
        zeros = (0,) * (len(COLUMNS) - len(self._sums))
        begin = 1 if self._step else 0
        for values in fetched(summed.values_list(*keys, *self._sums)):
            day = _date(values[0]) if self._step else first
            key = values[begin : len(keys)]
            sums = Sums._make((*map(int, values[len(keys) :]), *zeros))
            yield day, self._groups[key[0]] if self._columns else key, sums

    @cached_property
    def _groups(self) -> dict[int, Group]:
        """The group of each allocation of the scope, by ``pk``."""
        rows = self._reading.scope.allocations().order_by()
        found = fetched(rows.values_list("pk", "cloud", "flavor", *self._columns))
        return {pk: tuple(group) for pk, *group in found}


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
