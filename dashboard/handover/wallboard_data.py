from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from django.db.models import Count, QuerySet
from django.utils.functional import Promise
from django.utils.translation import gettext, gettext_lazy

from dashboard.instances import countdown, run_state
from dashboard.instances.filters import FAILED, InstanceFilter
from dashboard.instances.models import Instance
from dashboard.instances.selectors import Freshness, freshness
from dashboard.livepoll.pages import layout_hash
from dashboard.saved.queries import read

from .models import WallLink
from .wallboard_services import alias

NEXT = 10
"""Stops that are listed."""


class Tile(NamedTuple):
    """A number; ``tone`` is its color unless it is 0."""

    key: str
    label: Promise
    number: int
    icon: str
    tone: str


class Stop(NamedTuple):
    """One of the next stops; names may be masked.

    Attributes:
        cloud: Empty while there is only one: names repeat between clouds.
    """

    name: str
    owner: str
    cloud: str
    run: countdown.Countdown


@dataclass(frozen=True)
class Wall:
    """The content of a wallboard.

    Attributes:
        changes_at_ms: When time alone changes it next, Unix **ms**; 0 for never.
    """

    tiles: list[Tile]
    stops: list[Stop]
    freshness: Freshness
    changes_at_ms: int

    @property
    def layout(self) -> str:
        """Return a hash of the content, without ages and remaining times."""
        return layout_hash(
            (
                [(tile.key, tile.number) for tile in self.tiles],
                [
                    (stop.name, stop.owner, stop.cloud, stop.run.stops_at)
                    for stop in self.stops
                ],
                [(cloud.name, bool(cloud.problem)) for cloud in self.freshness.clouds],
            )
        )


def wall(link: WallLink, now: datetime) -> Wall:
    """Return the wall at ``now``.

    It shows what any account may see: the whole mirror, within its view.
    """
    filters = read(link.query).kept
    queryset = InstanceFilter(filters, queryset=Instance.objects.all()).qs.order_by()
    numbers = queryset.aggregate(
        running=Count("pk", filter=run_state.RUNNING),
        soon=Count("pk", filter=run_state.soon(now)),
        overdue=Count("pk", filter=run_state.overdue(now)),
        failed=Count("pk", filter=FAILED),
        no_auto_stop=Count("pk", filter=run_state.WITHOUT_END),
    )
    tiles = [
        Tile(
            "running",
            gettext_lazy("Running"),
            numbers["running"],
            "circle-play",
            "good",
        ),
        Tile("soon", gettext_lazy("Within 15 min"), numbers["soon"], "bell", "warn"),
        Tile(
            "overdue", gettext_lazy("Overdue"), numbers["overdue"], "hourglass", "bad"
        ),
        Tile(
            "failed", gettext_lazy("Failed"), numbers["failed"], "triangle-alert", "bad"
        ),
        Tile(
            "no_auto_stop",
            gettext_lazy("No auto-stop"),
            numbers["no_auto_stop"],
            "infinity",
            "busy",
        ),
    ]
    ending = queryset.filter(run_state.WITH_END)
    light = ending.select_related("cloud").defer("document", "search_text")
    coming = list(light.order_by("run_ends_at", "pk")[:NEXT])
    fresh = freshness(now)
    several = len(fresh.clouds) > 1
    return Wall(
        tiles=tiles,
        stops=[_stop(link, instance, now, names_cloud=several) for instance in coming],
        freshness=fresh,
        changes_at_ms=_changes_at_ms(queryset, now),
    )


def _stop(
    link: WallLink, instance: Instance, now: datetime, *, names_cloud: bool
) -> Stop:
    run = countdown.this_run(instance, now)
    if link.masked:
        code = alias(link, instance.pk)
        name = gettext("Instance %(code)s") % {"code": code}
        return Stop(name, "", "", run)
    name = instance.name or instance.instance_id
    cloud = instance.cloud.name if names_cloud else ""
    return Stop(name, instance.owner_name, cloud, run)


def _changes_at_ms(queryset: "QuerySet[Instance]", now: datetime) -> int:
    """Return when time alone changes a number: a run becomes soon, or overdue."""
    coming = []
    for span in (run_state.SOON, -run_state.overdue_after()):
        later = queryset.filter(run_state.WITH_END, run_ends_at__gt=now + span)
        ends = later.order_by("run_ends_at").values_list("run_ends_at", flat=True)
        if first := ends.first():
            coming.append(first - span)
    # Rounded up: a poll at that time sees the change.
    return int(min(coming).timestamp() * 1000) + 1 if coming else 0
