"""The list's pages and numbers, read once for each version of the fleet.

A page is read in two steps: first the keys and versions of its instances, then the
instances that this process has not cached in that version. Everyone who watches the
same list shares both, and the numbers around it. The key of a cached value contains
what a person may see (``permissions.fleet_scope``); what they may edit is checked each
time.

The version is read before what is cached under it, so nothing cached is older.
"""

from bisect import bisect_left
from collections.abc import Callable, Hashable, Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from django.core.paginator import Page, Paginator
from django.db.models import (
    Count,
    DateTimeField,
    Exists,
    Expression,
    F,
    OuterRef,
    Q,
    QuerySet,
    Value,
)
from django.utils import timezone
from django.utils.translation import get_language

from dashboard.accounts.models import User
from dashboard.accounts.permissions import fleet_scope
from dashboard.accounts.selectors import team_names
from dashboard.livepoll.pages import poll_interval
from dashboard.modelarts.generations import Generation
from dashboard.web.process_cache import ProcessCache
from dashboard.web.raw_queries import Prepared, count_each, few_values, least_and_most

from . import countdown, prices, run_state
from .display import GROUP_VALUES
from .filters import ListQuery, page_by_price
from .models import Cloud, Instance
from .selectors import (
    Row,
    edits,
    is_of_one_moment,
    reread_if_changed,
    rows_of,
    with_news,
)

_COLUMNS = (
    *("cloud__name", "cloud__skew_ms", "instance_id", "name", "description", "status"),
    *("owner_id", "owner_name", "flavor", "flavor_type", "problems", "version"),
    *("auto_stop_enable", "auto_stop_duration", "stops_at", "run_started_at"),
    *("status_since", "missing_since", "generation", "lease_type", "idle_seconds"),
    *("idle_stop_at", "tags", "cloud__unconfigured_since", "workspace_id"),
    *("stop_requested_at", "cloud__console_url"),
    "cloud__held_since",  # what a pending edit's chip says
)

FAR = 1_000
"""From this place on, the keys of a page are read before what its rows show.

On PostgreSQL with 100,000 rows both ways took the same time at about this place. One
statement was faster before place 300, keys first three to eight times from 3,000 on.
"""

INSTANCES_PER_SECOND = 20_000
"""A page of a fleet of this size is read at most once a second, unless one of its rows
changes; with 100,000 instances, once in 5 s. Counting takes most of the time."""

# By (pk, version). An edit's chip is at most this old if a change of its state did not
# raise the version of its instance.
_instances = ProcessCache(max_size=4_096, seconds=60)
# By (fleet version, scope, …). Some values also depend on the time: runs come due.
_results = ProcessCache(max_size=512, seconds=5)
# The size of the fleet.
_sizes = ProcessCache(max_size=1, seconds=60)
# Compiled, by what decides the SQL.
_queries = ProcessCache(max_size=512, seconds=600)


class RowRef(NamedTuple):
    """An instance on a page, with the values that decide whether its row is read.

    Attributes:
        group: Its value of ``display.GROUP_VALUES``; empty in a list without groups.
    """

    pk: int
    version: int
    status: str
    missing_since: datetime | None
    run_ends_at: datetime | None
    has_open_edit: bool
    group: str

    def expects_change(self, now: datetime) -> bool:
        """As ``Countdown.expects_change``, without a countdown."""
        if self.run_ends_at is not None:
            return self.run_ends_at <= now
        return self.missing_since is None and countdown.leaves_soon(self.status)


class FleetPage(NamedTuple):
    """One page of the list.

    Attributes:
        page: For the pager; contains positions instead of instances.
        interval_seconds: How soon the page polls again.
        groups: Number of instances by group, on all pages.
    """

    row_refs: Sequence[RowRef]
    page: Page[int]
    interval_seconds: int
    groups: dict[str, int]

    @property
    def page_numbers(self) -> Iterable[int | str]:
        """Numbers for the pager, with gaps in a long one."""
        return self.page.paginator.get_elided_page_range(
            self.page.number, on_each_side=2, on_ends=1
        )


