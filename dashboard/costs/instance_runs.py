"""The last runs of one instance, for its page."""

from datetime import timedelta
from typing import Any, NamedTuple

from django.db.models import BigAutoField, Exists, OuterRef, QuerySet
from django.utils import timezone

from dashboard.accounts import permissions
from dashboard.accounts.models import User
from dashboard.instances.models import Instance
from dashboard.web.raw_queries import Prepared

from . import usage
from .current_prices import current_prices
from .models import Gap, Run
from .periods import day_of
from .run_lines import RunLine, run_lines

SHOWN = 5
LISTED = timedelta(days=90)
"""How far back the list of its runs goes."""


class InstanceRuns(NamedTuple):
    """The last runs of an instance.

    Attributes:
        lines: The latest first.
        has_more: Whether there are earlier ones.
        query: Parameters of the list of its runs.
    """

    lines: list[RunLine]
    has_more: bool
    query: dict[str, str]


def _runs(instance: Any) -> QuerySet[Run]:
    gap_since = Gap.objects.filter(
        cloud=OuterRef("allocation__cloud"), until__gt=OuterRef("started_at")
    )
    found = Run.objects.filter(instance=instance).annotate(gap_since=Exists(gap_since))
    return found.select_related("allocation__cloud", "ended_by_person")[: SHOWN + 1]


_last_runs = Prepared(_runs, instance=BigAutoField())


def runs_of(instance: Instance, user: User) -> InstanceRuns | None:
    """Return the last runs; None if there are none that the user may see."""
    scope = permissions.cost_scope(user)
    if scope != "all" and not (
        scope == "own" and permissions.owns(user, instance.owner)
    ):
        return None
    now = timezone.now()
    found = _last_runs.rows(instance=instance.pk)
    if not found:
        return None
    for run in found:
        run.instance = instance
    # Most clouds have no gap, so one is looked for with the runs.
    has_gap = any(run.gap_since for run in found)  # type: ignore[attr-defined]
    gaps = usage.gaps_of(found, now, has_stored=has_gap)
    lines = run_lines(found[:SHOWN], now, prices=current_prices().list, gaps=gaps)
    today = day_of(now)
    query = {
        "instance": f"{instance.pk}",
        "period": "custom",
        "since": f"{today - LISTED}",
        "until": f"{today}",
    }
    return InstanceRuns(lines, len(found) > SHOWN, query)
