from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db.models import Count, QuerySet
from django.utils.formats import number_format
from django.utils.functional import Promise
from django.utils.text import capfirst
from django.utils.translation import gettext, gettext_lazy as _

from dashboard.accounts.selectors import team_names
from dashboard.costs.current_prices import current_prices
from dashboard.costs.money import Money
from dashboard.costs.periods import day_of, start_of
from dashboard.costs.recent import ran_since
from dashboard.instances import countdown, run_state
from dashboard.instances.filter_fields import EXCLUDED
from dashboard.instances.filters import FAILED, InstanceFilter
from dashboard.instances.models import Cloud, Instance
from dashboard.instances.selectors import Freshness, freshness
from dashboard.livepoll.pages import layout_hash
from dashboard.saved.queries import describe, read
from dashboard.web.process_cache import ProcessCache

from .models import WallLink
from .wallboard_services import alias

MAX_STOPS = 10
_NAMES = ("q", "owner")
"""Filters that may contain names of instances and owners."""
MAX_LATE = 3


# Reads all runs of a day: too much for each change of the fleet.
_today = ProcessCache(max_size=128, seconds=60)
_COSTS_EVERY = timedelta(minutes=5)
"""How often a screen updates the cost of today if no instance has changed."""


class Tile(NamedTuple):
    """A number; ``tone`` is its color unless it is 0."""

    key: str
    label: Promise
    icon: str
    tone: str
    number: int


class CostTile(NamedTuple):
    """An amount of money.

    Attributes:
        text: In the reader's language, without the currency.
        unpriced: Number of running instances that it lacks, as they have no price.
    """

    key: str
    label: str
    text: str
    unpriced: int


_TILES = (
    ("running", _("Running"), "circle-play", "good"),
    ("soon", _("Within 15 min"), "bell", "warn"),
    ("overdue", _("Overdue"), "hourglass", "bad"),
    ("failed", _("Failed"), "triangle-alert", "bad"),
    ("no_auto_stop", _("No auto-stop"), "infinity", "busy"),
)


class Stop(NamedTuple):
    """One of the next stops; names may be masked.

    Attributes:
        cloud: Empty if there is only one.
    """

    name: str
    owner: str
    cloud: str
    run: countdown.Countdown


@dataclass(frozen=True)
class Wall:
    """The content of a wallboard.

    Attributes:
        filters: What the wallboard is limited to, one phrase for each filter.
        lost_teams: Teams of the filter that no longer exist: they match nothing.
        late: Instances that should have stopped, at most ``MAX_LATE``.
        late_total: Number of all of these.
        idle: Number of runs that stop when nobody uses them, at no known time.
        costs: Amounts; none while nothing that runs has a price.
        changes_at_ms: When it changes next without a new fleet version, Unix **ms**; 0
            for never.
    """

    filters: list[str]
    lost_teams: list[str]
    late: list[Stop]
    late_total: int
    tiles: list[Tile]
    costs: list[CostTile]
    stops: list[Stop]
    idle: int
    freshness: Freshness
    changes_at_ms: int

    @property
    def layout(self) -> str:
        """Return a hash of the content without ages and remaining times."""
        return layout_hash(
            (
                [(tile.key, tile.number) for tile in self.tiles],
                self.costs,
                [
                    (stop.name, stop.owner, stop.cloud, stop.run.stops_at)
                    for stop in (*self.late, *self.stops)
                ],
                self.late_total,
                self.idle,
                self.lost_teams,
                [_trouble(cloud) for cloud in self.freshness.clouds],
            )
        )


