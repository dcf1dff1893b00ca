"""The current run of an instance, and its end according to a rule. Pure functions.

The auto-stop setting does not count for the current run: ModelArts applies a new
setting from the next start.
"""

from datetime import datetime, time, timedelta
from typing import NamedTuple

from dashboard.instances import run_state
from dashboard.instances.models import Instance

from .models import Rule

TOLERANCE = timedelta(minutes=5)
"""How much a run may exceed the maximum: clocks differ, and the start of a run is often
computed from its end and its duration."""


class Run(NamedTuple):
    """A current run.

    Attributes:
        since: Its start.
        is_exact: False when its start was not observed, so that it has lasted longer.
        ends_at: When the cloud stops it; None without an end.
    """

    since: datetime
    is_exact: bool
    ends_at: datetime | None


def present_run(instance: Instance) -> Run | None:
    """Return the current run; None without one, or if the cloud reports too little."""
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
    """Return when the current run must end to comply with the rule; may be in the past.

    Args:
        rule: Of any scope.
        instance: An instance in the mirror.
        now: Aware.

    Returns:
        None when nothing runs, or the run ends early enough anyway.
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
    """Whether ``now`` is in the rule's quiet hours."""
    if rule.quiet_from is None or rule.quiet_until is None:
        return False
    local = now.astimezone(rule.zone).time()
    if rule.quiet_from < rule.quiet_until:
        return rule.quiet_from <= local < rule.quiet_until
    return local >= rule.quiet_from or local < rule.quiet_until


def quiet_begin(rule: Rule, now: datetime) -> datetime | None:
    """Return when the current quiet hours began, or when the next ones begin."""
    if rule.quiet_from is None or rule.quiet_until is None:
        return None
    step = -1 if is_quiet(rule, now) else 1
    local = now.astimezone(rule.zone)
    begin = _at(rule.quiet_from, local)
    if (begin - local) * step < timedelta():
        begin = _at(rule.quiet_from, local + timedelta(days=step))
    return begin


def quiet_times(
    rule: Rule, since: datetime, until: datetime
) -> list[tuple[datetime, datetime]]:
    """Return begin and end of the quiet hours that overlap a span, oldest first."""
    first, last = rule.quiet_from or time(), rule.quiet_until or time()
    day = since.astimezone(rule.zone) - timedelta(days=1)
    times = []
    while (begin := _at(first, day)) < until:
        end = _at(last, day if first < last else day + timedelta(days=1))
        if end > since:
            times.append((begin, end))
        day += timedelta(days=1)
    return times


def _at(moment: time, day: datetime) -> datetime:
    return datetime.combine(day.date(), moment, tzinfo=day.tzinfo)
