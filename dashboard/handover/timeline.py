"""The coming day of the fleet as a drawing: where each bar stands. Pure functions.

Across, everything is in percent of the drawing's width, so that it fits any screen
without its words being scaled; down, in pixels. Few runs are drawn one by one; of many,
each group gets columns that count the ends in each half hour.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from django.utils import dates, timezone

from .buckets import Bucket, BucketBounds

SLOT = timedelta(minutes=30)
SLOTS = 49
"""So that 24 hours from now always fit, wherever in its half hour now stands."""

STEP = timedelta(minutes=5)
"""How often the line of "now" moves on."""

MOST_BARS = 60
"""Beyond so many runs they are counted instead of drawn."""

MOST_GROUPS = 30
OTHERS = "others"

_BAR, _BAR_GAP, _COLUMNS = 22, 4, 30
_NARROW = 30.0
_THINNEST = 0.5


class Run(NamedTuple):
    """One running instance, as far as buckets and timeline need it.

    Attributes:
        url: Its page.
        stops_at: None when the run has no known end.
    """

    pk: int
    name: str
    url: str
    owner: str
    flavor: str
    stops_at: datetime | None


class Tick(NamedTuple):
    """A full hour of the viewer's.

    Attributes:
        every: 6, 3 or 1: the most hours between words of which this is one.
        begins_day: Whether it is midnight; then the label is a weekday.
    """

    x: str
    label: str
    every: int
    begins_day: bool


class Bar(NamedTuple):
    """One run.

    Attributes:
        y: Pixels; of the bar's upper edge.
        words_x: Where its name begins: beside the bar when that is too short for it.
        stops_at: None when it has no known end.
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
        """When it ends."""
        return self.run.stops_at

    @property
    def words_y(self) -> int:
        """Pixels; of the base line of its name."""
        return self.y + 15


class Column(NamedTuple):
    """How many runs of a group end in one half hour.

    Attributes:
        bucket: That of the first of them.
        slot: From 0, for walking up and down between groups.
        y: Pixels; of the upper edge.
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
        """What lists these runs, beside their group."""
        window = {"stops_from": self.begins, "stops_before": self.ends}
        if self.slot == 0:
            del window["stops_from"]  # the overdue ones are counted here, too
        return {
            name: f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
            for name, moment in window.items()
        }


@dataclass
class Group:
    """What one owner or one flavour has running.

    Attributes:
        label: Empty when the cloud does not tell.
        grouped_by: ``owner`` or ``flavor``, as in the list's address, too.
        numbers: How many runs stand in each bucket.
    """

    label: str
    grouped_by: str = "owner"
    runs: list[Run] = field(default_factory=list)
    numbers: dict[Bucket, int] = field(default_factory=dict)
    bars: list[Bar] = field(default_factory=list)
    columns: list[Column] = field(default_factory=list)

    @property
    def is_listable(self) -> bool:
        """Whether the list can be narrowed to it."""
        return self.label not in {"", OTHERS}

    @property
    def query(self) -> dict[str, str]:
        """What narrows the list to it."""
        return {self.grouped_by: self.label}

    @property
    def height(self) -> int:
        """Pixels."""
        if self.bars:
            return len(self.bars) * (_BAR + _BAR_GAP) - _BAR_GAP
        return _COLUMNS + 16

    @property
    def first_stop(self) -> datetime | None:
        """When the next of its runs ends."""
        return min((run.stops_at for run in self.runs if run.stops_at), default=None)

    @property
    def soon(self) -> int:
        """Runs that end within the hour or are overdue."""
        buckets = (Bucket.OVERDUE, Bucket.QUARTER, Bucket.HOUR)
        return sum(self.numbers.get(bucket, 0) for bucket in buckets)

    @property
    def no_auto_stop(self) -> int:
        """Runs without a known end."""
        return self.numbers.get(Bucket.NO_AUTO_STOP, 0)

    @property
    def rest(self) -> int:
        """Runs that end later than within the hour."""
        return len(self.runs) - self.soon - self.no_auto_stop


@dataclass(frozen=True)
class Timeline:
    """The drawing.

    Attributes:
        now_x: Where the line of "now" stands.
        is_counted: Whether the groups have columns instead of bars.
    """

    ticks: list[Tick]
    now_x: str
    groups: list[Group]
    is_counted: bool
    starts: datetime

    @property
    def total(self) -> int:
        """Runs in all groups."""
        return sum(len(group.runs) for group in self.groups)

    @property
    def digest(self) -> str:
        """Names the drawing: two with the same digest look the same."""
        looks = repr((self.starts, self.now_x, self.ticks, self.groups))
        return hashlib.blake2b(looks.encode(), digest_size=6).hexdigest()


def timeline(runs: Sequence[Run], *, group_by: str, bounds: BucketBounds) -> Timeline:
    """Draw the coming day.

    Args:
        runs: Soonest end first, those without an end last.
        group_by: An attribute of ``Run``: ``owner`` or ``flavor``.
        bounds: Now, and the viewer's midnight.
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
    """From moments to percent."""

    starts: datetime

    @classmethod
    def around(cls, now: datetime) -> "_Scale":
        return cls(_floor(now, SLOT))

    def of(self, moment: datetime) -> float:
        share = (moment - self.starts) / (SLOTS * SLOT)
        return min(max(share, 0.0), 1.0) * 100

    def slot(self, moment: datetime) -> int | None:
        """Which half hour; what is overdue counts to the present one."""
        number = max(0, (moment - self.starts) // SLOT)
        return number if number < SLOTS else None

    def ticks(self) -> list[Tick]:
        # By quarters of an hour: not every zone is whole hours away from UTC.
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
    """Largest first; what does not fit in goes into one last group."""
    found: dict[str, Group] = {}
    for run in runs:
        label: str = getattr(run, group_by)
        found.setdefault(label, Group(label, group_by)).runs.append(run)
    groups = sorted(
        found.values(), key=lambda one: (-len(one.runs), one.label.casefold())
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
    # One scale for all groups: they are there to be compared.
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
