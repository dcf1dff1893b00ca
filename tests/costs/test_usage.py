"""Hours and costs of runs, gaps and instances that are written down here."""

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from dashboard.accounts.models import User
from dashboard.costs import allocations, live, periods, usage
from dashboard.costs.models import Gap, Price, Run
from dashboard.costs.money import Money
from dashboard.costs.price_list import PriceList
from dashboard.costs.usage import Dimension, Scope, Usage
from dashboard.instances.models import Cloud, Instance
from tests.factories import make_cloud, make_instance, make_run

pytestmark = pytest.mark.django_db

GPU = "modelarts.vm.gpu.v100"
HOUR = 3_600
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
WEEK = periods.custom(date(2026, 11, 9), date(2026, 11, 15))
EVERYTHING = Scope()


def at(day: int, hour: float = 0) -> datetime:
    """A moment in November."""
    return datetime(2026, 11, day, tzinfo=UTC) + timedelta(hours=hour)


def price(running: str = "2", stopped: str | None = "0.5", **fields: Any) -> Price:
    values: dict[str, Any] = {
        "cloud": "*",
        "flavor": "modelarts.*",
        "currency": "EUR",
        "valid_from": date(2026, 1, 1),
    }
    return Price.objects.create(
        running=Decimal(running),
        stopped=None if stopped is None else Decimal(stopped),
        **values | fields,
    )


def total(scope: Scope = EVERYTHING, **days: date) -> Usage:
    period = periods.custom(**days) if days else WEEK
    return usage.report(usage.Reading(period, scope, NOW), Dimension.OWNER).total


def euros(amount: str) -> Money:
    return Money({"EUR": Decimal(amount)})


def test_a_run_costs_its_hours_and_the_disk_until_the_next() -> None:
    price()
    first = make_run(started_at=at(10, 8), hours=2)
    make_run(started_at=at(10, 20), hours=1, instance=first.instance)
    found = total()
    # From 10 to 20 on Tuesday, and from 21 to the end of Sunday.
    assert (found.running, found.stopped) == (3 * HOUR, 133 * HOUR)
    assert found.running_cost == euros("6")
    assert found.cost == euros("6") + euros("66.5")
    assert found.ended == {"auto_stop": 2}
    assert found.average_run == 1.5 * HOUR


def test_only_the_part_in_the_period_counts() -> None:
    price()
    make_run(started_at=at(8, 20), hours=8)
    make_run(started_at=at(15, 20), hours=8)
    found = total()
    assert found.running == 8 * HOUR
    assert found.running_cost == euros("16")
    # The other one ended after the period.
    assert (found.ended, found.ended_seconds) == ({"auto_stop": 1}, 8 * HOUR)


def test_an_open_run_counts_until_now() -> None:
    make_run(started_at=NOW - timedelta(hours=3), ended_at=None)
    today = NOW.date()
    assert total(first=today, last=today).running == 3 * HOUR
    assert total(first=today, last=today + 5 * periods.DAY).running == 3 * HOUR
    assert total(first=today + periods.DAY, last=today + periods.DAY) == Usage()


def test_a_gap_is_unknown_for_running_and_stopped_instances() -> None:
    price()
    run = make_run(started_at=at(10, 8), hours=8)
    make_run(started_at=at(9), hours=1)
    cloud = run.allocation.cloud
    # They overlap, and count once.
    for since, until in ((10, 12), (11, 13)):
        Gap.objects.create(cloud=cloud, since=at(10, since), until=at(10, until))
    day = {"first": date(2026, 11, 10), "last": date(2026, 11, 10)}
    found = total(**day)
    assert found.running == 5 * HOUR
    assert found.unknown == 2 * 3 * HOUR
    assert found.stopped == (8 + 24 - 3) * HOUR
    assert found.running_cost == euros("10")
    period = periods.custom(**day)
    gaps = usage.report(usage.Reading(period, EVERYTHING, NOW), "owner").gaps
    assert [gap.until for gap in gaps] == [at(10, 13), at(10, 12)]


def test_a_cloud_that_is_not_read_has_a_gap_until_now() -> None:
    make_run(started_at=at(19), ended_at=None)
    Cloud.objects.update(read_at=NOW - timedelta(hours=4))
    found = total(first=NOW.date(), last=NOW.date())
    assert (found.running, found.unknown) == (8 * HOUR, 4 * HOUR)
    Cloud.objects.update(read_at=NOW - timedelta(minutes=5))
    assert total(first=NOW.date(), last=NOW.date()).running == 12 * HOUR


