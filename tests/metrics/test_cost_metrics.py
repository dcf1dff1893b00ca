"""Costs in /metrics are those of reports."""

import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.test import Client

from dashboard.costs.models import Gap, Price
from dashboard.metrics import cost_metrics
from dashboard.metrics.cost_metrics import SECONDS
from dashboard.web.process_cache import ProcessCache
from tests.factories import make_cloud, make_run

from .test_metrics import scrape

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("_empty_cache")]

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(NOW, tick=False) as traveller:
        yield traveller


def costs(client: Client) -> dict[str, float]:
    """Return the samples of costs."""
    kinds = ("running", "unpriced", "unknown", "cost", "saved")
    names = tuple(f"curfew_{kind}_" for kind in kinds)
    return {
        name.removeprefix("curfew_"): value
        for name, value in scrape(client).items()
        if name.startswith(names)
    }


def price(**fields: Any) -> None:
    values = {"flavor": "modelarts.*", "currency": "EUR", "stopped": 0}
    values |= {"running": Decimal(2), "valid_from": date(2026, 1, 1)}
    Price.objects.create(**values | fields)


def test_nothing_is_known_of_nothing(client: Client) -> None:
    zero = dict.fromkeys(("auto_stop", "schedule", "policy", "curfew"), 0.0)
    saved = {f'saved_hours_this_month{{ended_by="{k}"}}': v for k, v in zero.items()}
    assert costs(client) == saved


def test_today_and_this_month_by_cloud_and_currency(client: Client) -> None:
    price()
    price(cloud="far", currency="CNY")
    lab, far = make_cloud("lab"), make_cloud("far")
    make_run(started_at=NOW - timedelta(hours=4), hours=3, cloud=lab)
    make_run(started_at=NOW - timedelta(days=9), hours=5, cloud=lab, ended_by="person")
    make_run(started_at=NOW - timedelta(days=31), hours=5, cloud=lab)
    make_run(started_at=NOW - timedelta(hours=13), ended_at=None, cloud=far)
    make_run(started_at=NOW - timedelta(hours=2), hours=1, cloud=far, flavor="other")
    Gap.objects.create(
        cloud=far, since=NOW - timedelta(hours=10), until=NOW - timedelta(hours=8)
    )
    found = costs(client)
    assert {name: value for name, value in found.items() if value} == {
        'running_hours_today{cloud="lab"}': 3,
        'running_hours_today{cloud="far"}': 11,
        'running_hours_this_month{cloud="lab"}': 8,
        'running_hours_this_month{cloud="far"}': 12,
        'unpriced_hours_today{cloud="far"}': 1,
        'unpriced_hours_this_month{cloud="far"}': 1,
        'unknown_hours_today{cloud="far"}': 2,
        'unknown_hours_this_month{cloud="far"}': 2,
        'cost_today{cloud="lab",currency="EUR"}': 6,
        'cost_today{cloud="far",currency="CNY"}': 20,
        'cost_this_month{cloud="lab",currency="EUR"}': 16,
        'cost_this_month{cloud="far",currency="CNY"}': 22,
        # One hour each, until now.
        'saved_hours_this_month{ended_by="auto_stop"}': 2,
        'saved_cost_this_month{currency="EUR",ended_by="auto_stop"}': 2,
    }


def test_what_has_no_price_costs_nothing_known(client: Client) -> None:
    make_run(started_at=NOW - timedelta(hours=4), hours=3)
    found = costs(client)
    assert found['unpriced_hours_today{cloud="demo"}'] == 3
    assert not [name for name in found if name.startswith(("cost_", "saved_cost"))]


def test_numbers_are_kept_for_a_minute(
    client: Client,
    clock: time_machine.Traveller,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cache = ProcessCache(max_size=1, seconds=SECONDS, timer=time.time)
    monkeypatch.setattr(cost_metrics, "_numbers", cache)
    make_run(started_at=NOW - timedelta(hours=4), ended_at=None)
    name = 'running_hours_today{cloud="demo"}'
    assert costs(client)[name] == 4
    clock.shift(SECONDS - 1)
    assert costs(client)[name] == 4
    clock.shift(2)
    assert costs(client)[name] == pytest.approx(4 + (SECONDS + 1) / 3_600)
