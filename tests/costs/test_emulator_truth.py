"""Reports beside a calculation of its own, from the journal of the emulated cloud.

The cloud knows when each instance ran. Here its hours and costs are added up second by
second of the journal, without anything of ``dashboard.costs``.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from itertools import pairwise
from random import Random
from typing import Any

import pytest
import time_machine

from dashboard.costs import periods, rollup, usage
from dashboard.costs.models import Price
from dashboard.costs.usage import Report, Scope
from dashboard.emulator import Emulator
from dashboard.instances.models import Instance
from dashboard.instances.refresh import ensure_clouds, refresh_cloud
from tests.conftest import FIGURE

pytestmark = pytest.mark.django_db

START = datetime(2026, 11, 9, 17, tzinfo=UTC)
MIDNIGHTS = [START.replace(hour=0) + timedelta(days=day) for day in range(1, 5)]
STEP = timedelta(minutes=15)
PRICES = {0: (Fraction(3, 2), Fraction(1, 10)), 2: (Fraction(2), Fraction(1, 5))}
"""While running and while stopped, from a day after the start on."""

GAP = timedelta(hours=12), timedelta(hours=16)
LAST, END = timedelta(hours=48), timedelta(hours=49)
"""When the cloud is read last, and when somebody looks."""

Sums = dict[str, Fraction]


@pytest.mark.parametrize(
    "empty_cloud",
    [
        {
            "fleet": 16,
            "notebooks": 8,
            "seed": 7,
            "speed": 1e-9,
            "start_ms": int(START.timestamp() * 1000),
            "token_seconds": 30 * 86_400,
        }
    ],
    indirect=True,
)
def test_hours_and_costs_are_those_of_the_cloud(
    empty_cloud: Emulator, record_property: Callable[[str, object], None]
) -> None:
    for day, (running, stopped) in PRICES.items():
        Price.objects.create(
            cloud="*",
            flavor="*",
            running=f"{float(running)}",
            stopped=f"{float(stopped)}",
            currency="EUR",
            valid_from=START.date() + timedelta(days=day),
        )
    with time_machine.travel(START, tick=False) as now:
        ensure_clouds()
        first = dict(_statuses(empty_cloud))
        _live_through(empty_cloud, now)
    expected = _add_up(empty_cloud, first)
    assert len(empty_cloud.journal()) > 150
    # Without the first day: the journal does not know when its first runs began.
    period = periods.custom(MIDNIGHTS[0].date(), date(2026, 11, 30))
    at = START + END
    report = usage.report(usage.Reading(period, Scope(), at), "owner")
    allowed = _allowed(empty_cloud)
    off = {owner: _off(report, expected, owner) for owner in expected}
    idle = set(_owners_of_idle_leases())
    told, seen = (
        max(off[owner] for owner in owners) for owners in (set(off) - idle, idle)
    )
    record_property(
        FIGURE,
        f"{len(expected)} owners, {report.total.hours:.0f} h in runs, "
        f"{report.total.runs_ended} ended: off by {told:.1f} s at most, "
        f"{len(idle)} owners of idle leases by {seen:.0f} s",
    )
    assert {line.key for line in report.lines} == set(expected)
    assert {owner: each for owner, each in off.items() if each > allowed[owner]} == {}
    assert {"auto_stop", "unknown"} <= set(report.total.ended)
    assert report.total.unknown > 0
    assert rollup.roll_up(at) + rollup.roll_up(at) >= 2
    again = usage.report(usage.Reading(period, Scope(), at), "owner")
    assert (again.total, again.lines) == (report.total, report.lines)
    # A gap that goes on is not stored, so it equals no other.
    assert [str(gap) for gap in again.gaps] == [str(gap) for gap in report.gaps]


def _statuses(cloud: Emulator) -> Iterator[tuple[str, str]]:
    for each in (*cloud.fleet.instances(), *cloud.notebooks.notebooks()):
        yield each.id, each.status


def _live_through(cloud: Emulator, now: Any) -> None:
    """Let people start, stop and delete, and Curfew look, except in the gap."""
    random = Random(7)  # noqa: S311 (no secret)
    passed = timedelta()
    while passed <= LAST:
        statuses = dict(_statuses(cloud))
        for instance_id in random.sample(sorted(statuses), 2):
            _happen(cloud, random, instance_id, statuses[instance_id])
        if not GAP[0] < passed < GAP[1]:
            outcome = refresh_cloud("demo")
            assert outcome
            assert not outcome.problem
        passed += STEP
        cloud.clock.advance(STEP.total_seconds())
        now.shift(STEP)


def _happen(cloud: Emulator, random: Random, instance_id: str, status: str) -> None:
    hours = random.uniform(1, 9)
    is_notebook = instance_id in {each.id for each in cloud.notebooks.notebooks()}
    fleet: Any = cloud.notebooks if is_notebook else cloud.fleet
    if status == "RUNNING" and random.random() < 0.5:
        fleet.force(instance_id, status="STOPPED")
    elif not Instance.objects.filter(instance_id=instance_id, status=status).exists():
        # Stopped since the last look: nobody sees that if it starts before the next.
        return
    elif status == "STOPPED" and is_notebook:
        fleet.force(instance_id, status="RUNNING", stops_in_seconds=3_600 * hours)
    elif status == "STOPPED":
        auto_stop = {"enable": True, "duration_seconds": round(3_600 * hours)}
        fleet.force(instance_id, auto_stop=auto_stop)
        fleet.force(instance_id, status="RUNNING")


def _owners_of_idle_leases() -> Iterator[str]:
    rows = Instance.objects.filter(lease_type="idle")
    yield from rows.values_list("owner_name", flat=True)


def _add_up(cloud: Emulator, first: dict[str, str]) -> dict[str, Sums]:
    """Return seconds and euros by owner."""
    owners = dict(Instance.objects.values_list("instance_id", "owner_name"))
    changes = defaultdict(list)
    for change in cloud.journal():
        changes[change.instance_id].append(change)
    found: dict[str, Sums] = defaultdict(lambda: defaultdict(Fraction))
    for instance_id, status in first.items():
        since, is_running = START, status in {"RUNNING", "SNAPSHOTTING"}
        sums = found[owners[instance_id]]
        for change in changes[instance_id]:
            at = datetime.fromtimestamp(change.at_ms / 1000, UTC)
            if at > START + LAST:
                break
            _add(sums, since, at, is_running=is_running)
            since, is_running = at, change.after in {"RUNNING", "SNAPSHOTTING"}
        _add(sums, since, START + END, is_running=is_running)
    return found


def _add(sums: Sums, since: datetime, until: datetime, *, is_running: bool) -> None:
    gap, last = [START + each for each in GAP], START + LAST
    cuts = sorted({since, until, *gap, last, *MIDNIGHTS})
    for begin, end in pairwise(cuts):
        if not max(since, MIDNIGHTS[0]) <= begin < end <= until:
            continue
        seconds = Fraction((end - begin) / timedelta(microseconds=1)) / 10**6
        if gap[0] <= begin < gap[1] or begin >= last:
            sums["unknown"] += seconds
            continue
        prices = PRICES[2 if begin >= MIDNIGHTS[1] else 0]
        sums["running" if is_running else "stopped"] += seconds
        sums["cost"] += prices[0 if is_running else 1] * seconds / 3_600


def _allowed(cloud: Emulator) -> dict[str, float]:
    """Return how far off the seconds of each owner may be.

    A second for each start and stop, since the cloud tells moments in whole seconds.
    It does not tell the end of an idle lease, which the next look sees.
    """
    owners = dict(Instance.objects.values_list("instance_id", "owner_name"))
    idle = set(
        Instance.objects.filter(lease_type="idle").values_list("instance_id", flat=True)
    )
    found: dict[str, float] = defaultdict(float)
    for change in cloud.journal():
        owner = owners[change.instance_id]
        if "RUNNING" in {change.before, change.after}:
            found[owner] += 1
        if change.before == "RUNNING" and change.instance_id in idle:
            found[owner] += STEP.total_seconds()
    return found


def _off(report: Report, expected: dict[str, Sums], owner: str) -> float:
    """Return how far off the worst number of an owner is, in seconds.

    Costs count as seconds at the highest price.
    """
    (ours,) = (line.usage for line in report.lines if line.key == owner)
    truth = expected[owner]
    highest = max(running for running, _ in PRICES.values())
    cost = Fraction(ours.cost.amount("EUR")) - truth["cost"]
    return float(
        max(
            abs(ours.running - truth["running"]),
            abs(ours.stopped - truth["stopped"]),
            abs(ours.unknown - truth["unknown"]),
            abs(cost) * 3_600 / highest,
        )
    )
