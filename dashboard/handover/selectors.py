"""What is coming up: the lanes, their cards, and the timeline."""

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from django.urls import reverse

from dashboard.accounts.models import User
from dashboard.instances.models import Instance
from dashboard.instances.run_state import RUNNING
from dashboard.instances.selectors import Row, rows, with_news

from .filters import DueQuery
from .horizon import HEADINGS, Heading, Horizon, Lane
from .timeline import STEP, Run, Timeline, timeline

MOST_CARDS = 20
"""In one lane; whatever comes after them is a number and a link."""


class Column(NamedTuple):
    """One lane of the page.

    Attributes:
        rows: Soonest first, at most ``MOST_CARDS``.
        total: How many there are.
    """

    lane: Lane
    heading: Heading
    rows: list[Row]
    total: int

    @property
    def hidden(self) -> int:
        """How many are not shown."""
        return self.total - len(self.rows)

    @property
    def query(self) -> dict[str, str]:
        """What lists them: these alone, or all that run where no filter fits."""
        exactly = {Lane.OVERDUE: "overdue", Lane.ENDLESS: "never"}.get(self.lane)
        return {"autostop": exactly} if exactly else {"status": "RUNNING"}


@dataclass(frozen=True)
class Board:
    """Everything on the page.

    Attributes:
        turn_ms: When the page changes by itself next, Unix **ms**.
    """

    columns: list[Column]
    timeline: Timeline
    turn_ms: int

    @property
    def cards(self) -> list[Row]:
        """Those of all lanes."""
        return [row for column in self.columns for row in column.rows]

    @property
    def shown(self) -> str:
        """Names which cards stand in which lane, and the lanes' numbers."""
        order = repr(
            [
                (column.total, [row.instance.pk for row in column.rows])
                for column in self.columns
            ]
        )
        return hashlib.blake2b(order.encode(), digest_size=6).hexdigest()

    @property
    def interval_seconds(self) -> int:
        """How soon the page should ask again."""
        if any(row.has_open_edit for row in self.cards):
            return 1
        return 2 if any(row.is_moving for row in self.cards) else 5


def board(query: DueQuery, *, user: User, now: datetime) -> Board:
    """The page at ``now``, in the time zone that is active."""
    runs = _running(query, user)
    horizon = Horizon.at(now)
    by_lane: dict[Lane, list[Run]] = defaultdict(list)
    for run in runs:
        by_lane[horizon.lane(run.stops_at)].append(run)
    cards = _cards([by_lane[lane][:MOST_CARDS] for lane in HEADINGS], user, now)
    columns = [
        Column(
            lane,
            heading,
            [cards[run.pk] for run in by_lane[lane][:MOST_CARDS] if run.pk in cards],
            len(by_lane[lane]),
        )
        for lane, heading in HEADINGS.items()
    ]
    # The line of "now" moves on, too.
    turn = min(horizon.turn(run.stops_at for run in runs), now + STEP)
    return Board(
        columns=columns,
        timeline=timeline(runs, group_by=query.group, horizon=horizon),
        turn_ms=_ms_after(turn),
    )


def _ms_after(moment: datetime) -> int:
    """Unix **ms**, rounded up: asked then, the moment has come."""
    return int(moment.timestamp() * 1000) + 1


def _running(query: DueQuery, user: User) -> list[Run]:
    """All of them, soonest end first; of those without one, the oldest run first."""
    found = query.apply(Instance.objects.visible_to(user).filter(RUNNING))
    # Values and no models: this reads the whole fleet.
    values = found.order_by("run_ends_at", "run_started_at", "pk").values_list(
        *("pk", "name", "instance_id", "cloud__name", "owner_name", "flavor"),
        "run_ends_at",
    )
    runs = [
        Run(
            pk,
            name,
            reverse("instances:detail", args=[cloud, instance_id]),
            owner,
            flavor,
            stops_at,
        )
        for pk, name, instance_id, cloud, owner, flavor, stops_at in values
    ]
    # Databases do not agree where a missing moment is sorted.
    return sorted(runs, key=lambda run: run.stops_at is None)


def _cards(lanes: Sequence[list[Run]], user: User, now: datetime) -> dict[int, Row]:
    shown = [run.pk for runs in lanes for run in runs]
    found = with_news(Instance.objects.visible_to(user).filter(pk__in=shown), now)
    return {row.instance.pk: row for row in rows(found, user=user, now=now)}
