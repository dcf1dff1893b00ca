"""Eight weeks of the demo's fleet lead to what the emulated cloud shows."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
import time_machine
from django.test import Client
from django.utils import timezone

from dashboard.accounts.models import User
from dashboard.costs import periods, usage
from dashboard.costs.models import Budget, Gap, Price, Run
from dashboard.costs.price_list import PriceList
from dashboard.costs.recorder import RUNNING
from dashboard.costs.usage import Scope
from dashboard.edits.models import Edit, EditQueue
from dashboard.emulator import Emulator
from dashboard.instances.models import Instance, InstanceEvent
from dashboard.instances.refresh import refresh_cloud
from dashboard.ops import demo_costs, demo_data, demo_history
from dashboard.ops.demo_habits import OFFICE_OWNERS

pytestmark = pytest.mark.usefixtures("admin", "operator", "scientist")

EndedBy = Run.EndedBy
WHOLE = pytest.mark.parametrize(
    "empty_cloud", [{"fleet": 80, "notebooks": 0.5}], indirect=True
)


def run_starts(cloud: Emulator) -> dict[str, int | None]:
    both = [*cloud.fleet.instances(), *cloud.notebooks.notebooks()]
    return {item.id: item.run_started_ms for item in both}


def chains() -> Mapping[int, list[InstanceEvent]]:
    """The events of each instance, in their order."""
    found = defaultdict(list)
    for event in InstanceEvent.objects.order_by("at", "pk"):
        found[event.instance_id].append(event)
    return found


@WHOLE
def test_runs_of_all_kinds_that_grow_in_number(cloud: Emulator) -> None:
    now = timezone.now()
    demo_history.add(run_starts(cloud), seed=1)
    ends = Counter(
        Run.objects.exclude(ended_at=None).values_list("ended_by", flat=True)
    )
    assert set(ends) == set(EndedBy)
    assert ends[EndedBy.UNKNOWN] < sum(ends.values()) / 10
    weeks = Counter(
        int((now - started_at) / timedelta(weeks=1))
        for started_at in Run.objects.values_list("started_at", flat=True)
    )
    assert sum(weeks[age] for age in range(4)) > 1.2 * sum(
        weeks[age] for age in range(4, 8)
    )
    assert Run.objects.filter(ended_known=Run.Known.BETWEEN).exists()
    saving = Run.objects.filter(ended_by__in=Run.SAVING, next_started_at__isnull=False)
    assert saving.count() > 100
    assert Run.objects.filter(started_known=Run.Known.UNKNOWN).exists()
    schedule = Run.objects.filter(ended_by=EndedBy.SCHEDULE).select_related("instance")
    assert {run.instance.owner_name for run in schedule} <= OFFICE_OWNERS


@WHOLE
def test_it_leads_to_what_the_cloud_shows(cloud: Emulator) -> None:
    before = {row.pk: row for row in Instance.objects.all()}
    demo_history.add(run_starts(cloud), seed=1)
    starts = run_starts(cloud)
    by_instance = chains()
    for row in Instance.objects.all():
        events = by_instance[row.pk]
        statuses = [event.from_status for event in events[1:]]
        assert statuses == [event.to_status for event in events[:-1]]
        if events:
            assert events[-1].to_status == row.status
            assert row.status_since == events[-1].at
            assert row.first_seen_at <= events[0].at
        if row.created_at:
            assert row.first_seen_at >= row.created_at
        told_at = before[row.pk].run_started_at
        if told_at:
            assert row.run_started_at == told_at
        elif row.status in RUNNING and (ms := starts[row.instance_id]):
            assert row.run_started_at == datetime.fromtimestamp(ms / 1_000, UTC)
    open_runs = {run.instance_id: run for run in Run.objects.filter(ended_at=None)}
    running = Instance.objects.filter(status__in=RUNNING)
    assert {row.pk for row in running} == set(open_runs)
    for row in running:
        assert open_runs[row.pk].started_at == row.run_started_at
    # The next refresh has nothing to add.
    number = InstanceEvent.objects.count()
    refresh_cloud("demo")
    assert InstanceEvent.objects.count() == number


@WHOLE
def test_a_gpu_forgotten_for_three_days(cloud: Emulator) -> None:
    demo_history.add(run_starts(cloud), seed=1)
    run = Run.objects.get(instance__name="llm-eval-nightly", ended_at=None)
    assert run.has_end is False
    assert run.started_known == Run.Known.OBSERVED
    age = timezone.now() - run.started_at
    assert timedelta(days=2, hours=23) < age < timedelta(days=3, hours=1)


@WHOLE
def test_it_is_the_same_for_a_seed(cloud: Emulator) -> None:
    """But for the moment, which decides about the last of the runs."""
    columns = ("instance__instance_id", "started_at", "ended_by")
    early = timezone.now() - timedelta(days=5)
    past = Run.objects.filter(started_at__lt=early, started_known="observed")
    told = []
    for seed in (1, 1, 2):
        InstanceEvent.objects.all().delete()
        Gap.objects.all().delete()
        Edit.objects.all().delete()
        demo_history.add(run_starts(cloud), seed=seed)
        told.append(sorted(past.values_list(*columns)))
    assert told[0] == told[1] != told[2]


@WHOLE
def test_requests_of_the_past_are_over(
    cloud: Emulator, client: Client, operator: User
) -> None:
    now = timezone.now()
    demo_history.add(run_starts(cloud), seed=1)
    edits = Edit.objects.all()
    assert {edit.state for edit in edits} == {Edit.State.APPLIED}
    for edit in edits:
        assert timedelta() < edit.finished_at - edit.created_at < timedelta(seconds=10)
        assert edit.finished_at < now - timedelta(hours=11)
        assert edit.actor or edit.schedule_name or edit.policy_name
    for queue in EditQueue.objects.all():
        assert queue.next_seq == queue.instance.edits.count() + 1
    # The next one is accepted.
    running = Instance.objects.filter(status="RUNNING", edits__isnull=False)[0]
    client.force_login(operator)
    number = running.edits.count()
    page = client.get(running.get_absolute_url())
    assert page.status_code == 200
    url = f"{running.get_absolute_url()}stop/"
    assert client.post(url).status_code < 400
    assert running.edits.count() == number + 1


@pytest.mark.parametrize(
    "empty_cloud",
    [{"fleet": 0}, {"fleet": 1}, {"fleet": 150, "hostile": True}],
    indirect=True,
)
def test_any_fleet_has_a_past(cloud: Emulator) -> None:
    demo_history.add(run_starts(cloud), seed=3)
    running = Instance.objects.filter(status__in=RUNNING)
    open_runs = Run.objects.filter(ended_at=None)
    assert open_runs.count() == running.count()
    assert demo_costs.add()


@WHOLE
def test_one_flavor_has_no_price_and_one_another_price(cloud: Emulator) -> None:
    assert demo_costs.add() == "13 prices, 3 budgets"
    flavor = demo_costs.RISE[0]
    first, second = Price.objects.filter(flavor=flavor).order_by("valid_from")
    assert (first.running, second.running) == (Decimal("2.76"), Decimal("2.98"))
    prices, today = PriceList.load(), timezone.localdate()
    unpriced = {
        row.flavor
        for row in Instance.objects.all()
        if prices.at("demo", row.flavor, today) is None
    }
    assert unpriced == {"modelarts.kat1.xlarge"}


@WHOLE
@pytest.mark.parametrize("day", [1, 13, 22])
def test_each_status_follows_the_one_before_on_any_day(
    cloud: Emulator, day: int
) -> None:
    now = datetime(2026, 12, day, 14, tzinfo=UTC)
    # The fleet has the past that it has now.
    Instance.objects.update(created_at=now - timedelta(days=90))
    with time_machine.travel(now, tick=False):
        demo_history.add({}, seed=1)
    for events in chains().values():
        assert [event.from_status for event in events[1:]] == [
            event.to_status for event in events[:-1]
        ]


@WHOLE
@pytest.mark.parametrize("month_number", [11, 12])
@pytest.mark.parametrize("day", [1, 15, 28])
def test_budgets_of_each_kind_on_any_day(
    cloud: Emulator, day: int, month_number: int
) -> None:
    demo_data.add_teams()
    month = periods.this_month(datetime(2026, month_number, 20, tzinfo=UTC))
    now = month.since + timedelta(days=day, hours=-9)
    # The fleet has the past that it has now.
    Instance.objects.update(created_at=now - timedelta(days=90))
    with time_machine.travel(now, tick=False):
        demo_history.add({}, seed=1)
        demo_costs.add()
    passed = (now - month.since) / (month.until - month.since)
    spent = {}
    for budget in Budget.objects.all():
        scope = Scope(
            team=budget.team,
            owner=budget.value if budget.kind == "owner" else "",
            tag=budget.value if budget.kind == "tag" else "",
        )
        report = usage.report(usage.Reading(month, scope, now), usage.Dimension.CLOUD)
        cost = report.total.cost.amounts["EUR"]
        spent[budget.name] = float(cost / budget.amount)
        assert budget.currency == "EUR"
    assert 0.85 < spent["jürgen.groß"] < 1
    assert spent["Forecasting"] < 1 < spent["Forecasting"] / passed
    assert spent["Everything"] / passed < 0.85
    assert spent["Vision"] / passed < 0.85
