"""Which price counts for a flavor on a day."""

from bisect import bisect_right
from collections.abc import Iterable
from datetime import date, datetime
from fnmatch import fnmatchcase
from itertools import groupby
from typing import Self

from dashboard.instances.models import Instance
from dashboard.web.raw_queries import Prepared

from .models import Price
from .periods import day_of

_WILDCARDS = frozenset("*?[")


def is_pattern(flavor: str) -> bool:
    """Whether the flavor of a price is a glob."""
    return bool(_WILDCARDS & set(flavor))


class PriceList:
    """All prices, in memory.

    Of those that match and have begun, an exact flavor comes before a glob, then a
    named cloud before all clouds, then a longer glob before a shorter one. Of one cloud
    and flavor the latest price that has begun counts.
    """

    def __init__(self, prices: Iterable[Price]) -> None:
        def entry(price: Price) -> tuple[str, str]:
            return price.cloud, price.flavor

        self._prices = sorted(
            prices, key=lambda price: (*entry(price), price.valid_from)
        )
        entries = [list(group) for _, group in groupby(self._prices, key=entry)]
        self._entries = sorted(entries, key=lambda entry: _rank(entry[0]))
        self._matching: dict[tuple[str, str], list[list[Price]]] = {}

    @classmethod
    def load(cls) -> Self:
        """Read it; one query."""
        return cls(_all.rows())

    def at(self, cloud_name: str, flavor: str, day: date) -> Price | None:
        """Return the price of a flavor on a day of reports; None if there is none."""
        for entry in self._matches(cloud_name, flavor):
            begun = bisect_right(entry, day, key=lambda price: price.valid_from)
            if begun:
                return entry[begun - 1]
        return None

    def changes(self, since_day: date, until_day: date) -> list[date]:
        """Return the days after the first, up to the last, on which a price begins."""
        days = {price.valid_from for price in self._prices}
        return sorted(day for day in days if since_day < day <= until_day)

    def _matches(self, cloud_name: str, flavor: str) -> list[list[Price]]:
        key = cloud_name, flavor
        if key not in self._matching:
            self._matching[key] = [
                entry
                for entry in self._entries
                if entry[0].cloud in {Price.ANY_CLOUD, cloud_name}
                and (
                    entry[0].flavor == flavor
                    or (
                        is_pattern(entry[0].flavor)
                        and fnmatchcase(flavor, entry[0].flavor)
                    )
                )
            ]
        return self._matching[key]


_all = Prepared(Price.objects.all)


def price_of(instance: Instance, now: datetime) -> Price | None:
    """Return the price of an instance today; a query, and one more for its cloud.

    For many instances, load the list once.
    """
    return PriceList.load().at(instance.cloud.name, instance.flavor, day_of(now))


def _rank(price: Price) -> tuple[bool, bool, int, str]:
    pattern = is_pattern(price.flavor)
    is_any_cloud = price.cloud == Price.ANY_CLOUD
    return pattern, is_any_cloud, -len(price.flavor), price.flavor
