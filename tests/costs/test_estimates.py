"""What runs cost at the prices of today."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from dashboard.costs import estimates
from dashboard.costs.estimates import EstimateSum
from dashboard.instances.models import Instance
from tests.factories import make_instance, make_notebook, make_price

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)


def running(hours: float | None = 2, **fields: object) -> Instance:
    ends_at = None if hours is None else NOW + timedelta(hours=hours)
    return make_instance(**({"stops_in": None, "stops_at": ends_at} | fields))


def test_a_run_with_an_end_costs_its_remaining_hours() -> None:
    make_price("2.10")
    cost = estimates.run_ahead(running(2), NOW)
    assert cost
    assert (cost.amount, cost.price.currency) == (Decimal("4.20"), "EUR")
    assert cost.a_day == Decimal("50.40")


@pytest.mark.parametrize(
    "instance",
    [
        {"hours": None},
        {"hours": -1},
        {"status": "STOPPED"},
        {"missing_since": NOW},
    ],
)
def test_without_a_known_end_ahead_there_is_only_a_price_an_hour(
    instance: dict[str, object],
) -> None:
    make_price("2.10")
    cost = estimates.run_ahead(running(**instance), NOW)  # type: ignore[arg-type]
    assert cost
    assert cost.amount is None


def test_no_price_is_no_number() -> None:
    make_price(flavor="cpu")
    instance = running()
    assert estimates.run_ahead(instance, NOW) is None
    assert estimates.saved_by_stop(instance, NOW) is None
    assert estimates.new_run(instance, 3_600) is None


def test_a_stop_saves_what_running_costs_more_than_being_stopped() -> None:
    make_price("2.10", stopped=Decimal("0.10"))
    make_price("2.10", flavor="cheap", stopped=Decimal(5))
    saved = estimates.saved_by_stop(running(3), NOW)
    assert saved
    assert saved.amount == 6
    saved = estimates.saved_by_stop(running(3, flavor="cheap"), NOW)
    assert saved
    assert saved.amount == 0


def test_a_run_so_far_costs_each_day_its_own_price() -> None:
    make_price("1.00")
    make_price("2.00", valid_from=date(2026, 11, 30))
    began = NOW - timedelta(hours=18)  # six hours of the day before
    instance = running(run_started_at=began)
    assert estimates.run_so_far(instance, NOW).amounts == {"EUR": 6 + 24}
    unpriced = estimates.run_so_far(running(run_started_at=began, flavor="x"), NOW)
    assert (unpriced.amounts, unpriced.unpriced_seconds) == ({}, 18 * 3_600)
    assert not estimates.run_so_far(running(run_started_at=None), NOW)
    assert not estimates.run_so_far(running(status="STOPPED"), NOW)


def test_a_sum_keeps_currencies_open_runs_and_missing_prices_apart() -> None:
    make_price("2.00")
    make_price("7.00", flavor="cpu", currency="CNY")
    gpu, cpu = running(2), make_notebook(flavor="cpu", stops_in=None)
    total = EstimateSum()
    for estimate in (
        estimates.run_ahead(gpu, NOW),
        estimates.new_run(cpu, 3_600),
        estimates.new_run(gpu, None),
        estimates.new_run(gpu, None),
        estimates.new_run(running(flavor="x"), 3_600),
    ):
        total.add(estimate)
    assert total.money.amounts == {"CNY": 7, "EUR": 4}
    assert total.hourly == [("EUR", 4, 2)]
    assert total.unpriced == 1
