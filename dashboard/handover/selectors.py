"""Coming stops (the lanes, their cards, the timeline) and who is on shift.

The runs are read once for each version of the fleet, in the order of their ends, and
everyone who watches shares them. Only the keys and versions of all are read; the rest
is read of runs that this process does not know in that version. Lanes are parts of that
order, so a page counts nothing one by one, and reads only the instances of its cards.
"""

from bisect import bisect_right
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from operator import attrgetter
from typing import NamedTuple

from django.db.models import QuerySet
from django.utils.timezone import get_current_timezone_name

from dashboard.accounts.models import User
from dashboard.accounts.permissions import fleet_scope
from dashboard.edits.late_stops import causes_of
from dashboard.instances.filters import ListQuery
from dashboard.instances.listing import rows_at
from dashboard.instances.models import Instance
from dashboard.instances.open_notebook import console_address
from dashboard.instances.run_state import (
    RUNNING,
    is_idle_lease,
    late_after,
    overdue_after,
)
from dashboard.instances.selectors import Row
from dashboard.livepoll.pages import layout_hash, poll_interval
from dashboard.web.process_cache import ProcessCache
from dashboard.web.stored_messages import Message

from .filters import DueQuery
from .lanes import HEADINGS, Heading, Lane, LaneBounds
from .models import Handover
from .timeline import MAX_BARS, STEP, Run, Timeline, drawn_bars, drawn_columns, floor

MAX_CARDS = 12
"""Per lane; for the others there is a link to the list."""

LONGEST_SHIFT = timedelta(hours=12)
"""A shift ends after this time even if nobody takes over."""

# By (fleet version, scope, filters), the timeline also by what time changes of it. Some
# filters depend on the time, too.
_runs = ProcessCache(max_size=64, seconds=5)
_timelines = ProcessCache(max_size=64, seconds=5)
# The runs that were read last by (scope, filters), by their keys.
_known_runs = ProcessCache(max_size=16, seconds=60)
# By the instances in their versions: an edit that changes gives its instance a new one.
_causes = ProcessCache(max_size=64, seconds=5)

FEW = 500
"""Of more new runs all are read at once."""

MINUTE = timedelta(minutes=1)


class Column(NamedTuple):
    """One lane of the page.

    Attributes:
        rows: Soonest first, at most ``MAX_CARDS``.
        total: Number of all its runs.
        overdue: How many of them are overdue.
        query: Lists its runs.
    """

    lane: Lane
    heading: Heading
    rows: list[Row]
    total: int
    overdue: int
    query: dict[str, str]

    @property
    def hidden(self) -> int:
        return self.total - len(self.rows)


class LateStop(NamedTuple):
    """An instance that should have stopped.

    Attributes:
        since: When it should have.
        cause: What should have stopped it.
        console: Its page in the vendor's console; empty if unknown.
    """

    row: Row
    since: datetime
    cause: str
    console: str


class LateStops(NamedTuple):
    """The late stops of a query.

    Attributes:
        stops: Those that are late for longest first, at most ``MAX_CARDS``.
        total: Number of all.
        next_at: When the next stop will be late; None if none is due within a minute.
    """

    stops: list[LateStop]
    total: int
    next_at: datetime | None


@dataclass(frozen=True)
class Board:
    """The whole page.

    Attributes:
        changes_at_ms: When the page changes next without a new fleet version, Unix
            **ms**.
    """

    late: LateStops
    columns: list[Column]
    timeline: Timeline
    changes_at_ms: int

    @property
    def cards(self) -> list[Row]:
        return [row for column in self.columns for row in column.rows]

    @property
    def instance_pks(self) -> set[int]:
        """Return the instances that the page names."""
        bars = (bar.pk for group in self.timeline.drawn for bar in group.bars)
        late = (stop.row.instance.pk for stop in self.late.stops)
        return {*bars, *late, *(row.instance.pk for row in self.cards)}

    @property
    def layout(self) -> str:
        """Return a hash of the late stops, the cards and all numbers beside them."""
        columns = [
            (column.total, column.overdue, [row.instance.pk for row in column.rows])
            for column in self.columns
        ]
        late = [
            (stop.row.instance.pk, stop.row.instance.status, stop.cause)
            for stop in self.late.stops
        ]
        return layout_hash((columns, late, self.late.total))

    @property
    def interval_seconds(self) -> int:
        return poll_interval(
            has_open_edit=any(row.has_open_edit for row in self.cards),
            expects_change=any(row.this_run.expects_change for row in self.cards),
        )


