"""Writes of planned stops: which runs a rule is going to stop, and when."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import transaction

from dashboard.instances.models import FleetVersion, Instance

from .models import PlannedStop, Rule
from .remedies import Remedy

_ROWS = 200


@transaction.atomic
def plan_stops(
    *, rule: Rule, wanted: Iterable[Remedy], notice: timedelta, now: datetime
) -> None:
    """Bring the plans of a rule that acts up to date.

    Call it under the lock of the rule's row.

    Args:
        rule: Which rule.
        wanted: All of its remedies, ``notice`` ahead.
        notice: How long before a stop its owner is to hear of it.
        now: Aware.
    """
    runs = {
        one.instance.pk: one
        for one in wanted
        if one.stop_at is not None and one.stop_at <= now + notice
    }
    over, kept = [], set()
    for plan in PlannedStop.objects.filter(rule=rule, ended_at=None):
        one = runs.get(plan.instance_id)
        if one is not None and _seen_since(one.instance) == plan.run_seen_since:
            kept.add(plan.instance_id)
        else:
            over.append(plan)
    new = [
        PlannedStop(
            rule=rule,
            instance=one.instance,
            run_seen_since=_seen_since(one.instance),
            sentence=one.sentence,
            planned_at=now,
            stops_at=max(one.stop_at, now + notice) if one.stop_at else now + notice,
        )
        for pk, one in runs.items()
        if pk not in kept
    ]
    _end(over, now)
    PlannedStop.objects.bulk_create(new, batch_size=_ROWS)
    _stamp(plan.instance_id for plan in (*over, *new))


@transaction.atomic
def end_stops(*, rule: Rule, now: datetime, instance: Instance | None = None) -> int:
    """Take back what a rule planned, for one instance or for all; how many."""
    found = PlannedStop.objects.filter(rule=rule, ended_at=None)
    if instance is not None:
        found = found.filter(instance=instance)
    over = list(found)
    _end(over, now)
    _stamp(plan.instance_id for plan in over)
    return len(over)


@transaction.atomic
def note_warned(*, plans: Iterable[int], least: timedelta, now: datetime) -> None:
    """Note that owners were warned for the first time.

    Args:
        plans: ``PlannedStop.pk``.
        least: So much time they have at least from now on, however late the warning.
        now: Aware.
    """
    first = PlannedStop.objects.filter(pk__in=list(plans), warned_at=None)
    keys = list(first.values_list("pk", flat=True))
    PlannedStop.objects.filter(pk__in=keys).update(warned_at=now)
    near = PlannedStop.objects.filter(pk__in=keys, stops_at__lt=now + least)
    moved = list(near.values_list("instance_id", flat=True))
    near.update(stops_at=now + least)
    _stamp(moved)


def _end(plans: list[PlannedStop], now: datetime) -> None:
    keys = [plan.pk for plan in plans]
    PlannedStop.objects.filter(pk__in=keys).update(ended_at=now)


def _seen_since(instance: Instance) -> datetime:
    return instance.status_since or instance.first_seen_at


def _stamp(instances: Iterable[int]) -> None:
    """Their pages show it."""
    if changed := list(instances):
        FleetVersion.stamp(Instance.objects.filter(pk__in=changed))
