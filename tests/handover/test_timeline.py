"""The drawing of the coming day."""

import itertools
import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from dashboard.handover.buckets import Bucket, BucketBounds
from dashboard.handover.timeline import MOST_BARS, MOST_GROUPS, Run, Timeline, timeline

NOW = datetime(2026, 11, 23, 12, 10, tzinfo=UTC)


def runs(*hours: float | None, owner: str = "anna") -> list[Run]:
    return [
        Run(
            number,
            f"run-{number}",
            "/",
            owner,
            "gpu",
            None if left is None else NOW + timedelta(hours=left),
        )
        for number, left in enumerate(hours)
    ]


def drawn(found: list[Run], now: datetime = NOW, group_by: str = "owner") -> Timeline:
    return timeline(found, group_by=group_by, bounds=BucketBounds.at(now))


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
    assert bar.bucket is Bucket.LATER


@pytest.mark.parametrize("left", [None, 30, 24 * 400])
def test_what_ends_later_or_never_reaches_the_edge(left: float | None) -> None:
    (bar,) = drawn(runs(left)).groups[0].bars
    assert percent(bar.x) + percent(bar.width) == pytest.approx(100, abs=0.002)


@pytest.mark.parametrize("left", [-100, -0.01, 0, 0.01])
def test_what_is_due_can_still_be_seen(left: float) -> None:
    (bar,) = drawn(runs(left)).groups[0].bars
    assert percent(bar.width) >= 0.5
    assert bar.is_short
    assert percent(bar.words_x) > percent(bar.x)


def test_bars_do_not_touch() -> None:
    group = drawn(runs(1, 2, 3)).groups[0]
    tops = [bar.y for bar in group.bars]
    assert all(below - above > 22 for above, below in itertools.pairwise(tops))
    assert group.height >= tops[-1] + 22


def test_groups_by_owner_or_flavour_largest_first() -> None:
    found = runs(1, owner="tom") + runs(1, 2, owner="anna")
    assert [group.label for group in drawn(found).groups] == ["anna", "tom"]
    assert [group.label for group in drawn(found, group_by="flavor").groups] == ["gpu"]


def test_many_runs_are_counted() -> None:
    found = runs(*[0.05, 0.1, 5] * 200, *[None] * 7, *[40] * 3)
    picture = drawn(found)
    assert picture.is_counted
    (group,) = picture.groups
    assert not group.bars
    assert [(column.slot, column.number) for column in group.columns] == [
        (0, 400),
        (10, 200),
    ]
    assert (group.soon, group.rest, group.no_auto_stop) == (400, 203, 7)
    assert picture.total == 610
    tall, short = group.columns
    assert tall.height > short.height
    # All stand on the same line.
    assert tall.y + tall.height == short.y + short.height == group.height
    assert tall.begins == NOW.replace(minute=0)


def test_overdue_counts_to_the_present_half_hour() -> None:
    column = drawn(runs(*[-3] * 5, *[0.1] * 70)).groups[0].columns[0]
    assert (column.slot, column.number, column.bucket) == (0, 75, Bucket.OVERDUE)


def test_as_many_as_can_be_read_are_drawn() -> None:
    assert not drawn(runs(*[1] * MOST_BARS)).is_counted
    assert drawn(runs(*[1] * (MOST_BARS + 1))).is_counted


def test_small_groups_are_put_together() -> None:
    found = [run for n in range(50) for run in runs(1, owner=f"owner-{n:02}")]
    picture = drawn(found)
    assert len(picture.groups) == MOST_GROUPS
    assert picture.groups[-1].label == "others"
    assert picture.total == 50


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


def test_midnight_of_a_day_that_has_none() -> None:
    """In Beirut the clocks go from 24:00 to 1:00."""
    now = datetime(2026, 3, 28, 20, 0, tzinfo=UTC)
    with timezone.override(ZoneInfo("Asia/Beirut")):
        bounds = BucketBounds.at(now)
        assert timedelta(0) < bounds.day_ends - now <= timedelta(hours=2)


def test_the_same_drawing_has_the_same_name() -> None:
    soon = NOW + timedelta(seconds=30)
    assert drawn(runs(5)).layout == drawn(runs(5), soon).layout
    assert drawn(runs(5)).layout != drawn(runs(5), NOW + timedelta(minutes=5)).layout
    assert drawn(runs(5)).layout != drawn(runs(6)).layout
    assert drawn(runs(5)).layout != drawn(runs(5), group_by="flavor").layout


def test_the_next_turn() -> None:
    bounds = BucketBounds.at(NOW)
    ends = [None, NOW - timedelta(hours=1), NOW + timedelta(minutes=40)]
    assert bounds.changes_at(ends) == NOW + timedelta(minutes=25)
    assert bounds.changes_at([]) == bounds.day_ends
    assert bounds.changes_at([NOW + timedelta(days=9)]) == bounds.day_ends
