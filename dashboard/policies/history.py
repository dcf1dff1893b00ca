"""What a rule would have done lately, by the statuses that were seen.

Curfew keeps when each instance began and ceased to run. It does not keep which end a
past run had, so a rule about that can be judged for present runs only.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db.models import Q

from dashboard.instances.models import Instance, InstanceEvent
from dashboard.modelarts.statuses import InstanceStatus

from .models import Rule
from .rules import applies
from .runs import TOLERANCE, present_run, quiet_times
from .selectors import exempt

LOOKS_BACK = timedelta(days=14)
_RUNNING = InstanceStatus.RUNNING


class PastRun(NamedTuple):
    """A run, as far as it lies in the days that are looked at.

    Attributes:
        is_exact: Whether its beginning was seen; else it was at least so long.
        ended_at: When it ceased to run; None while it goes on.
        over: For how long the rule would have kept it from running.
    """

    instance: Instance
    since: datetime
    is_exact: bool
    ended_at: datetime | None
    over: timedelta


@dataclass
class History:
    """What a rule would have done.

    Attributes:
        since: The days looked at begin here.
        runs: How many runs were seen in them.
        stopped: Those that the rule would have ended, the longest time saved first.
        unknown: How many could not be judged.
    """

    since: datetime
    runs: int = 0
    stopped: list[PastRun] = field(default_factory=list)
    unknown: int = 0

    @property
    def instances(self) -> int:
        """On how many instances it would have acted."""
        return len({run.instance.pk for run in self.stopped})

    @property
    def over(self) -> timedelta:
        """For how long they would not have run, all together."""
        return sum((run.over for run in self.stopped), timedelta())


def history(rule: Rule, now: datetime) -> History:
    """What the rule would have done in the last days.

    Scope and exceptions are those of today.
    """
    found = History(now - LOOKS_BACK)
    exceptions = exempt(now)
    instances = {
        instance.pk: instance
        for instance in Instance.objects.select_related("cloud").defer(
            "document", "problems", "search_text", "description"
        )
        if applies(rule, instance, _RUNNING)
        and (rule.pk, instance.pk) not in exceptions
    }
    for run in _runs(instances, found.since, now):
        found.runs += 1
        over = _over(rule, run, now)
        if over is None:
            found.unknown += 1
        elif over > timedelta():
            found.stopped.append(run._replace(over=over))
    found.stopped.sort(key=lambda run: -run.over)
    return found


def _runs(
    instances: dict[int, Instance], since: datetime, now: datetime
) -> Iterator[PastRun]:
    began: dict[int, datetime] = {}
    nothing = timedelta()
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
            began[pk] = at
            continue
        begin = began.pop(pk, None)
        first = max(since, instance.first_seen_at)
        yield PastRun(instance, begin or first, begin is not None, at, nothing)
    for pk, instance in instances.items():
        if instance.missing_since is not None or instance.status != _RUNNING:
            continue
        begin = began.get(pk) or instance.run_started_at
        seen = instance.status_since or instance.first_seen_at
        yield PastRun(instance, begin or seen, begin is not None, None, nothing)


def _over(rule: Rule, run: PastRun, now: datetime) -> timedelta | None:
    """How long it ran against the rule; None when that cannot be told."""
    until = run.ended_at or now
    if rule.kind == Rule.Kind.AUTO_STOP:
        if run.ended_at is not None:
            return None
        present = present_run(run.instance)
        if present is None:
            return None
        return timedelta() if present.ends_at else until - run.since
    if rule.kind == Rule.Kind.MAX_HOURS:
        longest = timedelta(seconds=rule.max_seconds or 0)
        over = until - run.since - longest
        if over > TOLERANCE:
            return over
        return timedelta() if run.is_exact else None
    quiet = quiet_times(rule, run.since, until)
    spans = (min(until, end) - max(run.since, begin) for begin, end in quiet)
    return sum(spans, timedelta())
