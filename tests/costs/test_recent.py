"""What some instances have run, cost and saved since a moment."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from dashboard.costs import savings, usage
from dashboard.costs.models import Gap, Run
from dashboard.costs.periods import custom
from dashboard.costs.recent import ran_since, saved_since
from dashboard.costs.scopes import Scope
from dashboard.instances.models import Instance
from tests.factories import make_cloud, make_price, make_run

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 30, 20, tzinfo=UTC)
SINCE = NOW - timedelta(hours=8)


def ago(hours: float) -> datetime:
    return NOW - timedelta(hours=hours)


def test_only_the_part_of_a_run_since_then_counts() -> None:
    cloud = make_cloud(read_at=NOW)
    make_price("2.00")
    make_run(cloud=cloud, started_at=ago(10), hours=4)  # two of them in the shift
    open_run = make_run(cloud=cloud, started_at=ago(3), ended_at=None)
    make_run(cloud=cloud, started_at=ago(20), hours=2)  # before
    make_run(cloud=cloud, flavor="new", started_at=ago(1), hours=1)
    ran = ran_since(SINCE, NOW)
    assert (ran.instances, ran.seconds) == (3, 6 * 3_600)
    assert ran.cost.amounts == {"EUR": 10}
    assert ran.cost.unpriced_seconds == 3_600
    own = Instance.objects.filter(pk=open_run.instance_id)
    assert ran_since(SINCE, NOW, own).cost.amounts == {"EUR": 6}


def test_a_day_is_what_the_report_of_the_day_says() -> None:
    make_price("2.00")
    cloud = make_cloud(read_at=NOW)
    day = custom(date(2026, 11, 30), date(2026, 11, 30))
    make_run(cloud=cloud, started_at=ago(30), hours=15)
    make_run(cloud=cloud, started_at=ago(9), ended_by=Run.EndedBy.SCHEDULE)
    make_run(cloud=cloud, started_at=ago(2), ended_at=None)
    ran, saved = ran_since(day.since, NOW), saved_since(day.since, NOW)
    report = usage.report(usage.Reading(day, Scope(), NOW), "cloud")
    assert ran.seconds == report.total.running
    assert ran.cost == report.total.running_cost
    total = savings.savings(usage.Reading(day, Scope(), NOW)).total
    assert saved.seconds == total.seconds > 0
    assert (saved.money, saved.number) == (total.money, total.number)


def test_stops_between_two_looks_are_only_counted() -> None:
    cloud = make_cloud(read_at=NOW)
    make_run(cloud=cloud, started_at=ago(6), ended_known=Run.Known.BETWEEN)
    make_run(cloud=cloud, started_at=ago(5), ended_by=Run.EndedBy.PERSON)
    saved = saved_since(SINCE, NOW)
    assert (saved.number, saved.unknown, saved.seconds) == (1, 1, 0)


def test_queries_do_not_grow(django_assert_num_queries: Any) -> None:
    cloud = make_cloud(read_at=NOW)
    for number in range(12):
        make_run(cloud=cloud, started_at=ago(5), flavor=f"f{number}")
    with django_assert_num_queries(5):
        assert ran_since(SINCE, NOW).instances == 12
    with django_assert_num_queries(3):
        assert saved_since(SINCE, NOW).number == 12


def test_time_in_gaps_is_unknown() -> None:
    cloud = make_cloud(read_at=NOW)
    Gap.objects.create(cloud=cloud, since=ago(3), until=ago(2))
    make_run(cloud=cloud, started_at=ago(4), ended_at=None)
    ran = ran_since(SINCE, NOW)
    assert (ran.seconds, ran.unknown_seconds) == (3 * 3_600, 3_600)
