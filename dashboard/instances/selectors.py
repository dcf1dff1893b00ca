"""Reads of the mirror for its pages."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cache, partial
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Count, Prefetch, Q, QuerySet
from django.utils import timezone

from dashboard.accounts.models import User
from dashboard.accounts.permissions import can_edit
from dashboard.livepoll import state
from dashboard.livepoll.state import FleetState
from dashboard.web.provided import Provided
from dashboard.web.raw_queries import all_rows

from . import countdown
from .edit_states import RETRYABLE_STATES, InstanceEdit
from .models import Cloud, Instance

_SETTLED_STAYS = timedelta(minutes=10)
_FAILED_STAYS = timedelta(days=1)

edits: Provided[Callable[[], QuerySet[Any]]] = Provided()
"""All edits; ``dashboard.edits`` provides them."""


@dataclass(frozen=True)
class Row:
    """An instance as one line of the list.

    Attributes:
        edit: The latest edit while it is open or news; else None.
    """

    instance: Instance
    look: countdown.StatusBadge
    this_run: countdown.Countdown
    next_run: str
    edit: InstanceEdit | None
    may_edit: bool

    @property
    def is_moving(self) -> bool:
        """Whether the cloud is about to report something new."""
        return self.this_run.state in countdown.MOVING

    @property
    def has_open_edit(self) -> bool:
        """Whether a wish for it is under way."""
        return bool(self.edit and self.edit.is_open)


def with_news(instances: QuerySet[Instance], now: datetime) -> QuerySet[Instance]:
    """Fetch what a row shows in addition to the instance."""
    news = (
        edits.get()()
        .filter(
            Q(finished_at=None)
            | Q(finished_at__gte=now - _SETTLED_STAYS)
            | Q(state__in=RETRYABLE_STATES, finished_at__gte=now - _FAILED_STAYS)
        )
        .order_by("-seq")
    )
    return (
        instances.select_related("cloud")
        .prefetch_related(Prefetch("edits", news, to_attr="news"))
        .fetch_mode(models.FETCH_PEERS)
    )


def rows(instances: Iterable[Instance], *, user: User, now: datetime) -> list[Row]:
    """Return rows for instances that were read ``with_news``."""
    may_act = cache(partial(can_edit, user))
    return [
        Row(
            instance=instance,
            look=countdown.badge(instance),
            this_run=countdown.this_run(instance, now),
            next_run=countdown.next_run(instance),
            edit=_news(instance, now),
            may_edit=instance.missing_since is None and may_act(instance.owner),
        )
        for instance in instances
    ]


def _news(instance: Instance, now: datetime) -> InstanceEdit | None:
    """Return the latest edit that is news, as the instance may be from a cache."""
    news: list[InstanceEdit] = instance.news  # type: ignore[attr-defined]  # by ``with_news``
    for edit in news:
        stays = _FAILED_STAYS if edit.state in RETRYABLE_STATES else _SETTLED_STAYS
        if edit.finished_at is None or edit.finished_at >= now - stays:
            return edit
    return None


class Age(StrEnum):
    FRESH = "fresh"
    OLD = "old"
    STALE = "stale"


@dataclass(frozen=True)
class Freshness:
    """How old the mirror is, and which clouds have trouble.

    Attributes:
        clouds: All but the retired ones.
        as_of: When the cloud that lags most was last read completely; None when one
            never was. Removed clouds do not count: they are not read any more.
    """

    clouds: list[Cloud]
    as_of: datetime | None
    now: datetime

    OLD_AFTER = 3
    STALE_AFTER = 10
    """In units of ``CURFEW_REFRESH_SECONDS``."""

    @property
    def failing(self) -> list[Cloud]:
        """Clouds whose latest refresh failed."""
        return [cloud for cloud in self.configured if cloud.problem]

    @property
    def configured(self) -> list[Cloud]:
        """Clouds of the configuration: those that are read."""
        return [cloud for cloud in self.clouds if cloud.unconfigured_since is None]

    @property
    def removed(self) -> list[Cloud]:
        """Clouds that left the configuration and are not retired yet."""
        return [cloud for cloud in self.clouds if cloud.unconfigured_since is not None]

    @property
    def partly_read(self) -> list[Cloud]:
        """Clouds whose listing is under way, in more than one task."""
        reason = Cloud.Incomplete.PARTLY_READ
        return [cloud for cloud in self.configured if cloud.incomplete == reason]

    @property
    def miscounted(self) -> list[Cloud]:
        """Clouds that list another number of instances than they count."""
        reason = Cloud.Incomplete.WRONG_COUNT
        return [cloud for cloud in self.configured if cloud.incomplete == reason]

    @property
    def read_at_ms(self) -> dict[int, int | None]:
        """When each configured cloud was last read completely, for ``FleetState``."""
        return {cloud.pk: cloud.refreshed_at_ms for cloud in self.configured}

    @property
    def held(self) -> list[Cloud]:
        """Clouds to which no edit is sent for now."""
        return [cloud for cloud in self.clouds if cloud.held_since]

    @property
    def never_read(self) -> bool:
        """Whether no cloud was ever read completely."""
        return not any(cloud.refreshed_at for cloud in self.clouds)

    @property
    def as_of_ms(self) -> int | None:
        """For ``data-ago``: Unix **ms**."""
        return None if self.as_of is None else countdown.unix_ms(self.as_of)

    @property
    def text(self) -> str:
        """As in ``12 s ago``."""
        return "" if self.as_of is None else countdown.ago_text(self._seconds)

    @property
    def age(self) -> Age:
        """How far the mirror can be trusted."""
        if self.as_of is None or self._seconds * 1000 >= self.stale_ms:
            return Age.STALE
        return Age.OLD if self._seconds * 1000 >= self.old_ms else Age.FRESH

    @property
    def old_ms(self) -> int:
        """Age in ms from which the page shows it in amber."""
        return round(settings.CURFEW.refresh_seconds * 1000 * self.OLD_AFTER)

    @property
    def stale_ms(self) -> int:
        """Age in ms from which the page shows it in red."""
        return round(settings.CURFEW.refresh_seconds * 1000 * self.STALE_AFTER)

    @property
    def _seconds(self) -> int:
        assert self.as_of is not None  # noqa: S101  (asked by the callers)
        return max(0, (self.now - self.as_of) // timedelta(seconds=1))


def freshness(now: datetime) -> Freshness:
    """Return how old the mirror is at ``now``."""
    clouds = [
        cloud for cloud in all_rows(Cloud, order_by="name") if not cloud.retired_at
    ]
    moments = [cloud.refreshed_at for cloud in clouds if not cloud.unconfigured_since]
    known = [moment for moment in moments if moment is not None]
    as_of = min(known) if known and len(known) == len(moments) else None
    return Freshness(clouds=clouds, as_of=as_of, now=now)


def count_by_owner(limit: int) -> QuerySet[Instance, tuple[str, str, int]]:
    """Name, ID and number of instances of the owners who have most of them."""
    return (
        Instance.objects.exclude(owner_name="", owner_id="")
        .values_list("owner_name", "owner_id")
        .annotate(number=Count("pk"))
        .order_by("-number", "owner_name")[:limit]
    )


def publish_fleet_state(version: int) -> FleetState:
    """Read the state of the fleet from the database, and publish it for polls.

    Args:
        version: The fleet's, read before: a change in between is published late,
            but never missed.
    """
    fleet = FleetState(version, freshness(timezone.now()).read_at_ms)
    state.put(fleet.version, fleet.read_at_ms)
    return fleet
