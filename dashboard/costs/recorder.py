"""Writes runs: one row for each, in the transaction of the events that tell it.

A run begins when an instance is first seen running, and ends with the first status in
which there is no run. A status that Curfew does not know ends no run.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.conf import settings
from django.utils import timezone

from dashboard.instances import gaps, run_state
from dashboard.instances.causes import Cause
from dashboard.instances.models import Cloud, Instance, InstanceEvent
from dashboard.instances.transitions import Transition
from dashboard.modelarts.statuses import InstanceStatus

from . import allocations
from .models import Gap, RollUp, Run
from .periods import day_of, report_zone as report_zone

RUNNING = frozenset({InstanceStatus.RUNNING, InstanceStatus.SNAPSHOTTING})
NOT_RUNNING = frozenset(InstanceStatus) - RUNNING | {""}
_FAULTS = frozenset(
    {InstanceStatus.UNAVAILABLE, InstanceStatus.ERROR, InstanceStatus.FROZEN}
)
_Reason = InstanceEvent.Reason
_Known, _EndedBy = Run.Known, Run.EndedBy


def record(cloud: Cloud, transitions: Iterable[Transition]) -> None:
    """Begin and end runs; call it with the instances locked."""
    relevant = [item for item in transitions if _begins(item) or _ends(item)]
    if not relevant:
        return
    pks = {item.instance.pk for item in relevant}
    # The open run of each instance, or its last one.
    latest = {
        run.instance_id: run
        for run in Run.objects.filter(instance__in=pks, next_started_at=None)
    }
    starting = {item.instance.pk: item.instance for item in relevant if _begins(item)}
    allocation_of = allocations.of(starting.values()) if starting else {}
    begun: list[Run] = []
    ended: list[Run] = []
    changed: dict[int, Run] = {}
    for item in relevant:
        pk = item.instance.pk
        run = latest.get(pk)
        if _ends(item):
            if run and run.is_open:
                _end(run, item)
                ended.append(run)
                changed[pk] = run
        elif run is None or not run.is_open:
            latest[pk] = _begin(item, allocation_of[pk], run)
            begun.append(latest[pk])
            if run:
                run.next_started_at = latest[pk].started_at
                changed[pk] = run
    stored = [run for run in changed.values() if run.pk]
    if stored:
        Run.objects.bulk_update(stored, ENDED_COLUMNS)
    if begun:
        Run.objects.bulk_create(begun)
    moments = [run.started_at for run in begun]
    moments += [run.ended_at for run in ended if run.ended_at]
    invalidate(cloud, min(moments, default=None))


def record_gap(cloud: Cloud, since: datetime, until: datetime) -> None:
    Gap.objects.create(cloud=cloud, since=since, until=until)
    invalidate(cloud, since)


def invalidate(
    cloud: Cloud, since: datetime | None, roll_up: type[RollUp] = RollUp
) -> None:
    """Let the sums of days from this moment on be computed again."""
    if since is None:
        return
    most = timedelta(hours=settings.CURFEW.savings_max_hours)
    rollup = roll_up.objects.filter(cloud=cloud)
    # Only days that ended this long ago may be being stored now (``rollup``).
    if since < timezone.now() - most / 2:
        list(rollup.select_for_update())
    # What happens may end what stops before it save.
    day = day_of(since - most)
    rollup.filter(done_until__gt=day).update(done_until=day)


def _begins(item: Transition) -> bool:
    return item.to_status in RUNNING and item.from_status not in RUNNING


def _ends(item: Transition) -> bool:
    # Of an unknown status before, a run may be open.
    return item.to_status in NOT_RUNNING and item.from_status not in NOT_RUNNING


def _begin(item: Transition, allocation: int, last: Run | None) -> Run:
    instance = item.instance
    started_at = min(instance.run_started_at or item.at, item.at)
    if last and last.ended_at:
        started_at = max(started_at, last.ended_at)
    # The told start is an estimate; the instance was looked at and did not run.
    if item.from_status and item.seen_before_at:
        started_at = min(max(started_at, item.seen_before_at), item.at)
    return Run(
        instance=instance,
        allocation_id=allocation,
        started_at=started_at,
        started_known=_start_known(item),
        has_end=has_end(instance),
    )


def _start_known(item: Transition) -> str:
    told_at = item.instance.run_started_at
    if told_at and told_at < item.at:
        return _Known.OBSERVED
    if item.from_status == "":
        return _Known.UNKNOWN
    return _between(item)


def _between(item: Transition) -> str:
    is_gap = gaps.is_gap(item.seen_before_at, item.at)
    return _Known.BETWEEN if is_gap else _Known.OBSERVED


def _end(run: Run, item: Transition) -> None:
    cause, before = item.cause, item.before
    run.ended_at = max(item.at, run.started_at)
    run.ended_known = _between(item)
    run.ended_by = ended_by(cause, item.to_status)
    run.end_status = item.to_status
    if before is not None:
        run.has_end = has_end(before)
    if cause is None:
        return
    run.reason = cause.reason
    if edit := cause.edit:
        run.ended_by_person = edit.actor
        run.ended_by_name = edit.schedule_name or edit.policy_name
        run.end_edit_id = edit.pk


def ended_by(cause: Cause | None, status: str) -> str:
    """Return who or what ended a run, ``Run.EndedBy``."""
    if cause is None:
        return _EndedBy.UNKNOWN
    if cause.reason in {_Reason.AUTO_STOP, _Reason.IDLE}:
        return _EndedBy.AUTO_STOP
    if cause.reason == _Reason.UNDONE:
        return _EndedBy.CURFEW
    if edit := cause.edit:
        if edit.schedule_name:
            return _EndedBy.SCHEDULE
        return _EndedBy.POLICY if edit.policy_name else _EndedBy.PERSON
    is_fault = cause.reason == _Reason.FROZEN or status in _FAULTS
    return _EndedBy.CLOUD if is_fault else _EndedBy.UNKNOWN


def has_end(instance: Instance) -> bool | None:
    """Return whether something stops its run by itself; None if unknown."""
    if not run_state.is_running(instance):
        return None
    if instance.stops_at is None and instance.auto_stop_enable is None:
        return None
    return not run_state.is_without_end(instance)


ENDED_COLUMNS = [
    *("ended_at", "ended_known", "has_end", "ended_by", "reason", "ended_by_person"),
    *("ended_by_name", "end_edit_id", "end_status", "next_started_at"),
]
