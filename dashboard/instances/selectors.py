from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cache, partial
from typing import Any, NamedTuple

from django.conf import settings
from django.db import models
from django.db.models import Count, F, Prefetch, Q, QuerySet, prefetch_related_objects
from django.utils import timezone

from dashboard.accounts.models import User
from dashboard.accounts.permissions import can_edit
from dashboard.livepoll import state
from dashboard.livepoll.state import FleetState
from dashboard.web.provided import Provided
from dashboard.web.raw_queries import Prepared, all_rows

from . import availability, countdown
from .durations import ago_text
from .edit_states import RETRYABLE_STATES, InstanceEdit
from .models import Cloud, Instance

_COMPLETED_STAYS = timedelta(minutes=10)
_FAILED_STAYS = timedelta(days=1)
_TAGS_IN_ROW = 2
READS = 3
"""How often an instance is read with its edits until both are of one moment."""

edits: Provided[Callable[[], QuerySet[Any]]] = Provided()
"""All edits; ``dashboard.edits`` provides them, since only it may import their model.
The edits of one instance are ``instance.edits``."""

overrides: Provided[Callable[[], QuerySet[Any]]] = Provided()
"""The overrides of schedules that have not ended, with their authors, likewise."""


class _Possible(NamedTuple):
    extend: bool
    start: bool
    stop: bool


@dataclass
class Row:
    """An instance as one line of the list.

    It is not frozen, since Python takes four times as long to create one that is.

    Attributes:
        edit: The latest edit while it is open or news; else None.
        override: The override of schedules in effect; else None.
        may_extend, may_start, may_stop: Whether the person may do that now.
    """

    instance: Instance
    this_run: countdown.Countdown
    edit: InstanceEdit | None
    override: Any
    may_edit: bool
    may_extend: bool
    may_start: bool
    may_stop: bool

    @property
    def badge(self) -> countdown.StatusBadge:
        return countdown.badge(self.instance)

    @property
    def next_run(self) -> str:
        return countdown.next_run(self.instance)

    @property
    def tags(self) -> list[tuple[str, str]]:
        """The first tags by key; the page of the instance has all of them."""
        return sorted(self.instance.tags.items())[:_TAGS_IN_ROW]

    @property
    def more_tags(self) -> int:
        return max(0, len(self.instance.tags) - _TAGS_IN_ROW)

    @property
    def has_open_edit(self) -> bool:
        return bool(self.edit and self.edit.is_under_way)


def with_news(instances: QuerySet[Instance], now: datetime) -> QuerySet[Instance]:
    """Fetch what a row shows in addition to the instance."""
    return (
        instances.select_related("cloud")
        .prefetch_related(*_news_of(now))
        .fetch_mode(models.FETCH_PEERS)
    )


def _news_of(now: datetime) -> "tuple[Prefetch[Any, Any, Any], ...]":
    news = (
        with_version(edits.get()())
        .filter(
            Q(finished_at=None)
            | Q(finished_at__gte=now - _COMPLETED_STAYS)
            | Q(state__in=RETRYABLE_STATES, finished_at__gte=now - _FAILED_STAYS)
        )
        .order_by("-seq")
    )
    return (
        Prefetch("edits", news, to_attr="news"),
        Prefetch("overrides", overrides.get()(), to_attr="open_overrides"),
    )


def with_version[Edits: QuerySet[Any]](queryset: Edits) -> Edits:
    """Read edits with the version that their instance has at that moment."""
    return queryset.annotate(instance_version=F("instance__version"))


def is_of_one_moment(instance: Instance, edits: Iterable[InstanceEdit]) -> bool:
    """Return whether an instance has not changed until its edits were read.

    Else a change that was just applied would stand beside the former value, as if
    someone had replaced it.

    Args:
        instance: Read before.
        edits: Its own, read ``with_version``.
    """
    return all(
        edit.instance_version == instance.version  # type: ignore[attr-defined]
        for edit in edits
    )


def reread_if_changed(instances: Iterable[Instance], now: datetime) -> list[Instance]:
    """Return instances that were read ``with_news``, each as of one moment."""
    found = [*instances]
    for instance in found:
        for _ in range(READS):
            if is_of_one_moment(instance, instance.news):  # type: ignore[attr-defined]
                break
            instance.refresh_from_db()
            del instance.news, instance.open_overrides  # type: ignore[attr-defined]
            prefetch_related_objects([instance], *_news_of(now))
    return found


def rows(instances: Iterable[Instance], *, user: User, now: datetime) -> list[Row]:
    """Return rows for instances that were read ``with_news``."""
    return rows_of(reread_if_changed(instances, now), user=user, now=now)


def rows_of(instances: Iterable[Instance], *, user: User, now: datetime) -> list[Row]:
    """Return rows for instances, each as of one moment."""
    may_act = cache(partial(can_edit, user))
    return [_row(instance, may_act(instance.owner), now) for instance in instances]


def _row(instance: Instance, may_act: bool, now: datetime) -> Row:
    possible = _possible(instance)
    return Row(
        instance=instance,
        this_run=countdown.this_run(instance, now),
        edit=_news(instance, now),
        override=override_of(instance, now),
        may_edit=may_act and instance.missing_since is None,
        may_extend=may_act and possible.extend,
        may_start=may_act and possible.start,
        may_stop=may_act and possible.stop,
    )


def _possible(instance: Instance) -> _Possible:
    """Return what its status allows, found out once for each instance in memory.

    Lists show the same ones again and again (``listing``).
    """
    kept = vars(instance)
    if "possible_actions" not in kept:
        kept["possible_actions"] = _Possible(
            extend=not availability.why_not_extendable(instance),
            start=not availability.why_not_startable(instance),
            stop=not availability.why_not_stoppable(instance),
        )
    possible: _Possible = kept["possible_actions"]
    return possible