def test_time_without_a_price_is_summed_up_as_such() -> None:
    price(flavor="modelarts.other")
    make_run(started_at=at(10, 8), hours=2)
    found = total()
    assert not found.cost
    assert found.unpriced == 2 * HOUR
    assert found.unpriced_stopped == found.stopped > 0


def test_a_price_may_leave_out_what_being_stopped_costs() -> None:
    price(stopped=None)
    make_run(started_at=at(10, 8), hours=2)
    found = total()
    assert found.cost == Money({"EUR": Decimal(4)}, found.stopped)
    assert (found.unpriced, found.unpriced_stopped) == (0, found.stopped)


def test_each_day_has_its_own_price() -> None:
    price("1")
    price("3", valid_from=date(2026, 11, 11))
    make_run(started_at=at(10, 22), hours=4)
    assert total().running_cost == euros("8")
    Price.objects.filter(running=3).update(valid_from=date(2026, 11, 12))
    assert total().running_cost == euros("4")


def test_currencies_are_not_added() -> None:
    price()
    price("7", flavor="modelarts.cn.large", currency="CNY")
    make_run(started_at=at(10, 8), hours=2)
    make_run(started_at=at(10, 8), hours=1, flavor="modelarts.cn.large")
    assert total().running_cost.amounts == {"CNY": 7, "EUR": 4}
    report = usage.report(usage.Reading(WEEK, EVERYTHING, NOW), Dimension.FLAVOR)
    # Parts of the hours, then.
    assert [round(line.share, 3) for line in report.lines] == [0.333, 0.667]


def test_an_instance_counts_as_stopped_while_it_exists() -> None:
    make_instance(
        status="STOPPED", first_seen_at=at(10), missing_since=at(11, 6), owner_name="li"
    )
    make_instance(status="STOPPED", first_seen_at=at(14, 12))
    later = make_instance(first_seen_at=at(15), owner_name="ada")
    make_run(started_at=at(15, 20), hours=4, instance=later)
    report = usage.report(usage.Reading(WEEK, EVERYTHING, NOW), Dimension.OWNER)
    hours = {line.key: line.usage.stopped / HOUR for line in report.lines}
    assert hours == {"li": 30, "anna.schmidt": 36, "ada": 20}


def test_a_run_ends_with_its_missing_instance() -> None:
    make_run(started_at=at(10, 8), hours=2, end_status="", missing_since=at(10, 10))
    assert total().stopped == 0


@pytest.mark.parametrize(
    ("scope", "runs"),
    [
        (Scope(), 3),
        (Scope(owners=frozenset({"li", "b" * 32})), 2),
        (Scope(owners=frozenset({"li"}), owner="ada"), 0),
        (Scope(owners=frozenset()), 0),
        (Scope(cloud="other"), 1),
        (Scope(workspace="7"), 1),
        (Scope(flavor=GPU), 2),
        (Scope(tag="team=vision"), 1),
        (Scope(tag="team", cloud="other"), 0),
    ],
)
def test_a_scope_leaves_out_the_others(scope: Scope, runs: int) -> None:
    started = {"started_at": at(10, 8), "hours": 1}
    make_run(**started, owner_name="li", workspace_id="7")
    make_run(**started, owner_id="b" * 32, owner_name="ada", tags={"team": "vision"})
    make_run(**started, cloud=make_cloud("other"), flavor="cpu")
    make_instance(status="STOPPED", first_seen_at=at(9), owner_name="nobody")
    found = total(scope)
    assert found.running == runs * HOUR
    assert usage.runs(WEEK, scope, NOW).count() == runs


def test_scientists_see_their_own(scientist: User, viewer: User) -> None:
    make_run(started_at=at(10, 8))
    make_run(started_at=at(10, 8), owner_name="li", owner_id="c" * 32)
    assert total(usage.scope_for(scientist)).running == 2 * HOUR
    assert total(usage.scope_for(viewer)).running == 4 * HOUR


@pytest.mark.parametrize("by", Dimension)
def test_the_parts_add_up(by: Dimension) -> None:
    price("1.333333", flavor="modelarts.*")
    price("0.777777", flavor="modelarts.cpu.*", currency="USD")
    for number, tags in enumerate([{}, {"team": "vision"}, {"team": "speech"}] * 2):
        make_run(
            started_at=at(9 + number, 7.123 * number),
            hours=number + 0.37,
            owner_name=["ada", "li", ""][number % 3],
            owner_id="",
            flavor=["modelarts.cpu.x", GPU, "unpriced", ""][number % 4],
            workspace_id=str(number % 2),
            cloud=make_cloud(["a", "b"][number % 2]),
            tags=tags,
        )
    report = usage.report(usage.Reading(WEEK, EVERYTHING, NOW), by, tag_key="team")
    assert len(report.lines) > 1
    assert sum((line.usage for line in report.lines), Usage()) == report.total
    for step in ("day", "week"):
        buckets = usage.trend(usage.Reading(WEEK, EVERYTHING, NOW), step)
        assert len(buckets) == {"day": 7, "week": 1}[step]
        assert sum((bucket.usage for bucket in buckets), Usage()) == report.total


