"""The list's pages and numbers, read once for each version of the fleet.

A page is read in two steps: first which instances are on it, in their order, then
those that changed since this process last read them. Everyone who watches the same list
shares both, and the numbers around it. The key contains what a person may see
(``permissions.fleet_scope``); what a person may edit is checked each time.

The version is read before what is cached under it, so nothing cached is older.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from django.core.paginator import Page, Paginator
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone
from django.utils.translation import get_language

from dashboard.accounts.models import User
from dashboard.accounts.permissions import fleet_scope
from dashboard.livepoll.pages import poll_interval
from dashboard.web.process_cache import ProcessCache

from . import countdown, run_state
from .filters import ListQuery
from .models import Cloud, Instance
from .selectors import Row, edits, rows, with_news

_SHOWN = (
    *("cloud__name", "cloud__skew_ms", "instance_id", "name", "description", "status"),
    *("owner_id", "owner_name", "flavor", "flavor_type", "problems", "version"),
    *("auto_stop_enable", "auto_stop_duration", "stops_at", "run_started_at"),
    *("status_since", "missing_since"),
)

# By (pk, version). The age bounds what an edit's chip may lag, should a change of its
# state ever not count as one of its instance.
_instances = ProcessCache(max_size=4_096, seconds=60)
# By (fleet version, scope, …). Some of it depends on the time, too: runs come due.
_answers = ProcessCache(max_size=512, seconds=5)


class RowRef(NamedTuple):
    """An instance on a page, with what decides whether the row must be read."""

    pk: int
    version: int
    status: str
    missing_since: datetime | None
    run_ends_at: datetime | None
    has_open_edit: bool

    def is_moving(self, now: datetime) -> bool:
        """Whether the cloud is about to report something new."""
        if self.run_ends_at is not None:
            return self.run_ends_at <= now
        return self.missing_since is None and countdown.is_moving(self.status)


class FleetPage(NamedTuple):
    """One page of the list.

    Attributes:
        page: Of numbers, not of instances: for the pager alone.
        interval_seconds: How soon the page polls again.
    """

    row_refs: Sequence[RowRef]
    page: Page[int]
    interval_seconds: int

    @property
    def page_numbers(self) -> Iterable[int | str]:
        """Numbers for the pager, with gaps in a long one."""
        return self.page.paginator.get_elided_page_range(
            self.page.number, on_each_side=2, on_ends=1
        )


def moved(displayed: Sequence[int], current: Sequence[int]) -> int:
    """Count the rows that were added, removed or must move.

    Args:
        displayed: Keys of the rows in the order that a browser shows.
        current: Keys of the rows in their present order.
    """
    index = {pk: position for position, pk in enumerate(displayed)}
    # Rows of a longest increasing subsequence stay in place; all others move.
    ends: list[int] = []
    for position in (index[pk] for pk in current if pk in index):
        at = bisect_left(ends, position)
        ends[at : at + 1] = [position]
    return len({*displayed, *current}) - len(ends)


def fleet_page(
    query: ListQuery, *, user: User, version: int, now: datetime
) -> FleetPage:
    """Return the page of the list that a URL names; the last one when past the end.

    Args:
        query: See ``filters``.
        user: The person, who sees a part of the fleet.
        version: The fleet version, read before.
        now: Aware.
    """
    key = (version, fleet_scope(user))
    total = _answers.get_or_compute(
        (*key, "total", query.narrowed), lambda: _total(query, user)
    )
    page = Paginator(range(total), query.per_page).get_page(query.page)
    row_refs: list[RowRef] = _answers.get_or_compute(
        (*key, "row_refs", query.narrowed, query.sort, query.per_page, page.number),
        lambda: _row_refs(query, user, page),
    )
    interval_seconds = poll_interval(
        has_open_edit=any(row_ref.has_open_edit for row_ref in row_refs),
        is_moving=any(row_ref.is_moving(now) for row_ref in row_refs),
    )
    return FleetPage(row_refs, page, interval_seconds)


def row_refs_of(pks: Sequence[int], *, user: User) -> list[RowRef]:
    """Return the visible ones of these instances, in the given order."""
    visible = Instance.objects.visible_to(user).filter(pk__in=pks)
    by_pk = {row_ref.pk: row_ref for row_ref in _as_row_refs(visible)}
    return [by_pk[pk] for pk in pks if pk in by_pk]


def rows_at(row_refs: Sequence[RowRef], *, user: User, now: datetime) -> list[Row]:
    """Return rows of a page; read only what this process has not cached."""
    instances = {
        row_ref.pk: _instances.get((row_ref.pk, row_ref.version))
        for row_ref in row_refs
    }
    missing = [pk for pk, instance in instances.items() if instance is None]
    if missing:
        queryset = Instance.objects.visible_to(user).filter(pk__in=missing)
        for instance in with_news(queryset, now).only(*_SHOWN):
            instances[instance.pk] = instance
            _instances.put((instance.pk, instance.version), instance)
    return rows(filter(None, instances.values()), user=user, now=now)


class Counters(NamedTuple):
    """The fleet in four numbers, defined in ``run_state``."""

    total: int
    running: int
    due: int
    without_end: int


def counters(user: User, *, version: int, within: ListQuery | None = None) -> Counters:
    """Count what the person may see.

    Args:
        user: The person.
        version: The fleet version, read before.
        within: Count only what this query lists; None for everything.
    """
    narrowed = within.narrowed if within else ()
    return _answers.get_or_compute(
        (version, fleet_scope(user), "counters", narrowed),
        lambda: _count(user, within if narrowed else None),
    )


class Facets(NamedTuple):
    """Values to choose from in the list's filters."""

    statuses: tuple[tuple[str, str], ...]
    owners: tuple[str, ...]
    clouds: tuple[str, ...]
    workspaces: tuple[str, ...]


