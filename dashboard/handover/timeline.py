"""The next 24 hours of the fleet as a drawing. Pure functions.

Horizontal positions are in percent of the width, so that the drawing fits any screen
without scaling its text; vertical ones are in pixels. Few runs get a bar each; of many,
each group gets columns that count the ends in each half hour.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from django.utils import dates, timezone

from dashboard.livepoll.pages import layout_hash

from .buckets import Bucket, BucketBounds

SLOT = timedelta(minutes=30)
SLOTS = 49
"""Fits 24 hours from now, wherever now is in its half hour."""

STEP = timedelta(minutes=5)
"""Interval at which the line of "now" moves."""

MOST_BARS = 60
"""More runs are counted instead of drawn."""

MOST_GROUPS = 30
OTHERS = "others"

_BAR, _BAR_GAP, _COLUMNS = 22, 4, 30
_NARROW = 30.0
_THINNEST = 0.5


class Run(NamedTuple):
    """One running instance.

    Attributes:
        stops_at: None when the run has no known end.
    """

    pk: int
    name: str
    url: str
    owner: str
    flavor: str
    stops_at: datetime | None


class Tick(NamedTuple):
    """A full hour in the viewer's zone.

    Attributes:
        every: 6, 3 or 1: the largest step between labels that includes this one.
        begins_day: Whether it is midnight, with a weekday as label.
    """

    x: str
    label: str
    every: int
    begins_day: bool


class Bar(NamedTuple):
    """One run.

    Attributes:
        y: Pixels; the upper edge.
        words_x: Start of the name: beside the bar if the bar is too short.
    """

    run: Run
    bucket: Bucket
    x: str
    width: str
    y: int
    words_x: str
    is_short: bool

    @property
    def stops_at(self) -> datetime | None:
        return self.run.stops_at

    @property
    def words_y(self) -> int:
        """Return the base line of its name in pixels."""
        return self.y + 15


class Column(NamedTuple):
    """The runs of a group that end in one half hour.

    Attributes:
        bucket: Of the first of them.
        slot: From 0, for moving up and down between groups.
        y: Pixels; the upper edge.
    """

    bucket: Bucket
    slot: int
    x: str
    middle: str
    width: str
    y: int
    height: int
    number: int
    begins: datetime
    ends: datetime

    @property
    def query(self) -> dict[str, str]:
        """Return the query that lists these runs, in addition to the group's."""
        window = {"stops_from": self.begins, "stops_before": self.ends}
        if self.slot == 0:
            del window["stops_from"]  # overdue runs count here, too
        return {
            name: f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
            for name, moment in window.items()
        }


@dataclass
class Group:
    """The runs of one owner or one flavor.

    Attributes:
        label: Empty when the cloud does not say.
        grouped_by: ``owner`` or ``flavor``, also the parameter of the list.
        numbers: Runs by bucket.
    """

    label: str
    grouped_by: str = "owner"
    runs: list[Run] = field(default_factory=list)
    numbers: dict[Bucket, int] = field(default_factory=dict)
    bars: list[Bar] = field(default_factory=list)
    columns: list[Column] = field(default_factory=list)

    @property
    def is_listable(self) -> bool:
        return self.label not in {"", OTHERS}

    @property
    def query(self) -> dict[str, str]:
        return {self.grouped_by: self.label}

    @property
    def height(self) -> int:
        """Return pixels."""
        if self.bars:
            return len(self.bars) * (_BAR + _BAR_GAP) - _BAR_GAP
        return _COLUMNS + 16

    @property
    def first_stop(self) -> datetime | None:
        return min((run.stops_at for run in self.runs if run.stops_at), default=None)

    @property
    def soon(self) -> int:
        """Return the number of runs that end within the hour or are overdue."""
        buckets = (Bucket.OVERDUE, Bucket.QUARTER, Bucket.HOUR)
        return sum(self.numbers.get(bucket, 0) for bucket in buckets)

    @property
    def no_auto_stop(self) -> int:
        return self.numbers.get(Bucket.NO_AUTO_STOP, 0)

    @property
    def rest(self) -> int:
        """Return the number of runs that end after the next hour."""
        return len(self.runs) - self.soon - self.no_auto_stop


@dataclass(frozen=True)
class Timeline:
    """The drawing.

    Attributes:
        now_x: Position of the line of "now".
        is_counted: Whether the groups have columns instead of bars.
    """

    ticks: list[Tick]
    now_x: str
    groups: list[Group]
    is_counted: bool
    starts: datetime

    @property
    def total(self) -> int:
        return sum(len(group.runs) for group in self.groups)

    @property
    def layout(self) -> str:
        """Return a hash of everything drawn."""
        return layout_hash((self.starts, self.now_x, self.ticks, self.groups))


