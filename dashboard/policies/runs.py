"""The current run of an instance, and its end according to a rule. Pure functions.

The auto-stop setting does not count for the current run: ModelArts applies a new
setting from the next start.

A lease that ends once nobody uses the notebook is auto-stop without a fixed end. It
complies with "auto-stop on", and with a maximum until the run has lasted that long. A
request for such a lease is refused under a maximum, since nothing but enforcement would
end a run that is always in use.
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
        ends_at: When the cloud stops it; None without a fixed end.
        stops_itself: Whether something stops it: its end, or a lease that ends once
            nobody uses the instance.
    """

    since: datetime
    is_exact: bool
    ends_at: datetime | None
    stops_itself: bool


def current_run(instance: Instance) -> Run | None:
    """Return the current run; None without one, or if the cloud reports too little."""
    if not run_state.is_running(instance):
        return None
    if run_state.is_without_end(instance) and instance.auto_stop_enable is None:
        # A document without ``spec`` says nothing about auto-stop.
        return None
    start = instance.run_started_at
    observed_since = instance.status_since or instance.first_seen_at
    stops_itself = instance.stops_at is not None or (
        instance.capabilities.has_lease and bool(instance.auto_stop_enable)
    )
    return Run(
        start or observed_since, start is not None, instance.stops_at, stops_itself
    )


def required_end(rule: Rule, instance: Instance, now: datetime) -> datetime | None:
    """Return when the current run must end to comply with the rule; may be in the past.

    None when nothing runs, or the run ends early enough anyway.
    """
    run = current_run(instance)
    if run is None or rule.kind == Rule.Kind.STILL_NEEDED:
        return None
    end = latest_end(rule, run, now)
    if end is None:
        return None if run.stops_itself else run.since
    grace = TOLERANCE if rule.kind == Rule.Kind.MAX_HOURS else timedelta()
    return None if run.ends_at and run.ends_at <= end + grace else end


def latest_end(rule: Rule, run: Run, now: datetime) -> datetime | None:
    """Return the latest end of a run that complies; None when any end does."""
    if rule.kind in {Rule.Kind.AUTO_STOP, Rule.Kind.STILL_NEEDED}:
        return None
    if rule.kind == Rule.Kind.MAX_HOURS:
        return run.since + timedelta(seconds=rule.max_seconds or 0)
    return quiet_begin(rule, now)


def is_long(rule: Rule, instance: Instance, now: datetime) -> bool:
    """Whether the current run is so long that ``STILL_NEEDED`` asks about it."""
    run = current_run(instance)
    longest = timedelta(seconds=rule.max_seconds or 0)
    return run is not None and now - run.since >= longest


def is_quiet(rule: Rule, now: datetime) -> bool:
    """Whether ``now`` is in the rule's quiet hours."""
    return quiet_begin(rule, now) <= now


def quiet_begin(rule: Rule, now: datetime) -> datetime:
    """Return when the current quiet hours began, or when the next ones begin."""
    begin, _ = quiet_times(rule, now, now + timedelta(days=2))[0]
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