def moved(displayed: Sequence[Hashable], current: Sequence[Hashable]) -> int:
    """Count the rows that were added, removed or must move.

    Args:
        displayed: Keys of the rows in the order that a browser shows.
        current: Keys of the rows in their present order.
    """
    return len({*displayed, *current}) - len(_staying(displayed, current))


def moves(displayed: Sequence[str], current: Sequence[str]) -> list[str]:
    """Return the fewest moves that turn one order into the other, as in ``moved``.

    Returns:
        To be carried out in this order: ``-5`` removes the row 5, ``7:3`` puts the row
        7 after the row 3, and ``7:`` puts it first.
    """
    staying, present = _staying(displayed, current), {*current}
    found = [f"-{row}" for row in displayed if row not in present]
    previous = ""
    for row in current:
        if row not in staying:
            found.append(f"{row}:{previous}")
        previous = row
    return found


def _staying[Key: Hashable](
    displayed: Sequence[Key], current: Sequence[Key]
) -> set[Key]:
    """Return the largest set of rows that need not move: an increasing subsequence."""
    index = {row: position for position, row in enumerate(displayed)}
    # The last position of the best subsequence of each length, and the chain to it.
    ends: list[int] = []
    before: dict[int, int | None] = {}
    for position in (index[row] for row in current if row in index):
        at = bisect_left(ends, position)
        ends[at : at + 1] = [position]
        before[position] = ends[at - 1] if at else None
    staying, last = set(), ends[-1] if ends else None
    while last is not None:
        staying.add(displayed[last])
        last = before[last]
    return staying


def fleet_page(
    query: ListQuery, *, user: User, version: int, now: datetime, group: str = ""
) -> FleetPage:
    """Return the page of the list that a URL names; the last page when past the end.

    Args:
        query: See ``filters``.
        user: The person, who may see a part of the fleet.
        version: The fleet version, read before.
        now: Aware.
        group: A key of ``display.GROUPS``, by which the rows are ordered first.
    """
    query = query.seen_by(user)
    key = (version, fleet_scope(user))
    total = _total(user, version, query)
    page = Paginator(range(total), query.per_page).get_page(query.page)
    row_refs: list[RowRef] = _results.get_or_compute(
        (
            *(*key, "row_refs", query.narrowed, query.sort, group),
            *(query.per_page, page.number),
        ),
        lambda: refs_of_page(query, user, page, group),
    )
    groups: dict[str, int] = {}
    if group:
        groups = _results.get_or_compute(
            (*key, "groups", query.narrowed, group),
            lambda: _groups(query, user, group),
        )
    interval_seconds = poll_interval(
        has_open_edit=any(row_ref.has_open_edit for row_ref in row_refs),
        expects_change=any(row_ref.expects_change(now) for row_ref in row_refs),
    )
    return FleetPage(row_refs, page, interval_seconds, groups)


def row_refs_of(pks: Sequence[int], *, user: User) -> list[RowRef]:
    """Return the references of these instances that are visible, in the given order."""
    visible = Instance.objects.visible_to(user).filter(pk__in=pks)
    by_pk = {columns[0]: RowRef(*columns) for columns in _row_refs(visible)}
    return [by_pk[pk] for pk in pks if pk in by_pk]


class Versioned(Protocol):
    """What names an instance in one version."""

    @property
    def pk(self) -> int: ...
    @property
    def version(self) -> int: ...


def rows_at(row_refs: Sequence[Versioned], *, user: User, now: datetime) -> list[Row]:
    """Return the rows of a page; read only instances that are not cached."""
    instances = {
        row_ref.pk: _instances.get((row_ref.pk, row_ref.version))
        for row_ref in row_refs
    }
    missing = [pk for pk, instance in instances.items() if instance is None]
    if missing:
        queryset = Instance.objects.visible_to(user).filter(pk__in=missing)
        read = with_news(queryset, now).only(*_COLUMNS)
        for instance in reread_if_changed(read, now):
            instances[instance.pk] = instance
            if is_of_one_moment(instance, instance.news):  # type: ignore[attr-defined]
                _instances.put((instance.pk, instance.version), instance)
    return rows_of(filter(None, instances.values()), user=user, now=now)