def timeline(runs: Sequence[Run], *, group_by: str, bounds: BucketBounds) -> Timeline:
    """Draw the next 24 hours.

    Args:
        runs: Soonest end first, those without an end last.
        group_by: An attribute of ``Run``: ``owner`` or ``flavor``.
    """
    scale = _Scale.around(bounds.now)
    groups = _grouped(runs, group_by)
    is_counted = len(runs) > MOST_BARS
    for group in groups:
        for run in group.runs:
            bucket = bounds.bucket(run.stops_at)
            group.numbers[bucket] = group.numbers.get(bucket, 0) + 1
        if not is_counted:
            group.bars = [
                _bar(run, number, scale, bounds)
                for number, run in enumerate(group.runs)
            ]
    if is_counted:
        _count(groups, scale, bounds)
    now_x = _percent(scale.of(_floor(bounds.now, STEP)))
    return Timeline(scale.ticks(), now_x, groups, is_counted, scale.starts)


class _Scale(NamedTuple):
    """Converts moments to percent."""

    starts: datetime

    @classmethod
    def around(cls, now: datetime) -> "_Scale":
        return cls(_floor(now, SLOT))

    def of(self, moment: datetime) -> float:
        share = (moment - self.starts) / (SLOTS * SLOT)
        return min(max(share, 0.0), 1.0) * 100

    def slot(self, moment: datetime) -> int | None:
        """Return the half hour; overdue runs count to the present one."""
        number = max(0, (moment - self.starts) // SLOT)
        return number if number < SLOTS else None

    def ticks(self) -> list[Tick]:
        # By quarters of an hour: some zones are not whole hours from UTC.
        quarters = (
            self.starts + timedelta(minutes=15 * number) for number in range(SLOTS * 2)
        )
        return [
            _tick(timezone.localtime(moment), _percent(self.of(moment)))
            for moment in quarters
            if timezone.localtime(moment).minute == 0
        ]


def _tick(local: datetime, x: str) -> Tick:
    every = next(hours for hours in (6, 3, 1) if local.hour % hours == 0)
    label = dates.WEEKDAYS_ABBR[local.weekday()] if local.hour == 0 else f"{local:%H}"
    return Tick(x, label, every, begins_day=local.hour == 0)


def _floor(moment: datetime, step: timedelta) -> datetime:
    return moment - timedelta(seconds=moment.timestamp() % step.total_seconds())


def _percent(share: float) -> str:
    return f"{share:.3f}%"


def _grouped(runs: Iterable[Run], group_by: str) -> list[Group]:
    """Return the largest groups first, and one for all that do not fit."""
    by_label: dict[str, Group] = {}
    for run in runs:
        label: str = getattr(run, group_by)
        by_label.setdefault(label, Group(label, group_by)).runs.append(run)
    groups = sorted(
        by_label.values(), key=lambda group: (-len(group.runs), group.label.casefold())
    )
    if len(groups) <= MOST_GROUPS:
        return groups
    kept, small = groups[: MOST_GROUPS - 1], groups[MOST_GROUPS - 1 :]
    others = Group(OTHERS, group_by, [run for group in small for run in group.runs])
    return [*kept, others]


def _bar(run: Run, number: int, scale: _Scale, bounds: BucketBounds) -> Bar:
    begins = scale.of(_floor(bounds.now, STEP))
    ends = 100.0 if run.stops_at is None else scale.of(run.stops_at)
    width = max(ends - begins, _THINNEST)
    is_short = width < _NARROW
    words = begins + width if is_short else begins
    return Bar(
        run=run,
        bucket=bounds.bucket(run.stops_at),
        x=_percent(begins),
        width=_percent(width),
        y=number * (_BAR + _BAR_GAP),
        words_x=_percent(words),
        is_short=is_short,
    )


def _count(groups: list[Group], scale: _Scale, bounds: BucketBounds) -> None:
    ends_in: list[dict[int, list[datetime]]] = []
    for group in groups:
        slots: dict[int, list[datetime]] = defaultdict(list)
        for run in group.runs:
            slot = None if run.stops_at is None else scale.slot(run.stops_at)
            if run.stops_at is not None and slot is not None:
                slots[slot].append(run.stops_at)
        ends_in.append(slots)
    # One scale for all groups, so that they can be compared.
    most = max((len(ends) for slots in ends_in for ends in slots.values()), default=1)
    for group, slots in zip(groups, ends_in, strict=True):
        group.columns = [
            _column(slot, ends, most, scale, bounds)
            for slot, ends in sorted(slots.items())
        ]


def _column(
    slot: int, ends: list[datetime], most: int, scale: _Scale, bounds: BucketBounds
) -> Column:
    begins = scale.starts + slot * SLOT
    left, right = scale.of(begins), scale.of(begins + SLOT)
    height = max(3, round(_COLUMNS * len(ends) / most))
    return Column(
        bucket=bounds.bucket(min(ends)),
        slot=slot,
        x=_percent(left + 0.1),
        middle=_percent((left + right) / 2),
        width=_percent(right - left - 0.2),
        y=_COLUMNS - height + 16,
        height=height,
        number=len(ends),
        begins=begins,
        ends=begins + SLOT,
    )
