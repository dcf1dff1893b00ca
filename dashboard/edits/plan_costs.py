"""What a planned bulk change costs, or saves, at the prices of today."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from dashboard.costs import estimates
from dashboard.costs.estimates import EstimateSum
from dashboard.instances.models import Cloud, Instance

from .models import Edit, EditBatch

_COLUMNS = (
    *("cloud", "flavor", "status", "missing_since", "stops_at"),
    *("auto_stop_enable", "auto_stop_duration"),
)


def cost_of(batch: EditBatch, now: datetime) -> EstimateSum | None:
    """Return what the starts or extensions of a plan cost, or its stops save.

    Three queries at most. None for changes of settings, which cost nothing by
    themselves.
    """
    if batch.kind not in {Edit.Kind.START, Edit.Kind.EXTEND, Edit.Kind.STOP}:
        return None
    pks = [planned["pk"] for planned in batch.plan]
    instances = Instance.objects.only(*_COLUMNS).in_bulk(pks)
    clouds = Cloud.objects.in_bulk()
    total = EstimateSum()
    for planned in batch.plan:
        if instance := instances.get(planned["pk"]):
            instance.cloud = clouds[instance.cloud_id]
            total.add(_cost(batch.kind, instance, planned, now))
    return total


def _cost(
    kind: str, instance: Instance, planned: Mapping[str, Any], now: datetime
) -> estimates.Estimate | None:
    if kind == Edit.Kind.STOP:
        return estimates.saved_by_stop(instance, now)
    patch, base = planned["patch"], planned["base"]
    if kind == Edit.Kind.START:
        # Where the run time is a setting, the start does not say it.
        is_on = patch.get("auto_stop_enable", instance.auto_stop_enable)
        seconds = patch.get("auto_stop_duration", instance.auto_stop_duration)
        return estimates.new_run(instance, seconds if is_on else None)
    ends_ms, later_ms = base["stop_timestamp_ms"], patch["stop_timestamp_ms"]
    longer = None if ends_ms is None else max(0, later_ms - ends_ms) // 1_000
    return estimates.new_run(instance, longer)
