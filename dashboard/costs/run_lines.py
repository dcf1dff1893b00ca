"""Runs with what they cost in a period, as pages and files show them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from . import usage
from .gap_times import GapTimes
from .models import Run
from .periods import Period
from .price_list import PriceList
from .usage import RunCost


@dataclass(frozen=True)
class RunLine:
    """A run.

    Attributes:
        seconds: Its length, all of it.
        cost: Of the part in the period, or of all of it without one.
        is_clipped: Whether a part is outside the period.
    """

    run: Run
    seconds: float
    cost: RunCost
    is_clipped: bool


def run_lines(
    runs: Iterable[Run],
    now: datetime,
    period: Period | None = None,
    *,
    prices: PriceList | None = None,
    gaps: Mapping[int, GapTimes] | None = None,
) -> list[RunLine]:
    """Return the runs, which have their allocations; three queries.

    Args:
        runs: With their allocations.
        now: Aware.
        period: Only this part of them costs something; None for all.
        prices: Read with a query if they are not passed.
        gaps: ``usage.gaps_of`` them; likewise.
    """
    listed = list(runs)
    prices = prices or PriceList.load()
    gaps = usage.gaps_of(listed, now) if gaps is None else gaps
    return [
        RunLine(
            run,
            run.seconds(now),
            usage.run_cost(run, prices, now, period, gaps),
            period is not None
            and (run.started_at < period.since or (run.ended_at or now) > period.until),
        )
        for run in listed
    ]
