"""What a schedule would have done in the last week, by the statuses in the mirror."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from dashboard.instances.models import Instance, InstanceEvent
from dashboard.modelarts.statuses import InstanceStatus

from .models import MomentKind, Schedule
from .moments import Moment
from .selectors import concerned, moments_of

LOOKS_BACK = timedelta(days=7)
_RUNNING, _STOPPED = InstanceStatus.RUNNING, InstanceStatus.STOPPED


class PastMoment(NamedTuple):
    """One of its moments.

    Attributes:
        instances: Those that it would have stopped or started then.
        saved: Of a stop: how long they ran on, until their end, the next moment or now.
    """

    moment: Moment
    instances: list[Instance]
    saved: timedelta


@dataclass
class History:
    """What a schedule would have done.

    Attributes:
        since: Start of the days examined.
        known_since: When Curfew first saw one of the instances, if not before that.
        moments: The latest first.
    """

    since: datetime
    known_since: datetime | None = None
    moments: list[PastMoment] = field(default_factory=list)

    @property
    def stopped(self) -> int:
        """Number of runs that it would have stopped."""
        return self._number(MomentKind.STOP)

    @property
    def started(self) -> int:
        """Number of starts."""
        return self._number(MomentKind.START)

    @property
    def saved(self) -> timedelta:
        """Total run time saved."""
        return sum((past.saved for past in self.moments), timedelta())

    def _number(self, kind: str) -> int:
        return sum(
            len(past.instances) for past in self.moments if past.moment.kind == kind
        )


class _Stretch(NamedTuple):
    """An instance had one status from ``since`` to ``until``."""

    since: datetime
    until: datetime
    status: str


def history(schedule: Schedule, now: datetime) -> History:
    """Apply the schedule, with its current scope, to the statuses that were observed.

    Each moment is judged by what happened, as if the schedule had not acted before.
    """
    result = History(now - LOOKS_BACK)
    moments = moments_of(schedule, since=result.since, until=now)
    if not moments:
        return result
    columns = concerned(schedule).defer(
        "document", "problems", "search_text", "description"
    )
    instances = {instance.pk: instance for instance in columns.select_related("cloud")}
    seen = (instance.first_seen_at for instance in instances.values())
    known_since = min(seen, default=result.since)
    if known_since > result.since:
        result.known_since = known_since
    stretches = {
        pk: list(_stretches(instances[pk], changes, result.since, now))
        for pk, changes in _changes(schedule, instances, result.since, now).items()
    }
    ends = [moment.at for moment in moments[1:]] + [now]
    for moment, end in zip(moments, ends, strict=True):
        wanted = _RUNNING if moment.kind == MomentKind.STOP else _STOPPED
        found, saved = [], timedelta()
        for pk, parts in stretches.items():
            at = next((part for part in parts if _is_at(part, moment.at)), None)
            if at is None or at.status != wanted:
                continue
            found.append(instances[pk])
            if wanted == _RUNNING:
                saved += min(at.until, end) - moment.at
        found.sort(key=lambda instance: instance.name.casefold())
        result.moments.append(PastMoment(moment, found, saved))
    result.moments.reverse()
    return result


def _is_at(part: _Stretch, moment: datetime) -> bool:
    return part.since <= moment < part.until


def _changes(
    schedule: Schedule,
    instances: dict[int, Instance],
    since: datetime,
    now: datetime,
) -> dict[int, list[tuple[datetime, str, str]]]:
    """Return, for each instance, moment and both statuses of its status changes."""
    changes: dict[int, list[tuple[datetime, str, str]]] = {pk: [] for pk in instances}
    events = InstanceEvent.objects.filter(
        instance__in=concerned(schedule), at__gte=since, at__lte=now
    )
    for pk, at, before, after in events.order_by("at", "pk").values_list(
        "instance_id", "at", "from_status", "to_status"
    ):
        if pk in changes:
            changes[pk].append((at, before, after))
    return changes


def _stretches(
    instance: Instance,
    changes: list[tuple[datetime, str, str]],
    since: datetime,
    now: datetime,
) -> Iterator[_Stretch]:
    begin = max(since, instance.first_seen_at)
    for at, before, _after in changes:
        yield _Stretch(begin, at, before)
        begin = at
    yield _Stretch(begin, now, changes[-1][2] if changes else instance.status)