def facets(user: User, *, version: int) -> Facets:
    """Return what occurs in the fleet; statuses as (value, label)."""
    return _answers.get_or_compute(
        (version, fleet_scope(user), "facets", get_language()), lambda: _choices(user)
    )


def _total(query: ListQuery, user: User) -> int:
    return query.apply(Instance.objects.visible_to(user)).count()


def _row_refs(query: ListQuery, user: User, page: Page[int]) -> list[RowRef]:
    instances = query.apply(Instance.objects.visible_to(user))
    first = max(0, page.start_index() - 1)
    return _as_row_refs(instances[first : page.end_index()])


def _as_row_refs(instances: QuerySet[Instance]) -> list[RowRef]:
    open_edit = Exists(edits.get()().filter(instance=OuterRef("pk"), finished_at=None))
    values = instances.values_list(
        *("pk", "version", "status", "missing_since", "run_ends_at"), open_edit
    )
    return [RowRef(*columns) for columns in values]


def _count(user: User, within: ListQuery | None) -> Counters:
    instances = Instance.objects.visible_to(user)
    if within:
        instances = within.filters.filter_queryset(instances)
    # Four counts of an index each take a tenth of one pass over all rows.
    return Counters(
        total=instances.count(),
        running=instances.filter(run_state.RUNNING).count(),
        due=instances.filter(run_state.due(timezone.now())).count(),
        without_end=instances.filter(run_state.WITHOUT_END).count(),
    )


def _choices(user: User) -> Facets:
    instances = Instance.objects.visible_to(user).order_by()

    def values(field: str) -> tuple[str, ...]:
        # One column at a time comes from its index, unlike their combinations.
        distinct = set(instances.values_list(field, flat=True).distinct())
        return tuple(sorted(distinct - {""}, key=str.casefold))

    return Facets(
        statuses=tuple(
            (value, countdown.status_badge(value).label) for value in values("status")
        ),
        owners=values("owner_name"),
        clouds=tuple(
            Cloud.objects.filter(retired_at=None).values_list("name", flat=True)
        ),
        workspaces=values("workspace_id"),
    )