def board(query: DueQuery, *, user: User, version: int, now: datetime) -> Board:
    """Return the content of the page at ``now``, in the active time zone.

    Args:
        version: The fleet version, read before.
    """
    own = query.instances.seen_by(user)
    key = (version, fleet_scope(user), own.narrowed)
    runs: _Runs = _runs.get_or_compute(key, lambda: _running(own, user, now, key[1:]))
    bounds = LaneBounds(now)
    lanes = {lane: runs.ending[part] for lane, part in bounds.slices(runs.ends)}
    lanes |= {Lane.IDLE: runs.idle, Lane.NEVER: runs.never}
    totals = tuple(len(part) for part in lanes.values())
    has_bars = sum(totals) <= MAX_BARS
    most = MAX_BARS if has_bars else MAX_CARDS
    shown = [run for part in lanes.values() for run in part[:most]]
    rows = {row.instance.pk: row for row in rows_at(shown, user=user, now=now)}
    step = floor(now, STEP)
    if has_bars:
        timeline = drawn_bars(lanes, rows, group_by=query.group, now=now)
    else:
        timeline = _timelines.get_or_compute(
            (*key, query.group, step, get_current_timezone_name(), totals),
            lambda: drawn_columns(lanes, group_by=query.group, now=now),
        )
    # The line of "now" moves as well.
    late = _late_stops(runs.due, user, now)
    changes = (bounds.changes_at(runs.ends), late.next_at, step + STEP)
    changes_at = min(moment for moment in changes if moment)
    overdue = bisect_right(runs.ends, now - overdue_after())
    return Board(
        late=late,
        columns=[
            Column(
                lane,
                heading,
                [rows[run.pk] for run in lanes[lane][:MAX_CARDS] if run.pk in rows],
                total=len(lanes[lane]),
                overdue=overdue if lane is Lane.NOW else 0,
                query=bounds.query(lane),
            )
            for lane, heading in HEADINGS.items()
            if lanes[lane] or lane != Lane.IDLE
        ],
        timeline=timeline,
        # Rounded up, so that a poll at this time finds the change.
        changes_at_ms=int(changes_at.timestamp() * 1000) + 1,
    )


def _late_stops(due: Sequence["_DueStop"], user: User, now: datetime) -> LateStops:
    number = bisect_right(due, now - late_after(), key=attrgetter("due_at"))
    shown = due[: min(number, MAX_CARDS)]
    rows = {row.instance.pk: row for row in rows_at(shown, user=user, now=now)}
    causes: dict[int, Message] = _causes.get_or_compute(
        tuple((pk, row.instance.version) for pk, row in rows.items()),
        lambda: causes_of([row.instance for row in rows.values()]),
    )
    return LateStops(
        stops=[
            LateStop(
                rows[stop.pk],
                stop.due_at,
                str(causes[stop.pk]),
                console_address(rows[stop.pk].instance),
            )
            for stop in shown
            if stop.pk in rows
        ],
        total=number,
        next_at=due[number].due_at + late_after() if number < len(due) else None,
    )


class _DueStop(NamedTuple):
    pk: int
    version: int
    due_at: datetime


class _Runs(NamedTuple):
    """All running instances that a query matches.

    Attributes:
        ends: Those of ``ending``, in order.
        never: The longest first: it has cost most.
        due: What should have stopped, or should within a minute, in that order.
    """

    ending: Sequence[Run]
    ends: Sequence[datetime]
    idle: Sequence[Run]
    never: Sequence[Run]
    due: Sequence[_DueStop]


def _running(query: ListQuery, user: User, now: datetime, key: Hashable) -> _Runs:
    instances = query.narrow(Instance.objects.visible_to(user), user=user)
    due = instances.filter(stop_due_at__lte=now + MINUTE)
    due = due.order_by("stop_due_at", "pk")
    runs = _read_runs(instances.filter(RUNNING), key)
    ending = [run for run in runs if run.stops_at is not None]
    return _Runs(
        ending=ending,
        ends=[run.stops_at for run in ending if run.stops_at],
        idle=[run for run in runs if run.is_idle],
        never=[run for run in runs if run.stops_at is None and not run.is_idle],
        due=[_DueStop(*ref) for ref in due.values_list("pk", "version", "stop_due_at")],
    )


def _read_runs(running: QuerySet[Instance], key: Hashable) -> list[Run]:
    """Return runs in the order of their ends.

    Args:
        running: These instances.
        key: Of what was read before.
    """
    running = running.order_by("run_ends_at", "run_started_at", "pk")
    known: dict[int, Run] | None = _known_runs.get(key)
    runs = _merged(running, known) if known else None
    if runs is None:
        runs = _whole(running)
    _known_runs.put(key, {run.pk: run for run in runs})
    return runs


def _merged(running: QuerySet[Instance], known: dict[int, Run]) -> list[Run] | None:
    """Read only new runs; return None if too much has changed."""
    refs = list(running.values_list("pk", "version"))
    new = [
        pk for pk, version in refs if pk not in known or known[pk].version != version
    ]
    if len(new) > FEW:
        return None
    known = known | {run.pk: run for run in _whole(running.filter(pk__in=new))}
    runs = [known[pk] for pk, _version in refs if pk in known]
    # A run that has changed between the two queries may be at another place.
    is_current = [(run.pk, run.version) for run in runs] == refs
    return runs if is_current else None


def _whole(running: QuerySet[Instance]) -> list[Run]:
    # Values instead of models: this may read the whole fleet.
    values = running.values_list(
        *("pk", "version", "owner_name", "flavor", "run_ends_at"),
        *("lease_type", "auto_stop_enable"),
    )
    return [
        Run(
            pk,
            version,
            owner,
            flavor,
            end,
            is_idle=end is None and is_idle_lease(lease_type, on),
        )
        for pk, version, owner, flavor, end, lease_type, on in values
    ]


def person_on_shift(now: datetime) -> User | None:
    """Return who took over last; None once that is ``LONGEST_SHIFT`` ago."""
    recent = Handover.objects.filter(taken_over_at__range=(now - LONGEST_SHIFT, now))
    last = recent.select_related("taken_over_by").defer("document", "summary")
    handover = last.order_by("-taken_over_at", "-pk").first()
    person = handover and handover.taken_over_by
    return person if person and person.is_active else None
