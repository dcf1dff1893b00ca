"""What some instances have run, cost and saved since a moment.

For handovers and wallboards, whose instances are those of a saved view. Costs are those
of running.
"""

from collections import Counter
from dataclasses import dataclass, field
from datetime import date, datetime

from django.db.models import QuerySet

from dashboard.instances.models import Instance

from . import gap_times, savings, usage
from .models import Allocation, Run
from .money import Money, parts_of
from .periods import Period, custom
from .price_list import PriceList
from .scopes import Scope


@dataclass(frozen=True)
class Ran:
    """What has run.

    Attributes:
        instances: How many of them ran.
        seconds: How long, all together, without gaps.
        unknown_seconds: In gaps.
        cost: And the time without a price.
    """

    instances: int = 0
    seconds: int = 0
    unknown_seconds: int = 0
    cost: Money = field(default_factory=Money)


def ran_since(
    since: datetime, now: datetime, instances: QuerySet[Instance] | None = None
) -> Ran:
    """Return what has run since a moment, each day at its price; five queries.

    Args:
        instances: Those that count; None for all.
    """
    period = Period(since, now)
    runs = _of(usage.runs(period, Scope(), now), instances)
    # Thousands of runs: their columns, since rows as objects take ten times as long.
    columns = ("instance", "allocation", "started_at", "ended_at")
    found = list(runs.order_by().values_list(*columns))
    pks = {allocation for _instance, allocation, *_times in found}
    allocations = Allocation.objects.select_related("cloud").in_bulk(pks)
    gaps = gap_times.by_cloud(gap_times.between(since, now, now))
    bounds = [(day, *_seconds(custom(day, day))) for day in period.days]
    first, last = _seconds(period)
    running: Counter[tuple[int, date]] = Counter()
    unknown = 0
    for _instance, allocation, started_at, ended_at in found:
        begun = max(int(started_at.timestamp()), first)
        ended = min(int(ended_at.timestamp()), last) if ended_at else last
        unseen = gaps.get(allocations[allocation].cloud_id, gap_times.NONE)
        for day, midnight, next_midnight in bounds:
            begin, end = max(begun, midnight), min(ended, next_midnight)
            if begin < end:
                in_gaps = unseen.overlap(begin, end)
                unknown += in_gaps
                running[allocation, day] += end - begin - in_gaps
    return Ran(
        len({instance for instance, *_rest in found}),
        running.total(),
        unknown,
        _cost(running, allocations),
    )


def _seconds(period: Period) -> tuple[int, int]:
    return int(period.since.timestamp()), int(period.until.timestamp())


def _cost(
    running: Counter[tuple[int, date]], allocations: dict[int, Allocation]
) -> Money:
    prices, parts, unpriced = PriceList.load(), Counter[str](), 0
    for (pk, day), seconds in running.items():
        allocation = allocations[pk]
        if price := prices.at(allocation.cloud.name, allocation.flavor, day):
            parts[price.currency] += parts_of(price.running, seconds)
        else:
            unpriced += seconds
    return Money.of(parts, unpriced)


def saved_since(
    since: datetime, now: datetime, instances: QuerySet[Instance] | None = None
) -> savings.Saved:
    """Return what stops since a moment have saved until now, as ``savings`` does."""
    runs = _of(savings.saving_runs(Period(since, now), Scope(), now), instances)
    avoided = savings.avoided(list(runs.defer("instance__document")), now)
    is_unknown = savings.Because.UNKNOWN
    return savings.Saved(
        sum(item.seconds for item in avoided),
        sum((item.money for item in avoided), Money()),
        len(avoided),
        sum(item.because == is_unknown for item in avoided),
    )


def _of(runs: QuerySet[Run], instances: QuerySet[Instance] | None) -> QuerySet[Run]:
    return runs if instances is None else runs.filter(instance__in=instances)
