"""Hours and costs: the one place that pages, files, the API and metrics ask.

*Running* is the time in runs, *stopped* the time in which an instance existed and was
known not to run, *unknown* the time in gaps. They add up to the time in which the
instances existed. The price of a second is the one of its day. Time without a price is
summed up as such; it costs neither nothing nor anything.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cache

from django.db import models
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _, gettext_lazy

from . import gap_times
from .gap_times import GapTimes
from .models import Gap, Price, Run
from .money import Money, parts_of
from .periods import Period, custom, day_of
from .price_list import PriceList
from .reader import Cell, Reading, Span
from .scopes import Scope, scope_for
from .sums import ENDED, Sums

__all__ = [
    "Bucket",
    "Dimension",
    "Line",
    "Reading",
    "Report",
    "RunCost",
    "Scope",
    "Usage",
    "longest_without_auto_stop",
    "report",
    "run_cost",
    "runs",
    "scope_for",
    "trend",
    "trend_by_cloud",
]


class Dimension(models.TextChoices):
    """What a report has a line for each of."""

    OWNER = "owner", gettext_lazy("Owner")
    FLAVOR = "flavor", gettext_lazy("Flavor")
    WORKSPACE = "workspace", gettext_lazy("Workspace")
    CLOUD = "cloud", gettext_lazy("Cloud")
    TAG = "tag", gettext_lazy("Tag")


@dataclass(frozen=True)
class Usage:
    """Times in **seconds**, and what they cost.

    Attributes:
        unknown: Time in gaps.
        running_cost, stopped_cost: Of the time with a price.
        unpriced: Time of running without a price.
        unpriced_stopped: Time of being stopped without a price for that.
        ended: Number of runs that ended, by ``Run.EndedBy``, without zeros.
        ended_seconds: Their length, from start to end.
    """

    running: int = 0
    stopped: int = 0
    unknown: int = 0
    running_cost: Money = field(default_factory=Money)
    stopped_cost: Money = field(default_factory=Money)
    ended: dict[str, int] = field(default_factory=dict)
    ended_seconds: int = 0

    @property
    def cost(self) -> Money:
        return self.running_cost + self.stopped_cost

    @property
    def unpriced(self) -> int:
        return self.running_cost.unpriced_seconds

    @property
    def unpriced_stopped(self) -> int:
        return self.stopped_cost.unpriced_seconds

    @property
    def hours(self) -> float:
        """Hours of running."""
        return self.running / 3_600

    @property
    def runs_ended(self) -> int:
        return sum(self.ended.values())

    @property
    def average_run(self) -> float | None:
        """Length of the runs that ended, **seconds**; None if none did."""
        return self.ended_seconds / self.runs_ended if self.ended else None

    def __add__(self, other: "Usage") -> "Usage":
        ended = dict(self.ended)
        for kind, number in other.ended.items():
            ended[kind] = ended.get(kind, 0) + number
        return Usage(
            self.running + other.running,
            self.stopped + other.stopped,
            self.unknown + other.unknown,
            self.running_cost + other.running_cost,
            self.stopped_cost + other.stopped_cost,
            ended,
            self.ended_seconds + other.ended_seconds,
        )


@dataclass(frozen=True)
class Line:
    """One part of a report.

    Attributes:
        key: For addresses and filters; empty for what has none.
        label: The same for people.
        share: Of the total's cost, or of its hours if that is not in one currency;
            0 to 1.
    """

    key: str
    label: str
    usage: Usage
    share: float


@dataclass(frozen=True)
class Report:
    """The usage of a period.

    Attributes:
        lines: Add up to ``total``; the most expensive first.
        gaps: The latest first.
    """

    total: Usage
    lines: list[Line]
    gaps: list[Gap]


@dataclass(frozen=True)
class Bucket:
    """One day or week of a trend; a week may be cut by the period."""

    first_day: date
    last_day: date
    usage: Usage


@dataclass(frozen=True)
class RunCost:
    """What one run costs while it runs.

    Attributes:
        seconds: Of running, without gaps.
        unknown_seconds: In gaps.
    """

    seconds: int
    unknown_seconds: int
    cost: Money


def report(reading: Reading, by: str, tag_key: str = "") -> Report:
    """Return the usage of a period, in total and by one dimension.

    Args:
        by: A ``Dimension``.
        tag_key: Of the dimension ``tag``: the key whose values are told apart.
    """
    columns, key_of = _keys(by, tag_key)
    tallies: dict[tuple[str, str], _Tally] = defaultdict(_Tally)
    for cell in reading.cells(columns=columns):
        tallies[key_of(cell)].add(cell.sums, cell.price)
    usages = {key: tally.usage() for key, tally in tallies.items()}
    total = sum(usages.values(), Usage())
    currencies = sorted(total.cost.amounts, key=total.cost.amount, reverse=True)
    lines = [
        Line(key, label, usage, _share(usage, total))
        for (key, label), usage in usages.items()
    ]
    lines.sort(
        key=lambda line: (
            *(-line.usage.cost.amount(name) for name in currencies),
            *(-line.usage.running, -line.usage.stopped, line.label),
        )
    )
    return Report(total, lines, gaps(reading))


def trend(reading: Reading, step: str = "day") -> list[Bucket]:
    """Return the usage of each day, or ``week``, of a period up to today."""
    spans = reading.buckets(step)
    tallies = [_Tally() for _ in spans]
    for cell in reading.cells(step=step):
        tallies[cell.bucket].add(cell.sums, cell.price)
    return _buckets(spans, tallies)


def trend_by_cloud(reading: Reading, step: str = "day") -> dict[str, list[Bucket]]:
    """Return the ``trend`` of each cloud that has any usage, by its name."""
    spans = reading.buckets(step)
    clouds: dict[str, list[_Tally]] = defaultdict(lambda: [_Tally() for _ in spans])
    for cell in reading.cells(step=step):
        clouds[cell.cloud][cell.bucket].add(cell.sums, cell.price)
    return {name: _buckets(spans, tallies) for name, tallies in sorted(clouds.items())}


def gaps(reading: Reading) -> list[Gap]:
    """Return the gaps of a period in the clouds of a scope, the latest first."""
    period, now, name = reading.period, reading.now, reading.scope.cloud
    clouds = [item for item in reading.clouds.values() if name in {"", item.name}]
    return gap_times.between(period.since, min(period.until, now), now, clouds)


def runs(period: Period, scope: Scope, now: datetime) -> QuerySet[Run]:
    """Return the runs that a period has a part of, the latest first."""
    until = min(period.until, now)
    return (
        Run.objects.filter(
            Q(ended_at=None) | Q(ended_at__gt=period.since),
            scope.of_allocation(),
            started_at__lt=until,
        )
        .select_related("allocation__cloud", "instance__cloud", "ended_by_person")
        .order_by("-started_at", "-pk")
    )


def longest_without_auto_stop(
    period: Period, scope: Scope, now: datetime, limit: int = 10
) -> list[Run]:
    """Return the runs of a period without auto-stop, the longest first."""
    until = models.functions.Coalesce("ended_at", models.Value(now))
    found = runs(period, scope, now)
    ordered = found.filter(has_end=False).order_by(models.F("started_at") - until, "pk")
    # Their keys first: rows of all these runs are too much to sort.
    longest = found.in_bulk(list(ordered.values_list("pk", flat=True)[:limit]))
    return list(longest.values())


def run_cost(
    run: Run,
    price_list: PriceList,
    now: datetime,
    period: Period | None = None,
    gap_times_by_cloud: Mapping[int, GapTimes] | None = None,
) -> RunCost:
    """Return what a run, or its part in a period, costs.

    Args:
        run: With its allocation and cloud.
        gap_times_by_cloud: Of ``gaps_of``; without it a query is made.
    """
    since, until = run.started_at, run.ended_at or now
    if period is not None:
        since, until = max(since, period.since), min(until, period.until)
    allocation = run.allocation
    if gap_times_by_cloud is None:
        found = gap_times.between(since, until, now, [allocation.cloud])
        gap_times_by_cloud = gap_times.by_cloud(found)
    times = gap_times_by_cloud.get(allocation.cloud_id, gap_times.NONE)
    tally, begin, end = _Tally(), int(since.timestamp()), int(until.timestamp())
    days = custom(day_of(since), day_of(until)).days if begin < end else []
    for day in days:
        bounds = custom(day, day)
        part_end = min(end, int(bounds.until.timestamp()))
        unknown = times.overlap(begin, part_end)
        price = price_list.at(allocation.cloud.name, allocation.flavor, day)
        tally.add(Sums(running=part_end - begin - unknown, unknown=unknown), price)
        begin = part_end
    usage = tally.usage()
    return RunCost(usage.running, usage.unknown, usage.running_cost)


def gaps_of(
    found: Iterable[Run], now: datetime, *, has_stored: bool = True
) -> dict[int, GapTimes]:
    """Return the gaps of the clouds of runs, for ``run_cost`` of each.

    Args:
        found: With their allocations and clouds.
        now: Aware.
        has_stored: As of ``gap_times.between``.
    """
    listed = list(found)
    if not listed:
        return {}
    since = min(run.started_at for run in listed)
    clouds = {run.allocation.cloud_id: run.allocation.cloud for run in listed}
    found_gaps = gap_times.between(
        since, now, now, clouds.values(), has_stored=has_stored
    )
    return gap_times.by_cloud(found_gaps)


class _Tally:
    """A sum under way."""

    def __init__(self) -> None:
        self._sums = Sums()
        self._running: dict[str, int] = {}
        self._stopped: dict[str, int] = {}
        self._unpriced = self._unpriced_stopped = 0

    def add(self, sums: Sums, price: Price | None) -> None:
        self._sums = self._sums.plus(sums)
        if price is None:
            self._unpriced += sums.running
        elif sums.running:
            parts = parts_of(price.running, sums.running)
            name = price.currency
            self._running[name] = self._running.get(name, 0) + parts
        if price is None or price.stopped is None:
            self._unpriced_stopped += sums.stopped
        elif sums.stopped:
            parts = parts_of(price.stopped, sums.stopped)
            name = price.currency
            self._stopped[name] = self._stopped.get(name, 0) + parts

    def usage(self) -> Usage:
        sums = self._sums
        return Usage(
            sums.running,
            sums.stopped,
            sums.unknown,
            Money.of(self._running, self._unpriced),
            Money.of(self._stopped, self._unpriced_stopped),
            {kind: sums[at] for kind, at in ENDED.items() if sums[at]},
            sums.ended_seconds,
        )


def _buckets(spans: Iterable[Span], tallies: Iterable[_Tally]) -> list[Bucket]:
    return [
        Bucket(*span, tally.usage()) for span, tally in zip(spans, tallies, strict=True)
    ]


def _keys(
    by: str, tag_key: str
) -> tuple[tuple[str, ...], Callable[[Cell], tuple[str, str]]]:
    """Return the columns of a dimension, and what returns key and label of a cell."""

    def cloud(cell: Cell) -> tuple[str, str]:
        return cell.cloud, cell.cloud

    def flavor(cell: Cell) -> tuple[str, str]:
        return cell.flavor, cell.flavor or _("Unknown")

    def first_value(cell: Cell) -> tuple[str, str]:
        name = next(filter(None, cell.values), "")
        return name, name or _("Unknown")

    @cache
    def of_tags(tags: str) -> tuple[str, str]:
        value = json.loads(tags).get(tag_key)
        if value is None:
            return "", _("No tag")
        return f"{tag_key}={value}", str(value) or tag_key

    def tag(cell: Cell) -> tuple[str, str]:
        return of_tags(cell.values[0])

    return {
        "owner": (("owner_name", "owner_id"), first_value),
        "flavor": ((), flavor),
        "workspace": (("workspace_id",), first_value),
        "cloud": ((), cloud),
        "tag": (("tags",), tag),
    }[by]


def _share(usage: Usage, total: Usage) -> float:
    share = usage.cost.share_of(total.cost)
    if share is None:
        share = usage.running / total.running if total.running else 0
    return share
