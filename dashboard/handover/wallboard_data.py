"""What a wallboard shows: five numbers and the next ten stops."""

import hashlib
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
from dashboard.saved.queries import read

from .models import WallLink
from .wallboard_services import alias

NEXT = 10
"""Stops shown one by one."""


class Tile(NamedTuple):
    """One number.

    Attributes:
        tone: Its colour, unless it is 0.
    """

    key: str
    label: Promise
    number: int
    icon: str
    tone: str


class Stop(NamedTuple):
    """One of the next ends of a run; its names are masked where they must be.

    Attributes:
        cloud: Empty while there is only one: names repeat between clouds.
    """

    name: str
    owner: str
    cloud: str
    run: countdown.Countdown


@dataclass(frozen=True)
class Wall:
    """Everything on it.

    Attributes:
        changes_at_ms: When it changes by itself next, Unix **ms**; 0 for never.
    """

    tiles: list[Tile]
    stops: list[Stop]
    freshness: Freshness
    changes_at_ms: int

    @property
    def shown(self) -> str:
        """Names what is shown, ages and remaining times aside."""
        said = repr(
            (
                [(tile.key, tile.number) for tile in self.tiles],
                [
                    (one.name, one.owner, one.cloud, one.run.stops_at)
                    for one in self.stops
                ],
            )
        )
        health = [(one.name, bool(one.problem)) for one in self.freshness.clouds]
        return hashlib.blake2b(f"{said}{health}".encode(), digest_size=6).hexdigest()


def wall(link: WallLink, now: datetime) -> Wall:
    """The wall at ``now``.

    It shows what any account may see: the whole mirror, as far as its view goes.
    """
    wanted = read(link.query).kept
    found = InstanceFilter(wanted, queryset=Instance.objects.all()).qs.order_by()
    numbers = found.aggregate(
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
    ending = found.filter(run_state.WITH_END)
    light = ending.select_related("cloud").defer("document", "search_text")
    coming = list(light.order_by("run_ends_at", "pk")[:NEXT])
    fresh = freshness(now)
    several = len(fresh.clouds) > 1
    return Wall(
        tiles=tiles,
        stops=[_stop(link, one, now, names_cloud=several) for one in coming],
        freshness=fresh,
        changes_at_ms=_changes_at_ms(found, now),
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


def _changes_at_ms(found: "QuerySet[Instance]", now: datetime) -> int:
    """When time alone changes a number: a run becomes soon, or overdue."""
    coming = []
    for span in (run_state.SOON, -run_state.overdue_after()):
        later = found.filter(run_state.WITH_END, run_ends_at__gt=now + span)
        ends = later.order_by("run_ends_at").values_list("run_ends_at", flat=True)
        if first := ends.first():
            coming.append(first - span)
    # Rounded up: asked then, the moment has come.
    return int(min(coming).timestamp() * 1000) + 1 if coming else 0
