"""The commands of costs, with the real application."""

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
import time_machine

from dashboard.accounts.models import User
from dashboard.cli import costs
from dashboard.cli.errors import Code
from dashboard.costs.models import Budget, Gap, Price, Run as RecordedRun
from dashboard.costs.usage import Dimension
from tests.factories import make_cloud, make_run

from .conftest import Run

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _now() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def shell(run: object, operator: User) -> Run:
    return run(operator)


@pytest.fixture
def fleet() -> list[RecordedRun]:
    """Runs of last week, in Europe's currency."""
    Price.objects.create(
        flavor="modelarts.*",
        running=Decimal(2),
        currency="EUR",
        valid_from=date(2026, 1, 1),
    )
    monday = datetime(2026, 11, 9, 8, tzinfo=UTC)
    train = make_run(started_at=monday, hours=6, name="train", tags={"team": "a"})
    again = make_run(
        **{"started_at": monday + timedelta(days=1), "hours": 2, "ended_by": "person"},
        instance=train.instance,
    )
    other = make_run(
        **{"started_at": monday, "hours": 4, "owner_name": "li.wei", "name": "other"},
        ended_by="schedule",
        ended_by_name="Nights",
        flavor="unknown",
    )
    return [train, again, other]


def lines_of(out: str) -> list[str]:
    """The lines, with one space between words."""
    return [" ".join(line.split()) for line in out.splitlines()]


def test_costs_prints_lines_and_their_total(shell: Run, fleet: object) -> None:
    code, out, _ = shell("costs", "--period", "last_week")
    assert code == Code.DONE
    assert lines_of(out) == [
        "2026-11-09 to 2026-11-15 (UTC)",
        "OWNER RUNNING COST NO PRICE SHARE AVERAGE RUN ENDED BY",
        "anna.schmidt 8.0 h 16.00 EUR 0.0 h 100 % 4.0 h auto-stop 1, person 1",
        "li.wei 4.0 h 4.0 h 0 % 4.0 h schedule 1",
        "Total 12.0 h 16.00 EUR 4.0 h 4.0 h auto-stop 1, person 1, schedule 1",
    ]


def test_costs_prints_the_trend_and_unknown_hours(shell: Run, fleet: object) -> None:
    Gap.objects.create(
        cloud=make_cloud(),
        since=datetime(2026, 11, 10, 9, tzinfo=UTC),
        until=datetime(2026, 11, 10, 10, tzinfo=UTC),
    )
    where = ("--since", "2026-11-09", "--until", "2026-11-10", "--tag", "team=a")
    _, out, _ = shell("costs", *where, "--by", "tag", "--tag-key", "team", "--step=day")
    lines = lines_of(out)
    assert lines[1] == "TEAM RUNNING COST UNKNOWN SHARE AVERAGE RUN ENDED BY"
    assert lines[5:] == [
        "DAYS RUNNING COST UNKNOWN",
        "2026-11-09 6.0 h 12.00 EUR 0.0 h",
        "2026-11-10 1.0 h 2.00 EUR 1.0 h",
    ]
    _, out, _ = shell("costs", *where, "--step=week")
    assert "2026-11-09 to 2026-11-10" in out.splitlines()[-1]


def test_costs_prints_the_document(shell: Run, fleet: object) -> None:
    code, out, _ = shell("costs", "--period=last_week", "--by=cloud", "--json")
    document = json.loads(out)
    assert (code, document["by"]) == (Code.DONE, "cloud")
    assert document["total"]["cost"] == {"EUR": "16.00"}
    assert document["total"]["unpriced_hours"] == 4


def test_costs_without_any(shell: Run) -> None:
    code, out, _ = shell("costs", "--period", "last_week")
    assert (code, out.splitlines()[1]) == (Code.DONE, "No instances.")


def test_what_the_api_refuses(shell: Run) -> None:
    code, _, err = shell("costs", "--since", "2026-11-09")
    assert code == Code.REFUSED
    assert err == "Send both since and until.\n"
    with pytest.raises(SystemExit) as ended:
        shell("costs", "--period", "yesterday")
    assert ended.value.code == Code.USAGE


