"""Coming stops: the buckets, their cards, and the timeline."""

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
from dashboard.livepoll.pages import layout_hash, poll_interval

from .buckets import HEADINGS, Bucket, BucketBounds, Heading
from .filters import DueQuery
from .timeline import STEP, Run, Timeline, timeline

MOST_CARDS = 20
"""Per bucket; the rest is a number and a link."""


class Column(NamedTuple):
    """One bucket of the page.

    Attributes:
        rows: Soonest first, at most ``MOST_CARDS``.
        total: Number of all of them.
    """

    bucket: Bucket
    heading: Heading
    rows: list[Row]
    total: int

    @property
    def hidden(self) -> int:
        return self.total - len(self.rows)

    @property
    def query(self) -> dict[str, str]:
        """Return the query that lists these, or all running ones if no filter fits."""
        exactly = {Bucket.OVERDUE: "overdue", Bucket.NO_AUTO_STOP: "never"}.get(
            self.bucket
        )
        return {"autostop": exactly} if exactly else {"status": "RUNNING"}


@dataclass(frozen=True)
class Board:
    """The whole page.

    Attributes:
        changes_at_ms: When time alone changes the page next, Unix **ms**.
    """

    columns: list[Column]
    timeline: Timeline
    changes_at_ms: int

    @property
    def cards(self) -> list[Row]:
        return [row for column in self.columns for row in column.rows]

    @property
    def layout(self) -> str:
        """Return a hash of which cards are in which bucket, and of the totals."""
        return layout_hash(
            [
                (column.total, [row.instance.pk for row in column.rows])
                for column in self.columns
            ]
        )

    @property
    def interval_seconds(self) -> int:
        """Return after how many seconds the page polls again."""
        return poll_interval(
            has_open_edit=any(row.has_open_edit for row in self.cards),
            is_moving=any(row.is_moving for row in self.cards),
        )


def board(query: DueQuery, *, user: User, now: datetime) -> Board:
    """Return the page at ``now``, in the active time zone."""
    runs = _running(query, user)
    bounds = BucketBounds.at(now)
    by_bucket: dict[Bucket, list[Run]] = defaultdict(list)
    for run in runs:
        by_bucket[bounds.bucket(run.stops_at)].append(run)
    cards = _cards([by_bucket[bucket][:MOST_CARDS] for bucket in HEADINGS], user, now)
    columns = [
        Column(
            bucket,
            heading,
            [
                cards[run.pk]
                for run in by_bucket[bucket][:MOST_CARDS]
                if run.pk in cards
            ],
            len(by_bucket[bucket]),
        )
        for bucket, heading in HEADINGS.items()
    ]
    # The line of "now" moves, too.
    changes_at = min(bounds.changes_at(run.stops_at for run in runs), now + STEP)
    return Board(
        columns=columns,
        timeline=timeline(runs, group_by=query.group, bounds=bounds),
        changes_at_ms=_ms_after(changes_at),
    )


def _ms_after(moment: datetime) -> int:
    """Return Unix **ms**, rounded up: a poll at that time sees the change."""
    return int(moment.timestamp() * 1000) + 1


def _running(query: DueQuery, user: User) -> list[Run]:
    """Return running instances by their end.

    Those without one come last, longest first.
    """
    queryset = query.apply(Instance.objects.visible_to(user).filter(RUNNING))
    # Values and no models: this reads the whole fleet.
    values = queryset.order_by("run_ends_at", "run_started_at", "pk").values_list(
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
    # Databases sort NULL differently.
    return sorted(runs, key=lambda run: run.stops_at is None)


def _cards(buckets: Sequence[list[Run]], user: User, now: datetime) -> dict[int, Row]:
    keys = [run.pk for runs in buckets for run in runs]
    queryset = with_news(Instance.objects.visible_to(user).filter(pk__in=keys), now)
    return {row.instance.pk: row for row in rows(queryset, user=user, now=now)}
