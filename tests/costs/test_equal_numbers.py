"""The API, the metrics and budgets say the same as the queries."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
import time_machine
from django.test import Client

from dashboard.accounts.models import User
from dashboard.costs import periods, rollup, savings, usage
from dashboard.costs.models import Budget, Gap, Price, Run
from tests.api.conftest import Programs, program as _program
from tests.factories import make_cloud, make_instance, make_run
from tests.metrics.test_metrics import scrape

pytestmark = pytest.mark.django_db

program = _program

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
ENDS = [end for end in Run.EndedBy.values for _ in range(2)]


@pytest.fixture(autouse=True)
def _now() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def _fleet() -> None:
    """Runs in two clouds, with prices in two currencies and without; and a gap."""
    clouds = [make_cloud(name, read_at=NOW) for name in ("lab", "far")]
    for flavor, currency in (("a", "EUR"), ("b", "CNY")):
        Price.objects.create(
            **{"flavor": flavor, "currency": currency, "running": Decimal("1.234567")},
            **{"stopped": Decimal("0.1"), "valid_from": date(2026, 1, 1)},
        )
    for number, end in enumerate(ENDS):
        first = NOW - timedelta(days=18 - number, hours=number / 7)
        instance = make_instance(
            **{"cloud": clouds[number % 2], "flavor": "abc"[number % 3]},
            **{"status": "STOPPED", "first_seen_at": first},
        )
        for day in range(3):
            started_at = first + timedelta(days=day)
            make_run(instance=instance, started_at=started_at, hours=5.37, ended_by=end)
    make_run(started_at=NOW - timedelta(hours=30), ended_at=None, cloud=clouds[0])
    since = NOW - timedelta(days=9)
    until = since + timedelta(hours=5)
    Gap.objects.create(cloud=clouds[1], since=since, until=until)


@pytest.fixture(params=[False, True], ids=["computed", "stored"])
def _stored(_fleet: None, request: pytest.FixtureRequest) -> None:
    """Once with all days computed from runs, once with stored days."""
    if request.param:
        assert [rollup.roll_up(NOW, seconds=3_600) for _ in range(2)][1] > 20


@pytest.mark.usefixtures("_stored")
def test_all_say_the_same(program: Programs, client: Client, operator: User) -> None:
    month = periods.this_month(NOW)
    report = usage.report(usage.Reading(month, usage.Scope(), NOW), "cloud")
    saved = savings.savings(usage.Reading(month, usage.Scope(), NOW))
    asks, samples = program(operator), scrape(client)
    costs = asks.get("/costs?by=cloud&step=day")

    assert len(report.lines) == len(costs["lines"]) == 2
    for line, told in zip(report.lines, costs["lines"], strict=True):
        assert told["key"] == line.key
        assert told["unknown_hours"] == round(line.usage.unknown / 3_600, 4)
        for kind in ("running", "unpriced", "unknown"):
            name = f'curfew_{kind}_hours_this_month{{cloud="{line.key}"}}'
            assert samples[name] == pytest.approx(told[f"{kind}_hours"], abs=1e-4)
        for currency, amount in told["cost"].items():
            assert Decimal(amount) == round(line.usage.cost.amount(currency), 6)
            name = f'cloud="{line.key}",currency="{currency}"'
            sample = samples[f"curfew_cost_this_month{{{name}}}"]
            assert sample == pytest.approx(float(amount), abs=1e-6)
    assert costs["total"]["unknown_hours"] > 0
    assert costs["total"]["unpriced_hours"] > 0

    # The runs add up to the hours of the report, and what they cost to its running.
    pages = [asks.get(f"/runs?per_page=25&page={page}") for page in (1, 2)]
    runs = [run for page in pages for run in page["items"]]
    for name in ("running_hours", "unpriced_hours"):
        total = sum(run[name] for run in runs)
        assert total == pytest.approx(costs["total"][name], abs=0.01)
    for currency, amount in costs["total"]["cost"].items():
        stopped = Decimal(costs["total"]["stopped_cost"].get(currency, "0"))
        of_runs = sum(Decimal(run["cost"].get(currency, "0")) for run in runs)
        assert of_runs == pytest.approx(Decimal(amount) - stopped, abs=Decimal("0.001"))

    told = asks.get("/savings?per_page=100")
    for kind, part in saved.by.items():
        assert told["by"][kind]["stops"] == part.number == 6
        name = f'curfew_saved_hours_this_month{{ended_by="{kind}"}}'
        assert samples[name] == pytest.approx(told["by"][kind]["hours"], abs=1e-4)
        items = [item for item in told["items"] if item["ended_by"] == kind]
        hours = sum(item["hours"] for item in items)
        assert hours == pytest.approx(part.hours, abs=1e-3)

    Budget.objects.create(name="All", kind="all", amount=100, currency="EUR")
    (budget,) = asks.get("/budgets")["items"]
    assert Decimal(budget["spent"]) == round(report.total.cost.amount("EUR"), 2)
