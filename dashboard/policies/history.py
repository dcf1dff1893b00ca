"""What a rule would have done in the last days, by the status changes in the mirror.

Curfew does not store when a past run would have ended, so ``AUTO_STOP`` counts for
current runs only.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db.models import Q

from dashboard.instances.models import Instance, InstanceEvent
from dashboard.modelarts.statuses import InstanceStatus

from .models import Rule
from .rules import applicable
from .runs import TOLERANCE, current_run, quiet_times
from .selectors import exempt, shadowing

LOOKS_BACK = timedelta(days=14)
_RUNNING = InstanceStatus.RUNNING


class PastRun(NamedTuple):
    """The part of a run that lies in the days examined.

    Attributes:
        is_exact: Whether its start was observed; otherwise it was at least this long.
        ended_at: None while it is running.
        over: How much shorter the rule would have made it.
    """

    instance: Instance
    since: datetime
    is_exact: bool
    ended_at: datetime | None
    over: timedelta = timedelta()


@dataclass
class History:
    """What a rule would have done.

    Attributes:
        since: Start of the days examined.
        runs: Number of runs in them.
        stopped: The runs that the rule would have ended, most time saved first.
        unknown: Number of runs about which too little is known.
    """

    since: datetime
    runs: int = 0
    stopped: list[PastRun] = field(default_factory=list)
    unknown: int = 0

    @property
    def instances(self) -> int:
        """Number of instances on which it would have acted."""
        return len({run.instance.pk for run in self.stopped})

    @property
    def over(self) -> timedelta:
        """Total run time saved."""
        return sum((run.over for run in self.stopped), timedelta())


def history(rule: Rule, now: datetime) -> History:
    """Apply the rule to the recent runs, with today's scope, order and exceptions."""
    result = History(now - LOOKS_BACK)
    exceptions, rules = exempt(now), [*shadowing(rule), rule]
    instances = {
        instance.pk: instance
        for instance in Instance.objects.select_related("cloud").defer(
            "document", "problems", "search_text", "description"
        )
        if rule in applicable(rules, instance, _RUNNING)
        and (rule.pk, instance.pk) not in exceptions
    }
    for run in _runs(instances, result.since, now):
        result.runs += 1
        over = _over(rule, run, now)
        if over is None:
            result.unknown += 1
        elif over > timedelta():
            result.stopped.append(run._replace(over=over))
    result.stopped.sort(key=lambda run: -run.over)
    return result


def _runs(
    instances: dict[int, Instance], since: datetime, now: datetime
) -> Iterator[PastRun]:
    starts: dict[int, datetime] = {}
    events = InstanceEvent.objects.filter(
        Q(from_status=_RUNNING) | Q(to_status=_RUNNING), at__gte=since, at__lte=now
    )
    for pk, at, to_status in events.order_by("at", "pk").values_list(
        "instance_id", "at", "to_status"
    ):
        instance = instances.get(pk)
        if instance is None:
            continue
        if to_status == _RUNNING:
            starts[pk] = at
            continue
        start = starts.pop(pk, None)
        earliest = max(since, instance.first_seen_at)
        yield PastRun(instance, start or earliest, start is not None, at)
    for pk, instance in instances.items():
        if instance.missing_since is not None or instance.status != _RUNNING:
            continue
        start = starts.get(pk) or instance.run_started_at
        seen = instance.status_since or instance.first_seen_at
        yield PastRun(instance, start or seen, start is not None, None)


def _over(rule: Rule, run: PastRun, now: datetime) -> timedelta | None:
    """Return how long the run violated the rule; None when unknown."""
    until = run.ended_at or now
    if rule.kind == Rule.Kind.AUTO_STOP:
        if run.ended_at is not None:
            return None
        current = current_run(run.instance)
        if current is None:
            return None
        return timedelta() if current.stops_itself else until - run.since
    if rule.kind in {Rule.Kind.MAX_HOURS, Rule.Kind.STILL_NEEDED}:
        over = until - run.since - timedelta(seconds=rule.max_seconds or 0)
        if over > TOLERANCE:
            return over
        return timedelta() if run.is_exact else None
    overlaps = (
        min(until, end) - max(run.since, begin)
        for begin, end in quiet_times(rule, run.since, until)
    )
    return sum(overlaps, timedelta())
