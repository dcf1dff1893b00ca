"""Steps that the tests of costs, prices and budgets share."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from dashboard.costs.models import Price

from .conftest import Program
from .test_document import conforms

ProblemCheck = Any

DAYS = "since=2026-11-09&until=2026-11-15"
GPU = "modelarts.vm.gpu.v100"


def at(day: int, hour: float = 0) -> datetime:
    """A moment in November."""
    return datetime(2026, 11, day, tzinfo=UTC) + timedelta(hours=hour)


def price(running: str = "2", **fields: Any) -> Price:
    values: dict[str, Any] = {
        **{"cloud": "*", "flavor": "modelarts.*", "currency": "EUR"},
        **{"stopped": Decimal("0.5"), "valid_from": date(2026, 1, 1)},
    }
    return Price.objects.create(running=Decimal(running), **values | fields)


def get(asks: Program, path: str, query: str = DAYS) -> Any:
    """Return the answer, which conforms to the document."""
    response = asks("get", f"{path}?{query}")
    assert response.status_code == 200, response.content
    conforms(response.json(), path, "get", response)
    return response.json()
