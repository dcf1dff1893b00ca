"""The price list beside the flavors in the fleet."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta
from fnmatch import fnmatchcase
from typing import NamedTuple
from urllib.parse import urlencode

from django.db.models import Count, Q
from django.utils import timezone

from dashboard.instances.models import Cloud, Instance
from dashboard.instances.run_state import RUNNING

from .models import Price
from .periods import day_of
from .price_list import PriceList


class FleetFlavor(NamedTuple):
    """A flavor of present instances.

    Attributes:
        instances, running: How many there are, and how many of them run.
    """

    cloud: str
    flavor: str
    instances: int
    running: int

    @property
    def query(self) -> str:
        """What fills the form of a price for it."""
        return urlencode({"cloud": self.cloud, "flavor": self.flavor})


@dataclass
class Pattern:
    """All prices of a cloud and flavor, as the list names them.

    Attributes:
        current: None if the first one is still to come.
        coming: By their days.
        past: Newest first.
        instances: Number of present instances whose price it decides today.
    """

    cloud: str
    flavor: str
    current: Price | None = None
    coming: list[Price] = field(default_factory=list)
    past: list[Price] = field(default_factory=list)
    instances: int = 0

    @property
    def query(self) -> str:
        """What fills the form of another price."""
        return urlencode({"cloud": self.cloud, "flavor": self.flavor})

    @property
    def latest(self) -> Price:
        return self.current or self.coming[0]

    @property
    def prices(self) -> list[Price]:
        """All of them, newest first."""
        current = [self.current] if self.current else []
        return [*reversed(self.coming), *current, *self.past]

    @property
    def next(self) -> Price | None:
        return self.coming[0] if self.coming else None


class Overview(NamedTuple):
    """What the page of prices shows."""

    patterns: list[Pattern]
    unpriced: list[FleetFlavor]


def today() -> date:
    """Return the present day of reports."""
    return day_of(timezone.now())


def cloud_names() -> list[str]:
    """Return the clouds that prices can be for."""
    return list(Cloud.objects.values_list("name", flat=True))


def currencies() -> list[str]:
    """Return the currencies in use, the one of most prices first."""
    rows = Price.objects.values_list("currency").annotate(number=Count("pk"))
    return [currency for currency, _ in rows.order_by("-number", "currency")]


def fleet_flavors(cloud: str = "") -> list[FleetFlavor]:
    """Return the flavors of present instances, of one cloud or of all."""
    instances = Instance.objects.filter(missing_since=None).exclude(flavor="")
    if cloud:
        instances = instances.filter(cloud__name=cloud)
    rows = (
        instances.order_by("cloud__name", "flavor")
        .values("cloud__name", "flavor")
        .annotate(number=Count("pk"), running=Count("pk", filter=RUNNING))
        .values_list("cloud__name", "flavor", "number", "running")
    )
    return [FleetFlavor(*row) for row in rows]


def matches(price: Price, cloud: str, flavor: str) -> bool:
    """Whether a price can be that of a flavor in a cloud."""
    if price.cloud not in {Price.ANY_CLOUD, cloud}:
        return False
    return flavor == price.flavor or fnmatchcase(flavor, price.flavor)


def overview(prices: Iterable[Price], day: date) -> Overview:
    """Return the price list by its patterns, as it is on a day.

    Args:
        prices: All of them.
        day: In the report's time zone.
    """
    patterns: dict[tuple[str, str], Pattern] = {}
    for price in sorted(prices, key=lambda each: each.valid_from):
        key = (price.flavor, price.cloud)
        pattern = patterns.setdefault(key, Pattern(price.cloud, price.flavor))
        if price.valid_from > day:
            pattern.coming.append(price)
        else:
            if pattern.current:
                pattern.past.insert(0, pattern.current)
            pattern.current = price
    price_list, fleet = PriceList.load(), fleet_flavors()
    number: Counter[tuple[str, str]] = Counter()
    unpriced = []
    for item in fleet:
        decisive = price_list.at(item.cloud, item.flavor, day)
        if decisive:
            number[decisive.flavor, decisive.cloud] += item.instances
        else:
            unpriced.append(item)
    for key, pattern in patterns.items():
        pattern.instances = number[key]
    unpriced.sort(key=lambda item: -item.instances)
    return Overview([patterns[key] for key in sorted(patterns)], unpriced)


def changes_the_past(price: Price) -> bool:
    """Whether flavors in the fleet had another price on past days of a new one."""
    yesterday = today() - timedelta(days=1)
    if price.valid_from > yesterday:
        return False
    price_list = PriceList.load()
    days = [price.valid_from, *price_list.changes(price.valid_from, yesterday)]
    flavors = [
        item for item in fleet_flavors() if matches(price, item.cloud, item.flavor)
    ]
    return any(
        price_list.at(item.cloud, item.flavor, day) for item in flavors for day in days
    )


def affected(prices: Iterable[Price]) -> Q:
    """Return the condition for present instances whose price these can be."""
    flavors: dict[str, set[str]] = defaultdict(set)
    fleet = fleet_flavors()
    for price in prices:
        for item in fleet:
            if matches(price, item.cloud, item.flavor):
                flavors[item.cloud].add(item.flavor)
    condition = Q(pk__in=[])
    for cloud, names in flavors.items():
        condition |= Q(cloud__name=cloud, flavor__in=names)
    return condition & Q(missing_since=None)
