"""The next 24 hours of the fleet as a drawing.

Horizontal positions are percentages of the width, so that the drawing fits any screen
without scaling its text; vertical ones are pixels. Few runs get a bar each. Otherwise
the whole fleet and its largest groups get columns that count the stops in each half
hour. Nothing in here queries the database.
"""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from itertools import chain
from operator import attrgetter
from typing import NamedTuple

from django.urls import reverse
from django.utils import dates, timezone

from dashboard.instances.filter_fields import EXCLUDED
from dashboard.instances.filters import ME
from dashboard.instances.run_state import is_overdue
from dashboard.instances.selectors import Row
from dashboard.livepoll.pages import layout_hash

from .lanes import Lane, LaneBounds, query_of_stops

SLOT = timedelta(minutes=30)
SLOTS = 49
"""Enough for 24 hours from any moment of the first half hour."""

STEP = timedelta(minutes=5)
"""How often the line of "now" moves."""

MAX_BARS = 40
"""More runs are counted instead of drawn."""

MAX_GROUPS = 7
"""Groups with columns of their own; the table has all of them."""

_BAR, _BAR_GAP, _COLUMNS = 20, 4, 30
_NARROW = 30.0
_THINNEST = 0.5


class Run(NamedTuple):
    """A running instance.

    Attributes:
        stops_at: None if its end is unknown.
        is_idle: Whether it ends once nobody uses it; then it has no bar, only a name.
    """

    pk: int
    version: int
    owner: str
    flavor: str
    stops_at: datetime | None
    is_idle: bool = False


class Tick(NamedTuple):
    """A full hour in the viewer's zone.

    Attributes:
        every: 6, 3 or 1: the largest interval of hours that includes this one.
        begins_day: Whether it is midnight; then the label is the weekday.
    """

    x: str
    label: str
    every: int
    begins_day: bool


class Bar(NamedTuple):
    """One run; what it shows, but no version, which would redraw it for nothing.

    Attributes:
        extend_url: Where the viewer can give it another end; empty if they cannot.
        y: Upper edge, pixels.
        label_x: Start of the name, which is beside the bar if that is short.
    """

    pk: int
    name: str
    owner: str
    flavor: str
    stops_at: datetime | None
    is_idle: bool
    url: str
    extend_url: str
    lane: Lane
    is_overdue: bool
    x: str
    width: str
    y: int
    label_x: str
    is_short: bool


class Column(NamedTuple):
    """The runs of a group that end in one half hour.

    Attributes:
        lane: Of the first stop.
        slot: Number of the half hour, from 0.
        y: Upper edge, pixels.
    """

    lane: Lane
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
        # Runs past their end count in the first half hour, too.
        return query_of_stops(self.begins if self.slot else None, self.ends)


@dataclass
class Group:
    """The runs of one owner or one flavor, or all.

    Attributes:
        label: Empty if the cloud does not say.
        grouped_by: ``owner`` or ``flavor``, which is also a parameter of the list;
            empty for all runs.
        numbers: Runs by lane.
        first_stop: None if no run has an end.
    """

    label: str
    grouped_by: str
    numbers: Counter[Lane] = field(default_factory=Counter)
    first_stop: datetime | None = None
    bars: list[Bar] = field(default_factory=list)
    columns: list[Column] = field(default_factory=list)

    @property
    def is_listable(self) -> bool:
        """Whether a query of the list can name it."""
        is_name = bool(self.label) and not self.label.startswith((EXCLUDED, ME))
        return is_name or not self.grouped_by

    @property
    def query(self) -> dict[str, str]:
        return {self.grouped_by: self.label} if self.grouped_by else {}

    @property
    def height(self) -> int:
        """Return the height in pixels."""
        if self.bars:
            return len(self.bars) * (_BAR + _BAR_GAP) - _BAR_GAP
        return _COLUMNS + 16

    @property
    def total(self) -> int:
        return self.numbers.total()

    @property
    def soon(self) -> int:
        """Return the number of runs that end within the hour or are past their end."""
        return sum(self.numbers[lane] for lane in (Lane.NOW, Lane.QUARTER, Lane.HOUR))

    @property
    def never(self) -> int:
        return self.numbers[Lane.NEVER]

    @property
    def idle(self) -> int:
        return self.numbers[Lane.IDLE]

    @property
    def rest(self) -> int:
        """Return the number of runs that end after the next hour."""
        return self.numbers[Lane.EIGHT_HOURS] + self.numbers[Lane.LATER]


