"""What stops save: the time until somebody needed the instance again.

Without the stop a run would have gone on until the next start of the instance, at most
``CURFEW_SAVINGS_MAX_HOURS``. Only stops by auto-stop, schedules, policies and Curfew
save. Nothing is known about a stop that happened in a gap: it is only counted.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime

from django.conf import settings
from django.db import models
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from . import gap_times, usage
from .day_table import avoided_until
from .models import Price, Run
from .money import Money, parts_of
from .periods import Period, day_of
from .price_list import PriceList
from .reader import Reading
from .scopes import Scope
from .sums import AVOIDED, ENDED, UNSURE


@dataclass(frozen=True)
class Saved:
    """What some stops have saved.

    Attributes:
        seconds: Avoided time of running.
        money: What it would have cost more than the same time stopped, at the price of
            the day of the stop.
        number: Of the stops.
        unknown: How many of them were in a gap, so that ``seconds`` lacks them.
        without_stopped_price: Of ``seconds``, those whose price does not say what being
            stopped costs, which counts as free.
    """

    seconds: int = 0
    money: Money = field(default_factory=Money)
    number: int = 0
    unknown: int = 0
    without_stopped_price: int = 0

    @property
    def hours(self) -> float:
        return self.seconds / 3_600

    def __add__(self, other: "Saved") -> "Saved":
        return Saved(
            self.seconds + other.seconds,
            self.money + other.money,
            self.number + other.number,
            self.unknown + other.unknown,
            self.without_stopped_price + other.without_stopped_price,
        )


@dataclass(frozen=True)
class Savings:
    """What the stops of a period have saved.

    Attributes:
        by: For each of ``Run.SAVING``.
    """

    total: Saved
    by: dict[str, Saved]


class Because(models.TextChoices):
    """Until when a stop saves, at most."""

    NEXT_START = "next_start", _("next start")
    MISSING = "missing", _("deleted")
    NOW = "now", _("not started again")
    LIMIT = "limit", _("longest time assumed")
    UNKNOWN = "unknown", _("Unknown")


@dataclass(frozen=True)
class Avoided:
    """What the end of one run has saved.

    Attributes:
        until: When it would have ended; None if unknown.
        seconds: From its end until then, without gaps.
    """

    run: Run
    until: datetime | None
    seconds: int
    money: Money
    because: str


def savings(reading: Reading) -> Savings:
    """Return what the stops in a period have saved up to now."""
    by = {str(kind): Saved() for kind in Run.SAVING}
    for cell in reading.cells(with_savings=True):
        for kind in by:
            number = cell.sums[ENDED[kind]]
            if number:
                seconds = cell.sums[AVOIDED[kind]]
                unknown = cell.sums[UNSURE[kind]]
                by[kind] += _saved(cell.price, seconds, number, unknown)
    return Savings(sum(by.values(), Saved()), by)


def saving_runs(period: Period, scope: Scope, now: datetime) -> QuerySet[Run]:
    """Return the runs of ``evidence``, the latest end first."""
    return (
        Run.objects.filter(
            scope.of_allocation(),
            ended_at__gte=period.since,
            ended_at__lt=min(period.until, now),
            ended_by__in=Run.SAVING,
        )
        .select_related("allocation__cloud", "instance__cloud", "ended_by_person")
        .order_by("-ended_at", "-pk")
    )


def evidence(
    period: Period, scope: Scope, now: datetime, limit: int | None = None
) -> list[Avoided]:
    """Return each stop that ``savings`` sums up, the latest first."""
    return avoided(list(saving_runs(period, scope, now)[:limit]), now)


def avoided(runs: list[Run], now: datetime) -> list[Avoided]:
    """Return what the ends of some of ``saving_runs`` have saved; two queries."""
    prices, gaps = PriceList.load(), usage.gaps_of(runs, now)
    return [
        _avoided(run, gaps.get(run.allocation.cloud_id, gap_times.NONE), prices, now)
        for run in runs
    ]


def _avoided(
    run: Run, gaps: gap_times.GapTimes, prices: PriceList, now: datetime
) -> Avoided:
    if run.ended_at is None or run.ended_known != Run.Known.OBSERVED:
        return Avoided(run, None, 0, Money(), Because.UNKNOWN)
    ended = int(run.ended_at.timestamp())
    moments = {
        Because.NEXT_START: run.next_started_at,
        Because.MISSING: run.instance.missing_since,
    }
    times = {name: int(at.timestamp()) for name, at in moments.items() if at}
    most = int(settings.CURFEW.savings_max_hours * 3_600)
    until = avoided_until(
        ended,
        times.get(Because.NEXT_START),
        times.get(Because.MISSING),
        int(now.timestamp()),
        most,
    )
    times |= {Because.LIMIT: ended + most, Because.NOW: int(now.timestamp())}
    because = min(times, key=lambda name: times[name])
    seconds = until - ended - gaps.overlap(ended, until)
    day, allocation = day_of(run.ended_at), run.allocation
    price = prices.at(allocation.cloud.name, allocation.flavor, day)
    saved = _saved(price, seconds, 1, 0)
    at = datetime.fromtimestamp(until, UTC)
    return Avoided(run, at, seconds, saved.money, because)


def _saved(price: Price | None, seconds: int, number: int, unknown: int) -> Saved:
    if number == unknown:
        return Saved(number=number, unknown=unknown)
    if price is None:
        return Saved(seconds, Money(unpriced_seconds=seconds), number, unknown)
    difference = price.running - (price.stopped or 0)
    money = Money.of({price.currency: parts_of(difference, seconds)})
    without = seconds if price.stopped is None else 0
    return Saved(seconds, money, number, unknown, without)