def test_sums_by_price_are_those_of_all_columns() -> None:
    """Also of instances that have not run: alike or not, before and after others."""
    for number in range(6):
        fields = {
            "flavor": f"modelarts.{number % 2}",
            "first_seen_at": at(10 + number % 3),
            "tags": {"number": str(number)},
        }
        instance = make_instance(status="STOPPED", **fields)
        if number % 3 == 0:
            make_run(started_at=at(11, number), hours=30, instance=instance)
        elif number == 4:
            missing = {"missing_since": at(13, 7)}
            Instance.objects.filter(pk=instance.pk).update(**missing)
    clouds = Cloud.objects.in_bulk()
    period = (WEEK.first_day, WEEK.last_day, EVERYTHING, NOW, 16)
    by_price: Counter[tuple[Any, ...]] = Counter()
    for columns in (allocations.COLUMNS[1:], ()):
        sign = 1 if columns else -1
        for day, group, sums in live.sums(clouds, *period, columns=columns):
            for column, value in enumerate(sums):
                by_price[day, *group[:2], column] += sign * value
    assert len(by_price) > 50
    assert {*by_price.values()} == {0}


def test_a_trend_cuts_weeks_at_the_ends_of_the_period() -> None:
    period = periods.custom(date(2026, 11, 5), date(2026, 11, 30))
    buckets = usage.trend(usage.Reading(period, EVERYTHING, NOW), "week")
    assert [(bucket.first_day.day, bucket.last_day.day) for bucket in buckets] == [
        (5, 8),
        (9, 15),
        (16, 20),
    ]


def test_values_of_a_tag_are_told_apart() -> None:
    make_run(started_at=at(10, 8), tags={"team": "vision"})
    make_run(started_at=at(10, 8), tags={"other": "vision"}, hours=1)
    report = usage.report(
        usage.Reading(WEEK, EVERYTHING, NOW), Dimension.TAG, tag_key="team"
    )
    assert [(line.key, line.label) for line in report.lines] == [
        ("team=vision", "vision"),
        ("", "No tag"),
    ]


def test_days_are_those_of_the_time_zone_of_reports(
    settings: Any,
) -> None:
    settings.CURFEW = settings.CURFEW.model_copy(
        update={"report_time_zone": "Europe/Berlin"}
    )
    now = datetime(2026, 11, 1, tzinfo=UTC)
    since = datetime(2026, 3, 1, tzinfo=UTC)
    make_run(started_at=since, ended_at=None)
    for day, hours in ((date(2026, 3, 29), 23), (date(2026, 10, 25), 25)):
        period = periods.custom(day, day)
        report = usage.report(usage.Reading(period, EVERYTHING, now), Dimension.OWNER)
        assert report.total.running == hours * HOUR
        (bucket,) = usage.trend(usage.Reading(period, EVERYTHING, now))
        assert (bucket.first_day, bucket.usage) == (day, report.total)


def test_the_cost_of_one_run_is_that_of_its_report() -> None:
    price("1")
    price("3", valid_from=date(2026, 11, 11))
    run = make_run(started_at=at(10, 22), hours=5)
    cloud = run.allocation.cloud
    Gap.objects.create(cloud=cloud, since=at(11, 1), until=at(11, 2))
    price_list = PriceList.load()
    cost = usage.run_cost(run, price_list, NOW)
    assert (cost.seconds, cost.unknown_seconds) == (4 * HOUR, HOUR)
    assert cost.cost == total().running_cost == euros("8")
    day = periods.custom(date(2026, 11, 11), date(2026, 11, 11))
    gaps = usage.gaps_of([run], NOW)
    part = usage.run_cost(run, price_list, NOW, day, gaps)
    assert (part.seconds, part.cost) == (2 * HOUR, euros("6"))


def test_what_ran_longest_without_auto_stop() -> None:
    short = make_run(started_at=at(10, 8), hours=2, has_end=False)
    longest = make_run(started_at=at(12, 8), ended_at=None, has_end=False)
    make_run(started_at=at(9, 8), hours=90)
    make_run(started_at=at(1, 8), hours=90, has_end=False)

    def found(limit: int) -> Iterable[Run]:
        return usage.longest_without_auto_stop(WEEK, EVERYTHING, NOW, limit)

    assert list(found(10)) == [longest, short]
    assert list(found(1)) == [longest]