def pause_seconds() -> int:
    """Return how long a page is not read again for what changes elsewhere."""
    number = _sizes.get_or_compute("all", Instance.objects.count)
    return number // INSTANCES_PER_SECOND


class Counters(NamedTuple):
    """Numbers of instances; ``run_state`` defines them."""

    total: int
    running: int
    due: int
    without_end: int


def counters(user: User, *, version: int, within: ListQuery | None = None) -> Counters:
    """Count the instances that the person may see.

    Args:
        user: The person.
        version: The fleet version, read before.
        within: Count only the instances of this query; None for all.
    """
    within = within and within.seen_by(user)
    narrowed = within.narrowed if within else ()
    return _results.get_or_compute(
        (version, fleet_scope(user), "counters", narrowed),
        lambda: _count(user, version, within if narrowed else None),
    )


class Facets(NamedTuple):
    """Values to choose from in the list's filters."""

    statuses: tuple[tuple[str, str], ...]
    owners: tuple[str, ...]
    teams: tuple[str, ...]
    clouds: tuple[str, ...]
    workspaces: tuple[str, ...]
    generations: tuple[str, ...]
    has_tags: bool


def facets(user: User, *, version: int) -> Facets:
    """Return the values that occur in the fleet; statuses as (value, label)."""
    return _results.get_or_compute(
        (version, fleet_scope(user), "facets", get_language()),
        lambda: _choices(user, generations(user, version=version)),
    )


def generations(user: User, *, version: int) -> tuple[str, ...]:
    """Return the generations of the API that occur in the fleet."""
    return _results.get_or_compute(
        (version, fleet_scope(user), "generations"),
        lambda: _generations(user),
    )


def _generations(user: User) -> tuple[str, ...]:
    if fleet_scope(user) != "all":
        return ()
    # The ends of an index; all distinct values would take a pass over it.
    ends = least_and_most(Instance, "generation")
    return tuple(str(value) for value in Generation if value in ends)


def _total(user: User, version: int, query: ListQuery | None) -> int:
    return _results.get_or_compute(
        _total_key(user, version, query),
        lambda: count_each(_counts(user, query)[:1])[0],
    )


def _total_key(user: User, version: int, query: ListQuery | None) -> Hashable:
    return (version, fleet_scope(user), "total", query.narrowed if query else ())


def _counts(user: User, query: ListQuery | None) -> list[Prepared[Any]]:
    """Return the queries that ``Counters`` counts, in its order.

    Their parameter is ``soon``, in an hour.
    """

    def matching(condition: Q) -> QuerySet[Any]:
        instances: QuerySet[Instance] = Instance.objects.visible_to(user)
        if query:
            instances = query.narrow(instances, user=user)
        return instances.filter(condition).order_by().values("pk")

    def prepare() -> list[Prepared[Any]]:
        return [
            Prepared(lambda: matching(Q())),
            Prepared(lambda: matching(run_state.RUNNING)),
            Prepared(
                lambda soon: matching(run_state.ends_by(soon)), soon=DateTimeField()
            ),
            Prepared(lambda: matching(run_state.WITHOUT_END)),
        ]

    key = ("counts", fleet_scope(user), query.narrowed if query else ())
    return _prepared(query, key, prepare)


def _prepared[Found](
    query: ListQuery | None, key: Hashable, prepare: Callable[[], Found]
) -> Found:
    if query and not query.is_fixed:
        return prepare()
    return _queries.get_or_compute(key, prepare)


