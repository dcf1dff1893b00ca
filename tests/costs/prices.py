"""Prices for tests."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

from dashboard.costs.models import Price
from dashboard.costs.price_overview import today

GPU, CPU = "modelarts.vm.gpu.v100", "modelarts.vm.cpu.2u"
DAY = timedelta(days=1)


def make_price(**fields: Any) -> Price:
    """A price for all clouds that began 30 days ago: 4.20 EUR, its disk unknown."""
    values = {"flavor": GPU, "running": Decimal("4.2"), "currency": "EUR"}
    values |= {"valid_from": today() - 30 * DAY}
    return Price.objects.create(**(values | fields))
