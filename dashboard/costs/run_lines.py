"""Runs with what they cost in a period, as pages and files show them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from . import usage
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
    runs: Iterable[Run], now: datetime, period: Period | None = None
) -> list[RunLine]:
    """Return the runs, which have their allocations; three queries."""
    listed = list(runs)
    prices, gaps = PriceList.load(), usage.gaps_of(listed, now)
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