def override_of(instance: Instance, now: datetime) -> Any:
    """Return the override in effect; None without one.

    One query, unless the instance was read with it.
    """
    opened = getattr(instance, "open_overrides", None)
    if opened is None:
        opened = _opened_overrides.rows(instance=instance.pk)
    return next((item for item in opened if item.is_in_effect(now)), None)


_opened_overrides: Prepared[Any] = Prepared(
    lambda instance: overrides.get()().filter(instance=instance),
    instance=models.BigAutoField(),
)


def _news(instance: Instance, now: datetime) -> InstanceEdit | None:
    """Return the latest edit that is news, as the instance may be from a cache."""
    news: list[InstanceEdit] = instance.news  # type: ignore[attr-defined]  # by ``with_news``
    for edit in news:
        stays = _FAILED_STAYS if edit.state in RETRYABLE_STATES else _COMPLETED_STAYS
        if edit.finished_at is None or edit.finished_at >= now - stays:
            return edit
    return None


class Age(StrEnum):
    FRESH = "fresh"
    OLD = "old"
    STALE = "stale"


@dataclass(frozen=True)
class Freshness:
    """How old the mirror is, and which clouds have problems.

    Attributes:
        clouds: All but the retired ones.
        as_of: When every configured cloud had been read completely; None if one never
            was.
    """

    clouds: list[Cloud]
    as_of: datetime | None
    now: datetime

    OLD_AFTER = 3
    STALE_AFTER = 10
    """In units of ``CURFEW_REFRESH_SECONDS``."""

    @property
    def failing(self) -> list[Cloud]:
        return [cloud for cloud in self.configured if cloud.problem]

    @property
    def silent(self) -> list[Cloud]:
        """Clouds that are not read any more, though nothing says why.

        Their workers may be down, or beat, which starts all of their work.
        """
        minutes = settings.CURFEW.silence_minutes
        since = self.now - timedelta(minutes=minutes)
        return [
            cloud
            for cloud in self.configured
            if minutes and cloud.refreshed_at and cloud.refreshed_at <= since
            if not (cloud.problem or cloud.incomplete)
        ]

    @property
    def has_trouble(self) -> bool:
        """Whether pages tell of something that an operator can look into."""
        troubles = (self.paused, self.failing, self.silent, self.miscounted)
        return any(troubles) or bool(self.removed)

    @property
    def configured(self) -> list[Cloud]:
        return [cloud for cloud in self.clouds if cloud.unconfigured_since is None]

    @property
    def removed(self) -> list[Cloud]:
        return [cloud for cloud in self.clouds if cloud.unconfigured_since is not None]

    @property
    def partly_read(self) -> list[Cloud]:
        """Clouds whose listing takes more than one task and is not complete yet."""
        reason = Cloud.Incomplete.PARTLY_READ
        return [cloud for cloud in self.configured if cloud.incomplete == reason]

    @property
    def miscounted(self) -> list[Cloud]:
        """Clouds that list fewer or more instances than they count."""
        reason = Cloud.Incomplete.WRONG_COUNT
        return [cloud for cloud in self.configured if cloud.incomplete == reason]

    @property
    def listing_own_only(self) -> list[Cloud]:
        """Clouds that list only the notebooks of Curfew's own account."""
        own = Cloud.Scope.OWN
        return [cloud for cloud in self.configured if cloud.notebooks_scope == own]

    @property
    def read_at_ms(self) -> dict[int, int | None]:
        """When each configured cloud was last read completely, for ``FleetState``."""
        return {cloud.pk: cloud.refreshed_at_ms for cloud in self.configured}

    @property
    def signature(self) -> list[object]:
        """All that pages show of the clouds, apart from the age of the mirror."""
        return [
            (self.as_of is None, [cloud.pk for cloud in self.silent]),
            *(
                (
                    *(cloud.name, cloud.refreshed_at is None, cloud.unconfigured_since),
                    *(cloud.incomplete, cloud.incomplete_since),
                    *(cloud.listed, cloud.counted, cloud.notebooks_scope),
                    cloud.problem and (cloud.problem, cloud.refreshed_at, self.age),
                    cloud.held_since
                    and (cloud.held_since, cloud.hold_reason, cloud.waiting_edits),
                )
                for cloud in self.clouds
            ),
        ]

    @property
    def paused(self) -> list[Cloud]:
        """Clouds to which no edit is sent, since they do not answer."""
        return [cloud for cloud in self.clouds if cloud.held_since]

    @property
    def never_read(self) -> bool:
        return not any(cloud.refreshed_at for cloud in self.clouds)

    @property
    def as_of_ms(self) -> int | None:
        return None if self.as_of is None else countdown.unix_ms(self.as_of)

    @property
    def text(self) -> str:
        return "" if self.as_of is None else ago_text(self._seconds)

    @property
    def age(self) -> Age:
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
        assert self.as_of is not None  # noqa: S101  (the callers check it)
        return max(0, (self.now - self.as_of) // timedelta(seconds=1))


def freshness(now: datetime) -> Freshness:
    clouds = [
        cloud for cloud in all_rows(Cloud, order_by="name") if not cloud.retired_at
    ]
    moments = [cloud.refreshed_at for cloud in clouds if not cloud.unconfigured_since]
    known = [moment for moment in moments if moment is not None]
    as_of = min(known) if known and len(known) == len(moments) else None
    return Freshness(clouds=clouds, as_of=as_of, now=now)


def count_by_owner(limit: int) -> QuerySet[Instance, tuple[str, str, int]]:
    """Return name, ID and number of instances of the owners with most instances."""
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
