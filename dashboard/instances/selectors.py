"""Reads of the mirror for its pages."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple

from django.apps import apps
from django.conf import settings
from django.core.paginator import Page, Paginator
from django.db import models
from django.db.models import Prefetch, Q, QuerySet

from dashboard.accounts.models import User
from dashboard.accounts.permissions import can_edit

from . import clock
from .filters import AUTO_STOP_OFF, RUNNING, ListQuery, due
from .models import Cloud, Instance

_SETTLED_STAYS = timedelta(minutes=10)
_FAILED_STAYS = timedelta(days=1)
_MOVING = {clock.State.STARTING, clock.State.STOPPING, clock.State.DUE}


@dataclass(frozen=True)
class Row:
    """An instance as one line of the list.

    Attributes:
        edit: The latest edit while it is open or news; else None.
    """

    instance: Instance
    look: clock.Look
    this_run: clock.Clock
    next_run: str
    edit: Any
    may_edit: bool

    @property
    def is_moving(self) -> bool:
        """Whether the cloud is about to report something new."""
        return self.this_run.state in _MOVING

    @property
    def has_open_edit(self) -> bool:
        """Whether a wish for it is under way."""
        return bool(self.edit and self.edit.is_open)


class FleetPage(NamedTuple):
    """One page of the list."""

    rows: list[Row]
    page: Page[Instance]

    @property
    def shown(self) -> str:
        """Names which rows stand here in which order."""
        return order_of(self.rows)

    @property
    def page_numbers(self) -> Iterable[int | str]:
        """Numbers for the pager, with gaps in a long one."""
        return self.page.paginator.get_elided_page_range(
            self.page.number, on_each_side=2, on_ends=1
        )

    @property
    def interval_seconds(self) -> int:
        """How soon the page should ask again."""
        return interval_seconds(self.rows)


def order_of(rows: Sequence[Row]) -> str:
    """Names which rows stand in which order, for a poll to compare."""
    order = ",".join(str(row.instance.pk) for row in rows)
    return hashlib.blake2b(order.encode(), digest_size=6).hexdigest()


def interval_seconds(rows: Sequence[Row]) -> int:
    """How soon a page with these rows should ask again."""
    if any(row.has_open_edit for row in rows):
        return 1
    return 2 if any(row.is_moving for row in rows) else 5


def fleet_page(query: ListQuery, *, user: User, now: datetime) -> FleetPage:
    """The page of the list that an address asks for; the last one when past the end."""
    found = query.apply(Instance.objects.visible_to(user))
    # Large, and looked at for those alone that wait in a queue.
    light = with_news(found, now).defer("document", "search_text")
    page = Paginator(light, query.per_page).get_page(query.page)
    return FleetPage(rows(page.object_list, user=user, now=now), page)


def with_news(instances: QuerySet[Instance], now: datetime) -> QuerySet[Instance]:
    """Fetch along what a row shows beside the instance itself."""
    # By name: edits sit above this app and must not be imported here.
    edit = apps.get_model("edits", "Edit")
    troubled = ["failed", "conflict"]
    news = edit._default_manager.filter(
        Q(finished_at=None)
        | Q(finished_at__gte=now - _SETTLED_STAYS)
        | Q(state__in=troubled, finished_at__gte=now - _FAILED_STAYS)
    ).order_by("-seq")
    return (
        instances.select_related("cloud")
        .prefetch_related(Prefetch("edits", news, to_attr="news"))
        .fetch_mode(models.FETCH_PEERS)
    )


def rows(instances: Iterable[Instance], *, user: User, now: datetime) -> list[Row]:
    """Lines for instances that were read ``with_news``."""
    return [
        Row(
            instance=instance,
            look=clock.look(instance),
            this_run=clock.this_run(instance, now),
            next_run=clock.next_run(instance),
            edit=next(iter(instance.news), None),  # type: ignore[attr-defined]
            may_edit=instance.missing_since is None and can_edit(user, instance.owner),
        )
        for instance in instances
    ]


class Counters(NamedTuple):
    """The fleet in four numbers."""

    total: int
    running: int
    due: int
    auto_stop_off: int


def counters(user: User) -> Counters:
    """Count what the person may see, whatever the list is filtered by."""
    seen = Instance.objects.visible_to(user)
    # Four counts of an index each are a tenth of one pass over all rows.
    return Counters(
        total=seen.count(),
        running=seen.filter(RUNNING).count(),
        due=seen.filter(due()).count(),
        auto_stop_off=seen.filter(AUTO_STOP_OFF).count(),
    )


class Facets(NamedTuple):
    """Values to choose from in the list's filters."""

    statuses: list[tuple[str, str]]
    owners: list[str]
    clouds: list[str]
    workspaces: list[str]


