"""The drawing of the coming day."""

import itertools
import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from dashboard.handover.lanes import Lane, LaneBounds
from dashboard.handover.timeline import (
    MAX_BARS,
    MAX_GROUPS,
    Run,
    Timeline,
    drawn_bars,
    drawn_columns,
)
from dashboard.instances.countdown import Countdown, State
from dashboard.instances.models import Cloud, Instance
from dashboard.instances.selectors import Row

NOW = datetime(2026, 11, 23, 12, 10, tzinfo=UTC)


def runs(*hours: float | None, owner: str = "anna") -> list[Run]:
    return [
        Run(
            number,
            1,
            owner,
            "gpu",
            None if left is None else NOW + timedelta(hours=left),
        )
        for number, left in enumerate(hours)
    ]


def drawn(runs: list[Run], now: datetime = NOW, group_by: str = "owner") -> Timeline:
    bounds = LaneBounds(now)
    lanes: dict[Lane, list[Run]] = {lane: [] for lane in Lane}
    for run in sorted(runs, key=lambda run: run.stops_at or now):
        lanes[bounds.lane(run.stops_at)].append(run)
    if len(runs) > MAX_BARS:
        return drawn_columns(lanes, group_by=group_by, now=now)
    cloud = Cloud(name="demo")
    rows = {
        run.pk: Row(
            instance=Instance(cloud=cloud, instance_id=f"DE-{run.pk}", name="run"),
            this_run=Countdown(State.COUNTING, ""),
            edit=None,
            override=None,
            may_edit=False,
            may_extend=False,
            may_start=False,
            may_stop=False,
        )
        for run in runs
    }
    return drawn_bars(lanes, rows, group_by=group_by, now=now)


def percent(text: str) -> float:
    assert re.fullmatch(r"\d+\.\d{3}%", text)
    return float(text[:-1])


def test_a_bar_reaches_from_now_to_its_stop() -> None:
    (bar,) = drawn(runs(12)).groups[0].bars
    # From 12:00 on there are 24.5 hours; now is 12:10, the stop at 00:10.
    assert percent(bar.x) == pytest.approx(100 * (10 / 60) / 24.5, abs=0.001)
    assert percent(bar.x) + percent(bar.width) == pytest.approx(
        100 * (12 + 10 / 60) / 24.5, abs=0.002
    )
    assert not bar.is_short
    assert bar.lane is Lane.LATER


@pytest.mark.parametrize("left", [None, 30, 24 * 400])
def test_a_run_that_ends_later_or_never_reaches_the_edge(left: float | None) -> None:
    (bar,) = drawn(runs(left)).groups[0].bars
    assert percent(bar.x) + percent(bar.width) == pytest.approx(100, abs=0.002)


@pytest.mark.parametrize("left", [-100, -0.01, 0, 0.01])
def test_a_run_that_is_due_stays_visible(left: float) -> None:
    (bar,) = drawn(runs(left)).groups[0].bars
    assert percent(bar.width) >= 0.5
    assert bar.is_short
    assert percent(bar.label_x) > percent(bar.x)


def test_bars_do_not_touch() -> None:
    group = drawn(runs(1, 2, 3)).groups[0]
    tops = [bar.y for bar in group.bars]
    assert all(below - above > 20 for above, below in itertools.pairwise(tops))
    assert group.height >= tops[-1] + 20


def test_groups_by_owner_or_flavor_largest_first() -> None:
    fleet = runs(1, owner="tom") + runs(1, 2, owner="anna")
    assert [group.label for group in drawn(fleet).groups] == ["anna", "tom"]
    assert [group.label for group in drawn(fleet, group_by="flavor").groups] == ["gpu"]


def test_many_runs_are_counted() -> None:
    fleet = runs(*[0.05, 0.1, 5] * 200, *[None] * 7, *[40] * 3)
    picture = drawn(fleet)
    assert picture.is_counted
    (group,) = picture.groups
    assert not group.bars
    assert [(column.slot, column.number) for column in group.columns] == [
        (0, 400),
        (10, 200),
    ]
    assert (group.soon, group.rest, group.never) == (400, 203, 7)
    assert picture.total == 610
    tall, short = group.columns
    assert tall.height > short.height
    # All stand on the same line.
    assert tall.y + tall.height == short.y + short.height == group.height
    assert tall.begins == NOW.replace(minute=0)


def test_overdue_counts_to_the_present_half_hour() -> None:
    column = drawn(runs(*[-3] * 5, *[0.1] * 70)).groups[0].columns[0]
    assert (column.slot, column.number, column.lane) == (0, 75, Lane.NOW)


def test_up_to_the_maximum_each_run_has_a_bar() -> None:
    assert not drawn(runs(*[1] * MAX_BARS)).is_counted
    assert drawn(runs(*[1] * (MAX_BARS + 1))).is_counted


def test_all_and_the_largest_groups_have_columns_and_the_table_has_every_group() -> (
    None
):
    fleet = [run for n in range(50) for run in runs(1, owner=f"owner-{n:02}")]
    picture = drawn([*fleet, *runs(1, 2, owner="zoe")])
    assert (picture.is_counted, len(picture.groups), picture.total) == (True, 51, 52)
    whole, largest, *_ = picture.drawn
    assert (whole.label, whole.query, whole.total) == ("", {}, 52)
    assert sum(column.number for column in whole.columns) == 52
    assert (largest.label, largest.query) == ("zoe", {"owner": "zoe"})
    assert len(picture.drawn) == 1 + MAX_GROUPS
    assert picture.undrawn == 51 - MAX_GROUPS


@pytest.mark.parametrize(
    ("zone", "first", "days"),
    [
        ("UTC", "12", ["Tue"]),
        ("Europe/Berlin", "13", ["Tue"]),
        ("Asia/Kolkata", "18", ["Tue"]),
        ("Asia/Kathmandu", "18", ["Tue"]),
    ],
)
def test_hours_are_the_viewer_s(zone: str, first: str, days: list[str]) -> None:
    with timezone.override(ZoneInfo(zone)):
        ticks = drawn(runs(1)).ticks
    assert ticks[0].label == first
    assert [tick.label for tick in ticks if tick.begins_day] == days
    assert 24 <= len(ticks) <= 25
    places = [percent(tick.x) for tick in ticks]
    assert places == sorted(places)


def test_the_longest_day_has_twenty_five_hours() -> None:
    with timezone.override(ZoneInfo("Europe/Berlin")):
        ticks = drawn(runs(1), datetime(2026, 10, 24, 21, 0, tzinfo=UTC)).ticks
    assert [tick.label for tick in ticks].count("02") == 2


def test_the_layout_changes_with_the_drawing() -> None:
    soon = NOW + timedelta(seconds=30)
    assert drawn(runs(5)).layout == drawn(runs(5), soon).layout
    assert drawn(runs(5)).layout != drawn(runs(5), NOW + timedelta(minutes=5)).layout
    assert drawn(runs(5)).layout != drawn(runs(6)).layout
    assert drawn(runs(5)).layout != drawn(runs(5), group_by="flavor").layout


def test_the_next_change_of_a_lane() -> None:
    bounds = LaneBounds(NOW)
    ends = [NOW - timedelta(hours=1), NOW + timedelta(minutes=40)]
    assert bounds.changes_at(ends) == NOW + timedelta(minutes=25)
    assert bounds.changes_at([NOW - timedelta(minutes=1)]) == NOW + timedelta(minutes=4)
    assert bounds.changes_at([]) is None
    assert bounds.changes_at([NOW + timedelta(days=9)]) == (
        NOW + timedelta(days=8, hours=16)
    )
