"""What stops save, with the evidence for each."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from dashboard.costs import periods, savings
from dashboard.costs.models import Gap, Price, Run
from dashboard.costs.money import Money
from dashboard.costs.savings import Avoided, Because, Saved, Savings
from dashboard.costs.usage import Reading, Scope
from tests.factories import make_run

pytestmark = pytest.mark.django_db

HOUR = 3_600
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
WEEK = periods.custom(date(2026, 11, 16), date(2026, 11, 22))
EndedBy = Run.EndedBy


@pytest.fixture(autouse=True)
def price(settings: Any) -> Price:
    settings.CURFEW = settings.CURFEW.model_copy(update={"savings_max_hours": 16})
    return Price.objects.create(
        cloud="*",
        flavor="*",
        running=Decimal(3),
        stopped=Decimal("0.5"),
        currency="EUR",
        valid_from=date(2026, 1, 1),
    )


def ended(hours_ago: float, **fields: Any) -> Run:
    started_at = NOW - timedelta(hours=hours_ago + 2)
    return make_run(started_at=started_at, hours=2, **fields)


def found() -> tuple[Savings, list[Avoided]]:
    everything = Scope()
    summed = savings.savings(Reading(WEEK, everything, NOW))
    evidence = savings.evidence(WEEK, everything, NOW)
    # Each hour has its evidence.
    money = sum((item.money for item in evidence), Money())
    assert summed.total.seconds == sum(item.seconds for item in evidence)
    assert summed.total.money == money
    assert summed.total.number == len(evidence)
    return summed, evidence


def one() -> Avoided:
    (item,) = found()[1]
    return item


def test_a_stop_saves_until_the_next_start() -> None:
    run = ended(30)
    ended(23, instance=run.instance, ended_by=EndedBy.PERSON)
    item = one()
    assert (item.seconds, item.because) == (5 * HOUR, Because.NEXT_START)
    assert item.money == Money({"EUR": Decimal("12.5")})
    assert item.until == NOW - timedelta(hours=25)


def test_a_stop_saves_for_a_limited_time() -> None:
    ended(50)
    assert (one().seconds, one().because) == (16 * HOUR, Because.LIMIT)


def test_a_stop_saves_no_time_to_come() -> None:
    ended(3)
    assert (one().seconds, one().because) == (3 * HOUR, Because.NOW)


def test_a_deleted_instance_saves_nothing_more() -> None:
    ended(30, missing_since=NOW - timedelta(hours=29))
    assert (one().seconds, one().because) == (HOUR, Because.MISSING)


def test_the_time_of_a_gap_is_not_saved() -> None:
    run = ended(50)
    cloud, until = run.allocation.cloud, NOW - timedelta(hours=45)
    Gap.objects.create(cloud=cloud, since=until - timedelta(hours=2), until=until)
    assert one().seconds == 14 * HOUR


def test_an_end_in_a_gap_is_only_counted() -> None:
    ended(30, ended_known=Run.Known.BETWEEN)
    summed, (item,) = found()
    assert (item.until, item.because) == (None, Because.UNKNOWN)
    assert summed.by["auto_stop"] == Saved(number=1, unknown=1)


def test_who_ended_it_is_told_apart() -> None:
    kinds = [EndedBy.AUTO_STOP, EndedBy.SCHEDULE, EndedBy.SCHEDULE, EndedBy.CURFEW]
    for kind in [*kinds, EndedBy.PERSON, EndedBy.CLOUD, EndedBy.UNKNOWN]:
        ended(20, ended_by=kind)
    summed, _ = found()
    numbers = {kind: saved.number for kind, saved in summed.by.items()}
    assert numbers == {"auto_stop": 1, "schedule": 2, "policy": 0, "curfew": 1}
    assert summed.by["schedule"].seconds == 32 * HOUR


def test_being_stopped_is_free_unless_it_has_a_price(price: Price) -> None:
    Price.objects.update(stopped=None)
    ended(30)
    summed, (item,) = found()
    assert item.money == Money({"EUR": Decimal(48)})
    assert summed.total.without_stopped_price == 16 * HOUR


def test_without_a_price_hours_are_saved_and_no_money(price: Price) -> None:
    price.delete()
    ended(30)
    assert found()[0].total.money == Money(unpriced_seconds=16 * HOUR)