def facets(user: User) -> Facets:
    """What occurs in the fleet; statuses as (value, label)."""
    seen = Instance.objects.visible_to(user)

    def values(field: str) -> list[str]:
        # One column each: read off its index, unlike their combinations.
        found = set(seen.order_by().values_list(field, flat=True).distinct())
        return sorted(found - {""}, key=str.casefold)

    return Facets(
        statuses=[
            (value, clock.status_look(value).label) for value in values("status")
        ],
        owners=values("owner_name"),
        clouds=list(Cloud.objects.values_list("name", flat=True)),
        workspaces=values("workspace_id"),
    )


class Age(StrEnum):
    """How far the mirror may be trusted."""

    FRESH = "fresh"
    OLD = "old"
    STALE = "stale"


@dataclass(frozen=True)
class Freshness:
    """How old the mirror is, and where that is somebody's fault.

    Attributes:
        as_of: When the cloud that lags most was last read completely; None when one
            never was.
        troubled: Clouds whose last refresh failed.
    """

    clouds: list[Cloud]
    as_of: datetime | None
    now: datetime

    OLD_AFTER = 3
    STALE_AFTER = 10
    """In units of ``CURFEW_REFRESH_SECONDS``."""

    @property
    def troubled(self) -> list[Cloud]:
        """Clouds whose last refresh failed."""
        return [cloud for cloud in self.clouds if cloud.problem]

    @property
    def held(self) -> list[Cloud]:
        """Clouds to which no edit is sent for now."""
        return [cloud for cloud in self.clouds if cloud.held_since]

    @property
    def never_read(self) -> bool:
        """Whether no cloud was ever read: the first run."""
        return not any(cloud.refreshed_at for cloud in self.clouds)

    @property
    def as_of_ms(self) -> int | None:
        """For ``data-ago``: Unix **ms**."""
        return None if self.as_of is None else clock.unix_ms(self.as_of)

    @property
    def text(self) -> str:
        """As in ``12 s ago``."""
        return "" if self.as_of is None else clock.ago_text(self._seconds)

    @property
    def age(self) -> Age:
        """How far it may be trusted."""
        if self.as_of is None or self._seconds * 1000 >= self.stale_ms:
            return Age.STALE
        return Age.OLD if self._seconds * 1000 >= self.old_ms else Age.FRESH

    @property
    def old_ms(self) -> int:
        """Age in ms from which it is amber."""
        return round(settings.CURFEW.refresh_seconds * 1000 * self.OLD_AFTER)

    @property
    def stale_ms(self) -> int:
        """Age in ms from which it is red."""
        return round(settings.CURFEW.refresh_seconds * 1000 * self.STALE_AFTER)

    @property
    def _seconds(self) -> int:
        assert self.as_of is not None  # noqa: S101  (asked by the callers)
        return max(0, (self.now - self.as_of) // timedelta(seconds=1))


def freshness(now: datetime) -> Freshness:
    """How old the mirror is at ``now``."""
    clouds = list(Cloud.objects.all())
    moments = [cloud.refreshed_at for cloud in clouds]
    known = [moment for moment in moments if moment is not None]
    as_of = min(known) if known and len(known) == len(clouds) else None
    return Freshness(clouds=clouds, as_of=as_of, now=now)