@dataclass(frozen=True)
class Timeline:
    """The whole drawing.

    Attributes:
        now_x: Position of the line of "now".
        groups: All groups, the largest first, for the table.
        drawn: What has bars or columns.
        is_counted: Whether these are columns.
    """

    ticks: list[Tick]
    now_x: str
    groups: list[Group]
    drawn: list[Group]
    is_counted: bool
    starts: datetime

    @property
    def total(self) -> int:
        return sum(group.total for group in self.groups)

    @property
    def has_idle(self) -> bool:
        return any(group.idle for group in self.groups)

    @property
    def undrawn(self) -> int:
        """Return the number of groups that only the table has."""
        groups = sum(bool(group.grouped_by) for group in self.drawn)
        return len(self.groups) - groups

    @cached_property
    def layout(self) -> str:
        """A hash of everything drawn, whatever the language."""
        ticks = [tick.x for tick in self.ticks]
        return layout_hash((self.now_x, ticks, self.starts, self.groups, self.drawn))


Lanes = Mapping[Lane, Sequence[Run]]
"""All runs by lane, the soonest end first."""


def drawn_bars(
    lanes: Lanes, rows: Mapping[int, Row], *, group_by: str, now: datetime
) -> Timeline:
    """Draw a bar for each run of the next 24 hours.

    Args:
        rows: The instances of the runs, by key.
        group_by: An attribute of ``Run``: ``owner`` or ``flavor``.
    """
    scale = _Scale.around(now)
    groups, _ends = _grouped(lanes, group_by)
    by_label = {group.label: group for group in groups}
    for lane, runs in lanes.items():
        for run in runs:
            if run.pk in rows:  # else it was deleted just now
                bars = by_label[getattr(run, group_by)].bars
                bars.append(_bar(run, rows[run.pk], lane, len(bars), scale, now))
    return _timeline(scale, now, groups, groups, is_counted=False)


def drawn_columns(lanes: Lanes, *, group_by: str, now: datetime) -> Timeline:
    """Draw columns that count the stops of the next 24 hours.

    Args:
        group_by: As for ``drawn_bars``.
    """
    scale = _Scale.around(now)
    groups, ends = _grouped(lanes, group_by)
    drawn = groups[:MAX_GROUPS]
    bounds = LaneBounds(now)
    # One scale for all groups, so that they can be compared.
    slots = {group.label: scale.slots(ends[group.label]) for group in drawn}
    heights = (len(part) for parts in slots.values() for part in parts.values())
    most = max(heights, default=1)
    for group in drawn:
        group.columns = [
            _column(slot, part, most, scale, bounds)
            for slot, part in slots[group.label].items()
        ]
    if len(groups) > 1:
        whole = Group("", "")
        whole.numbers.update({lane: len(runs) for lane, runs in lanes.items()})
        together = scale.slots(sorted(chain.from_iterable(ends.values())))
        most = max(map(len, together.values()), default=1)
        whole.columns = [
            _column(slot, part, most, scale, bounds) for slot, part in together.items()
        ]
        drawn = [whole, *drawn]
    return _timeline(scale, now, groups, drawn, is_counted=True)


def _timeline(
    scale: "_Scale",
    now: datetime,
    groups: list[Group],
    drawn: list[Group],
    *,
    is_counted: bool,
) -> Timeline:
    now_x = _percent(scale.of(floor(now, STEP)))
    return Timeline(scale.ticks(), now_x, groups, drawn, is_counted, scale.starts)


