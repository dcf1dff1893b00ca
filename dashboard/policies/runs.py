"""The present run of an instance, and when a rule wants it over. Pure functions.

A run is judged by itself, whatever the auto-stop setting says now: on this generation
of the cloud a new setting counts from the next start.
"""

from datetime import datetime, time, timedelta
from typing import NamedTuple

from dashboard.instances import run_state
from dashboard.instances.models import Instance

from .models import Rule

TOLERANCE = timedelta(minutes=5)
"""A run may be longer than its rule by this much: clocks differ, and the beginning of a
run is often known only from its end and the duration that was granted."""


class Run(NamedTuple):
    """A run that goes on now.

    Attributes:
        since: When it began.
        is_exact: False when nobody saw it begin: then it has lasted longer.
        ends_at: When the cloud stops it; None when nothing does.
    """

    since: datetime
    is_exact: bool
    ends_at: datetime | None


def present_run(instance: Instance) -> Run | None:
    """The run that goes on; None when there is none, or the cloud tells too little."""
    if not run_state.is_running(instance):
        return None
    if run_state.is_without_end(instance) and instance.auto_stop_enable is None:
        # A document without ``spec`` says nothing about auto-stop.
        return None
    if instance.run_started_at is not None:
        return Run(instance.run_started_at, True, instance.stops_at)
    seen = instance.status_since or instance.first_seen_at
    return Run(seen, False, instance.stops_at)


def wanted_end(rule: Rule, instance: Instance, now: datetime) -> datetime | None:
    """When the rule wants the present run over; may have passed.

    Args:
        rule: Whatever its scope.
        instance: As the mirror has it.
        now: Aware.

    Returns:
        None when nothing runs, or the run ends early enough by itself.
    """
    run = present_run(instance)
    if run is None:
        return None
    if rule.kind == Rule.Kind.AUTO_STOP:
        return run.since if run.ends_at is None else None
    if rule.kind == Rule.Kind.MAX_HOURS:
        end = run.since + timedelta(seconds=rule.max_seconds or 0)
        grace = TOLERANCE
    else:
        begin = quiet_begin(rule, now)
        if begin is None:
            return None
        end, grace = begin, timedelta()
    return None if run.ends_at and run.ends_at <= end + grace else end


def is_quiet(rule: Rule, now: datetime) -> bool:
    """Whether ``now`` lies in the rule's quiet hours, told in its zone."""
    if rule.quiet_from is None or rule.quiet_until is None:
        return False
    here = now.astimezone(rule.zone).time()
    if rule.quiet_from < rule.quiet_until:
        return rule.quiet_from <= here < rule.quiet_until
    return here >= rule.quiet_from or here < rule.quiet_until


def quiet_begin(rule: Rule, now: datetime) -> datetime | None:
    """When the present quiet hours began, or else when the next ones begin."""
    if rule.quiet_from is None or rule.quiet_until is None:
        return None
    step = -1 if is_quiet(rule, now) else 1
    here = now.astimezone(rule.zone)
    begin = _at(rule.quiet_from, here)
    if (begin - here) * step < timedelta():
        begin = _at(rule.quiet_from, here + timedelta(days=step))
    return begin


def quiet_times(
    rule: Rule, since: datetime, until: datetime
) -> list[tuple[datetime, datetime]]:
    """Begin and end of the quiet hours that touch a span, oldest first."""
    first, last = rule.quiet_from or time(), rule.quiet_until or time()
    day = since.astimezone(rule.zone) - timedelta(days=1)
    found = []
    while (begin := _at(first, day)) < until:
        end = _at(last, day if first < last else day + timedelta(days=1))
        if end > since:
            found.append((begin, end))
        day += timedelta(days=1)
    return found


def _at(moment: time, day: datetime) -> datetime:
    return datetime.combine(day.date(), moment, tzinfo=day.tzinfo)
