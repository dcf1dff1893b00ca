"""Writes of planned stops: which runs a rule will stop, and when."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import transaction

from dashboard.instances.models import FleetVersion, Instance

from .models import PlannedStop, Rule
from .remedies import Remedy

_ROWS = 200


@transaction.atomic
def plan_stops(
    *, rule: Rule, remedies: Iterable[Remedy], notice: timedelta, now: datetime
) -> None:
    """Update the planned stops of a rule that acts.

    Call it under the lock of the rule's row.

    Args:
        remedies: All remedies of the rule, ``notice`` ahead.
        notice: How long before a stop its owner is notified.
    """
    due = {
        remedy.instance.pk: remedy
        for remedy in remedies
        if remedy.stop_at is not None and remedy.stop_at <= now + notice
    }
    obsolete, kept = [], set()
    for plan in PlannedStop.objects.filter(rule=rule, ended_at=None):
        remedy = due.get(plan.instance_id)
        if remedy and _observed_since(remedy.instance) == plan.run_seen_since:
            kept.add(plan.instance_id)
        else:
            obsolete.append(plan)
    earliest = now + notice
    new = [
        PlannedStop(
            rule=rule,
            instance=remedy.instance,
            run_seen_since=_observed_since(remedy.instance),
            sentence=remedy.sentence,
            planned_at=now,
            stops_at=max(remedy.stop_at or earliest, earliest),
        )
        for pk, remedy in due.items()
        if pk not in kept
    ]
    _end(obsolete, now)
    PlannedStop.objects.bulk_create(new, batch_size=_ROWS)
    _stamp(plan.instance_id for plan in new)


@transaction.atomic
def end_stops(*, rule: Rule, now: datetime, instance: Instance | None = None) -> None:
    """Cancel the planned stops of a rule, for one instance or for all."""
    plans = PlannedStop.objects.filter(rule=rule, ended_at=None)
    if instance is not None:
        plans = plans.filter(instance=instance)
    _end(list(plans), now)


@transaction.atomic
def record_warning(*, plans: Iterable[int], least: timedelta, now: datetime) -> None:
    """Record the first warning of owners, and move stops that are too near.

    Args:
        plans: ``PlannedStop.pk``.
        least: The least time between the warning and the stop.
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
    _stamp(plan.instance_id for plan in plans)


def _observed_since(instance: Instance) -> datetime:
    return instance.status_since or instance.first_seen_at


def _stamp(instances: Iterable[int]) -> None:
    if changed := list(instances):
        FleetVersion.stamp(Instance.objects.filter(pk__in=changed), only_shown=True)
