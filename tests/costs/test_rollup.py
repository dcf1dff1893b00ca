"""Stored sums of days are those that are computed from the runs."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, Phase, given, settings, strategies as st

from dashboard.costs import (
    allocations,
    periods,
    recorder,
    rollup,
    savings,
    tasks,
    usage,
)
from dashboard.costs.models import Gap, Price, RollUp, Run, UsageDay, UsageWeek
from dashboard.costs.savings import Saved
from dashboard.costs.usage import Dimension, Scope, Usage
from dashboard.instances.models import Cloud, Instance
from tests.factories import make_cloud, make_instance, make_run

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)
NOW = datetime(2026, 11, 12, 11, 7, 13, 250_000, tzinfo=UTC)
SINCE = NOW - timedelta(days=20)
"""Before the clocks are set back in Berlin."""

NARROW = Scope(owner="ada", cloud="demo", tag="team=vision")


@pytest.fixture(autouse=True)
def _berlin(settings: Any) -> None:
    settings.CURFEW = settings.CURFEW.model_copy(
        update={"report_time_zone": "Europe/Berlin", "savings_max_hours": 16}
    )


def numbers(now: datetime = NOW) -> list[Any]:
    """What reports of a month and of a week say."""
    found: list[Any] = []
    today = periods.day_of(now)
    for ago in (24, 6):
        period = periods.custom(today - ago * periods.DAY, today)
        reading = usage.Reading(period, Scope(), now)
        report = usage.report(reading, Dimension.TAG, tag_key="team")
        assert sum((line.usage for line in report.lines), Usage()) == report.total
        for step in ("day", "week"):
            buckets = usage.trend(reading, step)
            assert sum((each.usage for each in buckets), Usage()) == report.total
            found += buckets
        summed = savings.savings(reading)
        assert sum(summed.by.values(), Saved()) == summed.total
        found += [report.total, report.lines, summed]
        narrow = usage.report(usage.Reading(period, NARROW, now), Dimension.FLAVOR)
        found.append(narrow.lines)
    return found


def live_numbers(now: datetime = NOW) -> list[Any]:
    with transaction.atomic():
        RollUp.objects.all().delete()
        found = numbers(now)
        transaction.set_rollback(True)
    return found


def store(now: datetime = NOW) -> int:
    """Store all days that can be, however slow: the first call only begins."""
    return rollup.roll_up(now, seconds=3_600) or rollup.roll_up(now, seconds=3_600)


# Each example is a history, which is drawn faster from a seed, but cannot be shrunk.
@settings(
    max_examples=3,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(seed=st.integers(0, 2**32))
def test_what_is_stored_is_what_would_be_computed(seed: int) -> None:
    random = Random(seed)  # noqa: S311 (no secret)
    with transaction.atomic():
        _history(random)
        computed = numbers()
        assert store() > 15
        assert UsageWeek.objects.exists()
        assert numbers() == computed
        _happen_late(random)
        computed = live_numbers()
        assert numbers() == computed
        assert store() > 0
        assert numbers() == computed
        later = NOW + timedelta(days=3)
        Cloud.objects.update(read_at=later)
        computed = live_numbers(later)
        assert numbers(later) == computed
        store(later)
        assert numbers(later) == computed
        transaction.set_rollback(True)


def _moment(random: Random, since: datetime = SINCE, until: datetime = NOW) -> datetime:
    return since + random.random() * (until - since)


def _history(random: Random) -> None:
    clouds = [make_cloud(name, read_at=NOW) for name in ("demo", "other")]
    Cloud.objects.filter(name="other").update(
        read_at=NOW - random.choice((3, 90)) * HOUR
    )
    for cloud in clouds:
        for _ in range(random.randrange(4)):
            since = _moment(random)
            until = since + random.expovariate(1 / 9) * HOUR
            Gap.objects.create(cloud=cloud, since=since, until=min(until, NOW))
    for flavor in ("gpu.*", "gpu.big", "cpu"):
        for _ in range(random.randrange(3)):
            Price.objects.get_or_create(
                cloud=random.choice(("*", "demo")),
                flavor=flavor,
                valid_from=_moment(random, SINCE - timedelta(days=5)).date(),
                defaults={
                    "running": Decimal(random.randrange(10**7)).scaleb(-6),
                    "stopped": random.choice((None, Decimal("0.123457"))),
                    "currency": random.choice(("EUR", "EUR", "CNY")),
                },
            )
    for number in range(9):
        instance = make_instance(
            cloud=random.choice(clouds) if number else clouds[0],
            # One from the start, so that there is always something to store.
            first_seen_at=_moment(random) if number else SINCE,
            **_properties(random),
        )
        _runs(random, instance)


def _properties(random: Random) -> dict[str, Any]:
    return {
        "owner_name": random.choice(("ada", "li", "")),
        "owner_id": "",
        "flavor": random.choice(("gpu.small", "gpu.big", "cpu", "tpu")),
        "workspace_id": random.choice(("0", "1")),
        "tags": random.choice(({}, {"team": "vision"}, {"team": "speech"})),
    }


def _runs(random: Random, instance: Instance) -> None:
    at = max(instance.first_seen_at - random.choice((0, 0, 5)) * HOUR, SINCE)
    while random.random() < 0.93:
        at += random.choice((0, 1, 1, 1)) * random.expovariate(1 / 12) * HOUR
        ended_at = at + random.expovariate(1 / 14) * HOUR
        if at >= NOW:
            return
        if random.random() < 0.2:
            # What it is from now on.
            Instance.objects.filter(pk=instance.pk).update(**_properties(random))
            instance.refresh_from_db()
        make_run(
            instance=instance,
            started_at=at,
            ended_at=ended_at if ended_at < NOW else None,
            ended_known=random.choice(("observed", "observed", "between")),
            ended_by=random.choice(Run.EndedBy.values),
        )
        at = ended_at
    if at < NOW and random.random() < 0.4:
        missing_since = _moment(random, max(at, instance.first_seen_at))
        Instance.objects.filter(pk=instance.pk).update(missing_since=missing_since)
        if missing_since == at or random.random() < 0.3:
            last = instance.runs.filter(next_started_at=None)
            last.update(end_status="", ended_at=missing_since)


def _happen_late(random: Random) -> None:
    """Let something become known of days that are stored."""
    cloud = Cloud.objects.get(name="demo")
    since = _moment(random)
    recorder.record_gap(cloud, since, since + 5 * HOUR)
    started_at = _moment(random, SINCE + timedelta(days=9))
    run = make_run(cloud=cloud, started_at=started_at, hours=1)
    run.instance.status = "RUNNING"
    recorder.invalidate(cloud, run.started_at)


def days() -> Iterator[tuple[date, int]]:
    yield from UsageDay.objects.order_by("day").values_list("day", "running")


def test_a_day_is_stored_once_its_stops_save_nothing_more() -> None:
    make_run(started_at=NOW - timedelta(days=3), ended_at=None)
    Cloud.objects.update(read_at=NOW)
    # The day before yesterday is over since 36 hours, yesterday since 12.
    assert store() == 2
    assert [day.day for day, _ in days()] == [9, 10]
    assert store() == 0
    later = NOW + 4 * HOUR
    assert rollup.roll_up(later) == 0
    Cloud.objects.update(read_at=later)
    assert rollup.roll_up(later) == 1
    tasks.roll_up()
    assert UsageDay.objects.count() == 3


def test_a_first_call_only_begins() -> None:
    make_run(started_at=NOW - timedelta(days=30))
    Cloud.objects.update(read_at=NOW)
    assert rollup.roll_up(NOW) == 0
    assert rollup.roll_up(NOW, seconds=0) == 0
    assert RollUp.objects.get().done_until == date(2026, 10, 13)


def test_nothing_is_stored_of_a_cloud_that_was_not_read_since() -> None:
    make_run(started_at=NOW - timedelta(days=9), ended_at=None)
    Cloud.objects.update(read_at=NOW - timedelta(days=5))
    store()
    assert max(day.day for day, _ in days()) == 5


def test_an_instance_that_never_ran_is_stored_too() -> None:
    make_instance(status="STOPPED", first_seen_at=NOW - timedelta(days=5))
    Cloud.objects.update(read_at=NOW)
    store()
    row = UsageDay.objects.latest("day")
    assert (row.stopped, row.running) == (24 * 3600, 0)
    assert row.allocation.owner_name == "anna.schmidt"


@pytest.mark.parametrize(
    "change", [{"report_time_zone": "Asia/Shanghai"}, {"savings_max_hours": 8}]
)
def test_other_settings_count_at_once(change: dict[str, Any], settings: Any) -> None:
    for day in range(2, 20):
        make_run(started_at=NOW - timedelta(days=day), hours=7)
    Cloud.objects.update(read_at=NOW)
    store()
    settings.CURFEW = settings.CURFEW.model_copy(update=change)
    computed = live_numbers()
    assert numbers() == computed
    store()
    assert numbers() == computed
    assert all(row.is_valid for row in RollUp.objects.all())


def test_a_late_start_takes_back_what_the_stop_before_it_saved() -> None:
    run = make_run(started_at=NOW - timedelta(days=5, hours=14), hours=2)
    Cloud.objects.update(read_at=NOW)
    cloud = run.allocation.cloud
    store()
    before = numbers()
    run.instance.status = "RUNNING"
    run.instance.run_started_at = run.ended_at + 13 * HOUR
    run.instance.save()
    recorder.record(cloud, [_start(run.instance)])
    assert numbers() == live_numbers() != before


def _start(instance: Instance) -> Any:
    from dashboard.instances.transitions import Transition

    return Transition(instance, "STOPPED", "RUNNING", NOW)


def test_allocations_are_added_once() -> None:
    make_instance(status="STOPPED", first_seen_at=NOW - timedelta(days=5))
    instance = make_instance(status="STOPPED", first_seen_at=NOW - timedelta(days=5))
    (pk,) = set(allocations.of([instance]).values())
    values = {name: getattr(instance, name) for name in allocations.COLUMNS}
    (found,) = allocations.find([values])
    assert found.pk == pk