def wall(link: WallLink, now: datetime) -> Wall:
    """Return the content at ``now``: of the whole mirror, within the link's view."""
    filters = read(link.query).kept
    queryset = InstanceFilter(filters, queryset=Instance.objects.all()).qs.order_by()
    numbers = queryset.aggregate(
        running=Count("pk", filter=run_state.RUNNING),
        soon=Count("pk", filter=run_state.ends_within_quarter(now)),
        overdue=Count("pk", filter=run_state.overdue(now)),
        failed=Count("pk", filter=FAILED),
        no_auto_stop=Count("pk", filter=run_state.WITHOUT_END),
        idle=Count("pk", filter=run_state.WHEN_IDLE),
        late=Count("pk", filter=run_state.late_stop(now)),
    )
    tiles = [Tile(*tile, numbers[tile[0]]) for tile in _TILES]
    costs = _costs(link, queryset, now)
    changes_at_ms = _changes_at_ms(queryset, now)
    if costs:
        soon_ms = countdown.unix_ms(now + _COSTS_EVERY)
        changes_at_ms = min(changes_at_ms or soon_ms, soon_ms)
    light = queryset.select_related("cloud").defer("document", "search_text")
    ending = light.filter(run_state.WITH_END)
    next_stops = list(ending.order_by("run_ends_at", "pk")[:MAX_STOPS])
    late = light.filter(run_state.late_stop(now)).order_by("stop_due_at", "pk")
    fresh = freshness(now)
    names_cloud = len(fresh.clouds) > 1
    return Wall(
        filters=_filters(link),
        lost_teams=_lost_teams(filters.getlist("team")),
        late=[
            _stop(link, instance, now, names_cloud=names_cloud)
            for instance in (late[:MAX_LATE] if numbers["late"] else ())
        ],
        late_total=numbers["late"],
        tiles=tiles,
        costs=costs,
        stops=[
            _stop(link, instance, now, names_cloud=names_cloud)
            for instance in next_stops
        ],
        idle=numbers["idle"],
        freshness=fresh,
        changes_at_ms=changes_at_ms,
    )


def _filters(link: WallLink) -> list[str]:
    """Return the filters in words; a masked wallboard keeps the names to itself."""
    hidden = _NAMES if link.masked else ()
    query = read(link.query).without(*hidden, "sort", "per_page")
    return [capfirst(phrase) for phrase in describe(query)] if query.lists else []


def _lost_teams(values: list[str]) -> list[str]:
    if not values:
        return []
    names = [value.removeprefix(EXCLUDED) for value in values]
    return [name for name in names if name not in team_names()]


def _trouble(cloud: Cloud) -> tuple[object, ...]:
    """Return what the board says about a cloud."""
    return (
        *(cloud.name, bool(cloud.problem), cloud.notebooks_scope),
        *(cloud.incomplete, cloud.listed, cloud.counted),
        cloud.unconfigured_since is not None,
    )


def _stop(
    link: WallLink, instance: Instance, now: datetime, *, names_cloud: bool
) -> Stop:
    run = countdown.this_run(instance, now)
    if link.masked:
        name = gettext("Instance %(code)s") % {"code": alias(link, instance.pk)}
        return Stop(name, "", "", run)
    name = instance.name or instance.instance_id
    cloud = instance.cloud.name if names_cloud else ""
    return Stop(name, instance.owner_name, cloud, run)


def _changes_at_ms(queryset: QuerySet[Instance], now: datetime) -> int:
    """Return when the next run enters its last quarter, is overdue or stops late."""
    moments = []
    for span in (run_state.QUARTER, -run_state.overdue_after()):
        later = queryset.filter(run_state.WITH_END, run_ends_at__gt=now + span)
        ends = later.order_by("run_ends_at").values_list("run_ends_at", flat=True)
        if first := ends.first():
            moments.append(first - span)
    late_after = run_state.late_after()
    due = queryset.filter(stop_due_at__gt=now - late_after).order_by("stop_due_at")
    if first := due.values_list("stop_due_at", flat=True).first():
        moments.append(first + late_after)
    # Rounded up, so that a poll at this time finds the change.
    return int(min(moments).timestamp() * 1000) + 1 if moments else 0


def _costs(
    link: WallLink, queryset: QuerySet[Instance], now: datetime
) -> list[CostTile]:
    """Return what an hour of everything that runs costs, and what today has cost.

    They are sums, so walls that hide names have them, too.
    """
    running = queryset.filter(run_state.RUNNING)
    pairs = running.values_list("cloud__name", "flavor").annotate(number=Count("pk"))
    prices, hourly, unpriced = current_prices(), Money(), 0
    for cloud, flavor, number in pairs:
        if price := prices.of(cloud, flavor):
            hourly += Money({price.currency: price.running * number})
        else:
            unpriced += number
    if not hourly:
        return []
    # Other walls of the same view share it.
    instances = queryset if link.query else None
    today = _today.get_or_compute(
        (link.query, now.replace(second=0, microsecond=0)),
        lambda: ran_since(start_of(day_of(now)), now, instances).cost,
    )
    tiles = [
        (key, label % {"currency": currency}, amount, missing)
        for key, label, money, missing in (
            ("per_hour", gettext("%(currency)s an hour"), hourly, unpriced),
            ("today", gettext("%(currency)s today"), today, 0),
        )
        for currency, amount in money.amounts.items()
    ]
    return [
        CostTile(key, label, number_format(amount, 2, force_grouping=True), missing)
        for key, label, amount, missing in tiles
    ]
