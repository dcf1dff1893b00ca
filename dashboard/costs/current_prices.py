"""The prices of today, for the pages of other apps."""

from collections.abc import Collection
from datetime import date

from django.utils import timezone

from dashboard.web.process_cache import ProcessCache

from .models import Price
from .periods import report_zone
from .price_list import PriceList

# So polls that show prices rarely query them. A new price shows this much later.
_prices = ProcessCache(max_size=2, seconds=60)


class CurrentPrices:
    """The prices of one day.

    Attributes:
        signature: Changes with them; the same in all processes.
        list: The prices of all days.
    """

    def __init__(self, prices: Collection[Price], day: date) -> None:
        begun = [price for price in prices if price.valid_from <= day]
        self.signature = sorted((price.pk, str(price.running)) for price in begun)
        self.list, self._day = PriceList(prices), day
        self._found: dict[tuple[str, str], Price | None] = {}

    def of(self, cloud: str, flavor: str) -> Price | None:
        """Return the price of a flavor in a cloud; None if it is unknown."""
        key = (cloud, flavor)
        if key not in self._found:
            self._found[key] = self.list.at(cloud, flavor, self._day)
        return self._found[key]


def current_prices() -> CurrentPrices:
    """Return the prices of today, a minute old at most."""
    day = timezone.localdate(timezone=report_zone())
    return _prices.get_or_compute(day, lambda: CurrentPrices(Price.objects.all(), day))


def forget() -> None:
    """Let this process read the prices again; others do so within a minute."""
    _prices.clear()
