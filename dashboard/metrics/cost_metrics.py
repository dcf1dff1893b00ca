"""Hours, costs and savings of today and this month, for ``/metrics``."""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import NamedTuple

from prometheus_client.core import GaugeMetricFamily, Metric

from dashboard.costs import periods
from dashboard.costs.savings import Savings, savings
from dashboard.costs.usage import Reading, Scope, Usage, trend_by_cloud
from dashboard.web.process_cache import ProcessCache

SECONDS = 60
"""How long a process keeps the numbers: reading them takes as long as a report."""

_HOUR = 3_600
_numbers = ProcessCache(max_size=1, seconds=SECONDS)


class _Numbers(NamedTuple):
    """By cloud: the usage of today and of this month; and what stops have saved."""

    today: dict[str, Usage]
    this_month: dict[str, Usage]
    saved: Savings


def metrics(now: datetime) -> Iterator[Metric]:
    """Yield the metrics of costs, at most ``SECONDS`` old."""
    found: _Numbers = _numbers.get_or_compute("numbers", lambda: _read(now))
    for name, text, usages in (
        ("today", "today", found.today),
        ("this_month", "this month", found.this_month),
    ):
        yield from _usage(name, text, usages)
    yield from _saved(found.saved)


def _read(now: datetime) -> _Numbers:
    reading = Reading(periods.this_month(now), Scope(), now)
    by_cloud = trend_by_cloud(reading)
    return _Numbers(
        # The trend ends today.
        {cloud: buckets[-1].usage for cloud, buckets in by_cloud.items()},
        {
            cloud: sum((bucket.usage for bucket in buckets), Usage())
            for cloud, buckets in by_cloud.items()
        },
        savings(reading),
    )


def _usage(name: str, text: str, usages: dict[str, Usage]) -> Iterator[Metric]:
    columns: tuple[tuple[str, str, Callable[[Usage], int]], ...] = (
        ("running", "Hours of running", lambda usage: usage.running),
        ("unpriced", "Hours of running without a price", lambda usage: usage.unpriced),
        ("unknown", "Hours in which a cloud was not read", lambda usage: usage.unknown),
    )
    for kind, about, seconds in columns:
        values = ((cloud, seconds(usage)) for cloud, usage in usages.items())
        yield _hours(
            f"curfew_{kind}_hours_{name}", f"{about}, {text}.", "cloud", values
        )
    family = GaugeMetricFamily(
        f"curfew_cost_{name}",
        f"Cost of what has a price, {text}.",
        labels=["cloud", "currency"],
    )
    for cloud, usage in usages.items():
        for currency, amount in usage.cost.amounts.items():
            family.add_metric([cloud, currency], float(amount))
    yield family


def _saved(savings: Savings) -> Iterator[Metric]:
    values = ((kind, saved.seconds) for kind, saved in savings.by.items())
    yield _hours(
        "curfew_saved_hours_this_month",
        "Hours of running that stops have avoided, this month, by what ended the runs.",
        "ended_by",
        values,
    )
    family = GaugeMetricFamily(
        "curfew_saved_cost_this_month",
        "What these hours would have cost, as far as they have a price.",
        labels=["ended_by", "currency"],
    )
    for kind, saved in savings.by.items():
        for currency, amount in saved.money.amounts.items():
            family.add_metric([kind, currency], float(amount))
    yield family


def _hours(
    name: str, text: str, label: str, seconds: Iterable[tuple[str, int]]
) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=[label])
    for value, number in seconds:
        family.add_metric([value], number / _HOUR)
    return family
