"""What runs will cost, and have cost, at the prices of today.

For people who decide on a run. The numbers of reports are in ``usage``.
"""

from collections import Counter
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import NamedTuple

from dashboard.instances import run_state
from dashboard.instances.models import Instance

from .current_prices import current_prices
from .models import Price
from .money import Money, parts_of
from .periods import day_of, start_of

DAY_HOURS = 24
_SECOND = timedelta(seconds=1)


class Estimate(NamedTuple):
    """What some time of an instance costs.

    Attributes:
        price: Of an hour.
        seconds: How long; None if nothing ends it, or its end is not known.
        rate: What an hour costs, or saves.
    """

    price: Price
    seconds: int | None
    rate: Decimal

    @property
    def amount(self) -> Decimal | None:
        """What it costs altogether; None if its length is not known."""
        if self.seconds is None:
            return None
        return amount_of(self.rate, self.seconds)

    @property
    def a_day(self) -> Decimal:
        return self.rate * DAY_HOURS


class EstimateSum:
    """What the same change of many instances costs, or saves.

    Attributes:
        unpriced: Number of the instances without a price.
        without_end: By currency, the number of those with one whose end is not known.
    """

    def __init__(self) -> None:
        self.unpriced = 0
        self.without_end: Counter[str] = Counter()
        self._parts: Counter[str] = Counter()
        self._hourly: Counter[str] = Counter()

    def add(self, estimate: Estimate | None) -> None:
        """Count an instance; None is one without a price."""
        if estimate is None:
            self.unpriced += 1
        elif estimate.seconds is None:
            self.without_end[estimate.price.currency] += 1
            self._hourly[estimate.price.currency] += parts_of(estimate.rate, 3_600)
        else:
            self._parts[estimate.price.currency] += parts_of(
                estimate.rate, estimate.seconds
            )

    @property
    def money(self) -> Money:
        """What they cost that end."""
        return Money.of(self._parts)

    @property
    def hourly(self) -> list[tuple[str, Decimal, int]]:
        """What an hour of the others costs: currency, amount, number of instances."""
        amounts = Money.of(self._hourly).amounts
        return [(name, amounts[name], self.without_end[name]) for name in amounts]


def price_now(instance: Instance) -> Price | None:
    """Return the price of an instance today; its cloud must have been read."""
    return current_prices().of(instance.cloud.name, instance.flavor)


def amount_of(rate: Decimal, seconds: int) -> Decimal:
    """Return what some time costs at a rate an hour."""
    return rate * seconds / 3_600


def run_ahead(instance: Instance, now: datetime) -> Estimate | None:
    """Return what the rest of the current run costs; None without a price."""
    price = price_now(instance)
    if price is None:
        return None
    return Estimate(price, _seconds_left(instance, now), price.running)


def new_run(instance: Instance, seconds: int | None) -> Estimate | None:
    """Return what a run of so many seconds costs; None without a price."""
    price = price_now(instance)
    return None if price is None else Estimate(price, seconds, price.running)


def run_so_far(instance: Instance, now: datetime) -> Money:
    """Return what the current run has cost, each day at its own price.

    Empty if the instance does not run, or the start of its run is not known. Unlike
    reports, it counts the time in which Curfew did not see the instance.
    """
    since = instance.run_started_at
    if since is None or not run_state.is_running(instance):
        return Money()
    prices = current_prices().list
    days = prices.changes(day_of(since), day_of(now))
    moments = [since, *map(start_of, days), now]
    total = Money()
    for begin, end in pairwise(moments):
        seconds = max(0, (end - begin) // _SECOND)
        price = prices.at(instance.cloud.name, instance.flavor, day_of(begin))
        if price:
            parts = {price.currency: parts_of(price.running, seconds)}
            total += Money.of(parts)
        else:
            total += Money(unpriced_seconds=seconds)
    return total


def saved_by_stop(instance: Instance, now: datetime) -> Estimate | None:
    """Return what a stop now saves; None without a price.

    As in ``savings``: the price of an hour while running, without that while stopped.
    """
    price = price_now(instance)
    if price is None:
        return None
    rate = max(price.running - (price.stopped or 0), Decimal(0))
    return Estimate(price, _seconds_left(instance, now), rate)


def _seconds_left(instance: Instance, now: datetime) -> int | None:
    """Return how long a run goes on; None unless it is known and ahead."""
    if not run_state.is_running(instance) or instance.stops_at is None:
        return None
    left = (instance.stops_at - now) // _SECOND
    return left if left > 0 else None