def refs_of_page(
    query: ListQuery, user: User, page: Page[int], group: str
) -> list[RowRef]:
    """Read the references of a page; see ``fleet_page``."""
    value = GROUP_VALUES.get(group)
    visible = Instance.objects.visible_to(user)
    first, end = max(0, page.start_index() - 1), page.end_index()
    if query.sort.removeprefix("-") == prices.SORT and value is None:
        narrowed = query.narrow(visible, user=user)
        places = page_by_price(narrowed, query.sort, first, end)
        return [RowRef(*columns) for columns in _row_refs(places)]
    # From the end where that is nearer: the database reads all rows before a page.
    total = page.paginator.count
    is_backwards = first > total - end
    if is_backwards:
        first, end = total - end, total - first

    def prepare() -> Prepared[Any]:
        def build() -> QuerySet[Any]:
            instances = query.apply(visible, user=user, group=value)
            if is_backwards:
                instances = instances.reverse()
            return _row_refs(_paged(instances, first, end), value)

        return Prepared(build)

    key = (
        *("row_refs", fleet_scope(user), query.narrowed, query.sort, group),
        *(first, end, is_backwards),
    )
    found = [RowRef(*columns) for columns in _prepared(query, key, prepare).rows()]
    return found[::-1] if is_backwards else found


def _paged(instances: QuerySet[Instance], first: int, end: int) -> QuerySet[Instance]:
    """Return the instances at some places.

    Far from the start only their keys are read in this order: PostgreSQL computes all
    that a row shows for the rows before a page, too.
    """
    if first < FAR:
        return instances[first:end]
    near = Instance.objects.filter(pk__in=instances.values("pk")[first:end])
    ordered = near.order_by(*instances.query.order_by)
    return ordered if instances.query.standard_ordering else ordered.reverse()


def _groups(query: ListQuery, user: User, group: str) -> dict[str, int]:
    instances = query.narrow(Instance.objects.visible_to(user), user=user).order_by()
    counted = instances.values(value=GROUP_VALUES[group]).annotate(number=Count("pk"))
    return dict(counted.values_list("value", "number"))


def _row_refs(
    instances: QuerySet[Instance], group: Expression | F | None = None
) -> QuerySet[Any]:
    """Read the columns of ``RowRef``."""
    open_edit = Exists(edits.get()().filter(instance=OuterRef("pk"), finished_at=None))
    return instances.values_list(
        *("pk", "version", "status", "missing_since", "run_ends_at"),
        open_edit,
        Value("") if group is None else group,
    )


def _count(user: User, version: int, within: ListQuery | None) -> Counters:
    soon = timezone.now() + run_state.HOUR
    if within and "tag" in within.active_filters:
        # No index answers it, so each count would read all rows.
        found = _count_in_one_pass(user, within, soon)
    else:
        # Four counts of an index each take a tenth of one pass over all rows.
        found = Counters(*count_each(_counts(user, within), soon=soon))
    _results.put(_total_key(user, version, within), found.total)
    return found


def _count_in_one_pass(user: User, within: ListQuery, soon: datetime) -> Counters:
    narrowed = within.narrow(Instance.objects.visible_to(user), user=user)
    numbers = narrowed.aggregate(
        total=Count("pk"),
        running=Count("pk", filter=run_state.RUNNING),
        due=Count("pk", filter=run_state.ends_by(soon)),
        without_end=Count("pk", filter=run_state.WITHOUT_END),
    )
    return Counters(**numbers)


def _choices(user: User, generations: tuple[str, ...]) -> Facets:
    instances = Instance.objects.visible_to(user).order_by()

    def in_order(values: Iterable[str]) -> tuple[str, ...]:
        return tuple(sorted({*values} - {""}, key=str.casefold))

    if fleet_scope(user) != "all":
        return Facets((), (), team_names(), (), (), generations, has_tags=False)
    # One column at a time comes from its index, unlike their combinations.
    owners = instances.values_list("owner_name", flat=True).distinct()

    clouds = Cloud.objects.filter(retired_at=None).values_list("name", "has_tags")
    return Facets(
        statuses=tuple(
            (value, countdown.status_badge(value).label)
            for value in in_order(few_values(Instance, "status"))
        ),
        owners=in_order(owners),
        teams=team_names(),
        clouds=tuple(name for name, _has_tags in clouds),
        workspaces=in_order(few_values(Instance, "workspace_id")),
        generations=generations,
        has_tags=any(has_tags for _name, has_tags in clouds),
    )