class _Scale(NamedTuple):
    """Converts moments to percent."""

    starts: datetime

    @classmethod
    def around(cls, now: datetime) -> "_Scale":
        return cls(floor(now, SLOT))

    def of(self, moment: datetime) -> float:
        share = (moment - self.starts) / (SLOTS * SLOT)
        return min(max(share, 0.0), 1.0) * 100

    def slots(self, ends: Sequence[datetime]) -> dict[int, Sequence[datetime]]:
        """Return the ends of each half hour; those that are past are in the first.

        Args:
            ends: In order.
        """
        parts = {}
        first = 0
        for slot in range(SLOTS):
            last = bisect_left(ends, self.starts + (slot + 1) * SLOT)
            if last > first:
                parts[slot] = ends[first:last]
            first = last
        return parts

    def ticks(self) -> list[Tick]:
        # By quarters of an hour: some zones are not whole hours from UTC.
        ticks = []
        for number in range(SLOTS * 2):
            local = timezone.localtime(self.starts + timedelta(minutes=15 * number))
            if local.minute == 0:
                every = next(hours for hours in (6, 3, 1) if local.hour % hours == 0)
                is_midnight = local.hour == 0
                day = dates.WEEKDAYS_ABBR[local.weekday()]
                label = day if is_midnight else f"{local:%H}"
                x = _percent(self.of(local))
                ticks.append(Tick(x, label, every, begins_day=is_midnight))
        return ticks


def floor(moment: datetime, step: timedelta) -> datetime:
    return moment - timedelta(seconds=moment.timestamp() % step.total_seconds())


def _percent(share: float) -> str:
    return f"{share:.3f}%"


def _grouped(
    lanes: Lanes, group_by: str
) -> tuple[list[Group], dict[str, list[datetime]]]:
    """Return the groups, the largest first, and the ends of each by its label."""
    label_of = attrgetter(group_by)
    groups: dict[str, Group] = {}
    ends: dict[str, list[datetime]] = defaultdict(list)
    for lane, runs in lanes.items():
        for label, number in Counter(map(label_of, runs)).items():
            group = groups.setdefault(label, Group(label, group_by))
            group.numbers[lane] = number
        for run in runs:
            if run.stops_at is not None:
                ends[label_of(run)].append(run.stops_at)
    for group in groups.values():
        group.first_stop = min(ends[group.label], default=None)
    largest_first = sorted(
        groups.values(), key=lambda group: (-group.total, group.label.casefold())
    )
    return largest_first, ends


def _bar(
    run: Run, row: Row, lane: Lane, number: int, scale: _Scale, now: datetime
) -> Bar:
    begins = scale.of(floor(now, STEP))
    ends = 100.0 if run.stops_at is None else scale.of(run.stops_at)
    width = max(ends - begins, _THINNEST)
    is_short = width < _NARROW
    instance = row.instance
    args = [instance.cloud.name, instance.instance_id]
    return Bar(
        pk=run.pk,
        name=instance.name,
        owner=run.owner,
        flavor=run.flavor,
        stops_at=run.stops_at,
        is_idle=run.is_idle,
        url=instance.get_absolute_url(),
        extend_url=reverse("edits:extend", args=args) if row.may_extend else "",
        lane=lane,
        is_overdue=run.stops_at is not None and is_overdue(run.stops_at, now),
        x=_percent(begins),
        width=_percent(width),
        y=number * (_BAR + _BAR_GAP),
        label_x=_percent(begins + width if is_short else begins),
        is_short=is_short,
    )


def _column(
    slot: int,
    ends: Sequence[datetime],
    most: int,
    scale: _Scale,
    bounds: LaneBounds,
) -> Column:
    begins = scale.starts + slot * SLOT
    left, right = scale.of(begins), scale.of(begins + SLOT)
    height = max(3, round(_COLUMNS * len(ends) / most))
    return Column(
        lane=bounds.lane(ends[0]),
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