def test_runs_of_an_instance(shell: Run, fleet: list[RecordedRun]) -> None:
    code, out, _ = shell("runs", "train", "--period", "last_week")
    head, second, first = lines_of(out)
    assert code == Code.DONE
    assert head == "NAME OWNER STARTED ENDED ENDED BY RUNNING COST"
    assert second.endswith(" person 2.0 h 4.00 EUR")
    assert first.endswith(" auto-stop 6.0 h 12.00 EUR")
    _, out, _ = shell("runs", "--period=last_week", "--ended-by=schedule", "--json")
    (run,) = json.loads(out)
    assert run["instance_id"] == fleet[2].instance.instance_id
    assert shell("runs", "nobody")[0] == Code.NOT_FOUND


def test_runs_reads_all_pages(shell: Run) -> None:
    instance = make_run(started_at=NOW - timedelta(hours=120), hours=1).instance
    for hours in range(2, 204, 2):
        started_at = NOW - timedelta(hours=120 - hours / 2)
        make_run(started_at=started_at, hours=0.5, instance=instance)
    _, out, _ = shell("runs", "--json")
    assert len(json.loads(out)) == 102


def test_savings_with_its_assumption_and_its_stops(shell: Run, fleet: object) -> None:
    where = ("savings", "--period", "last_week")
    code, out, _ = shell(*where)
    lines = lines_of(out)
    assert code == Code.DONE
    assert lines[1:4] == [
        "ENDED BY STOPS SAVED COST SAVED NO PRICE",
        "auto-stop 1 16.0 h 32.00 EUR 0.0 h",
        "schedule 1 16.0 h 16.0 h",
    ]
    assert lines[6] == "Total 2 32.0 h 32.00 EUR 16.0 h"
    assert lines[-1].endswith("next start of the instance, at most 16 h.")
    _, out, _ = shell(*where, "--stops")
    train = out.splitlines()[-2]
    assert train.startswith("train")
    assert "longest time assumed  16.0 h" in train
    assert "schedule (Nights)" in out.splitlines()[-1]
    document = json.loads(shell(*where, "--json")[1])
    assert document["total"]["stops"] == len(document["items"]) == 2


def test_a_stop_in_a_gap_has_saved_an_unknown_time(shell: Run) -> None:
    make_run(started_at=NOW - timedelta(days=2), hours=1, ended_known="between")
    _, out, _ = shell("savings", "--stops")
    lines = lines_of(out)
    assert lines[1].endswith("COST SAVED UNKNOWN STOPS")
    assert lines[2] == "auto-stop 1 0.0 h 1"
    assert lines[-1].endswith(" unknown stopped while not read")


def test_prices_prints_the_list(shell: Run, fleet: object) -> None:
    code, out, _ = shell("prices")
    (price,) = Price.objects.all()
    head, line = lines_of(out)
    assert code == Code.DONE
    assert head == "ID CLOUD FLAVOR FROM AN HOUR RUNNING AN HOUR STOPPED CURRENCY"
    assert line == f"{price.pk} * modelarts.* 2026-01-01 2.00 unknown EUR"
    assert json.loads(shell("prices", "--json")[1])["items"][0]["stopped"] is None


def test_budgets_prints_what_is_spent(shell: Run, fleet: object) -> None:
    for name, kind, value in (("All", "all", ""), ("Anna", "owner", "anna.schmidt")):
        Budget.objects.create(
            name=name, kind=kind, value=value, amount=Decimal(20), currency="EUR"
        )
    code, out, _ = shell("budgets")
    assert code == Code.DONE
    assert lines_of(out) == [
        "NAME FOR BUDGET SPENT USED FORECAST NO PRICE",
        "All everything 20.00 EUR 16.00 EUR 80 % 24.62 EUR 4.0 h",
        "Anna owner anna.schmidt 20.00 EUR 16.00 EUR 80 % 24.62 EUR 0.0 h",
    ]
    assert len(json.loads(shell("budgets", "--json")[1])["items"]) == 2


def test_the_choices_are_those_of_the_site() -> None:
    assert set(costs.ENDS) == set(RecordedRun.EndedBy.values)
    assert set(costs.DIMENSIONS) == set(Dimension.values)
