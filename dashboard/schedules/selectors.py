"""Which schedule applies to an instance, and when it acts next."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from typing import NamedTuple

from django.db.models import (
    BigIntegerField,
    Case,
    Count,
    OuterRef,
    Prefetch,
    Q,
    QuerySet,
    Subquery,
    Value,
    When,
)

from dashboard.instances.models import Instance
from dashboard.instances.run_state import PRESENT
from dashboard.web.process_cache import ProcessCache
from dashboard.web.raw_queries import Prepared
from dashboard.web.stored_messages import Message

from .models import Holiday, MomentKind, Schedule, ScheduleRun
from .moments import Moment, moments_between

LOOKS_AHEAD = timedelta(days=400)
"""How far the next moment may be away; a schedule may start next year."""

_STEP = timedelta(days=14)


class Match(NamedTuple):
    """The schedule that applies to an instance.

    Attributes:
        because: Names the scope that matched, in one sentence.
        next_stop: Its next moments; only from ``for_instances``, else None.
        next_start: None unless it ``starts``.
    """

    schedule: Schedule
    because: Message
    next_stop: Moment | None = None
    next_start: Moment | None = None

    @property
    def next_moment(self) -> Moment | None:
        """The earlier of its next start and stop."""
        moments = [moment for moment in (self.next_stop, self.next_start) if moment]
        return min(moments, key=lambda moment: moment.at, default=None)


def schedules_in_order() -> list[Schedule]:
    """Return all schedules with their working times and holidays.

    Four queries, and two for each schedule of a team once its scope is asked.
    """
    return list(complete_schedules())


def active_schedules() -> list[Schedule]:
    """Return the schedules that are on, as ``schedules_in_order`` does."""
    return _active.rows()


def active_schedules_at(version: int) -> list[Schedule]:
    """Return them, read once for each fleet version, which the caller has read before.

    Each change of a schedule, of its holidays or of its team raises the version.
    """
    return _active_at.get_or_compute(version, active_schedules)


def with_times(pk: int) -> Schedule:
    """Return one schedule with its working times and holidays.

    Raises:
        Schedule.DoesNotExist: There is none.
    """
    return complete_schedules().get(pk=pk)


def complete_schedules() -> QuerySet[Schedule]:
    """Return a query of schedules that reads their working times and holidays, too."""
    days = Prefetch("holidays__holidays", Holiday.objects.order_by("day"))
    return (
        Schedule.objects.select_related("team", "instance__cloud", "switched_on_by")
        .prefetch_related("working_times", "holidays", days)
        .order_by("position", "pk")
    )


_active_at = ProcessCache(max_size=2, seconds=60)
# For that, and for what acts.
_active = Prepared(lambda: complete_schedules().filter(mode=Schedule.Mode.ON))


def competitors(schedule: Schedule, schedules: Iterable[Schedule]) -> list[Schedule]:
    """Return the schedules that are on, and this one as if it were on, in order."""
    return [other for other in schedules if other.is_on or other.pk == schedule.pk]


def match(schedules: Iterable[Schedule], instance: Instance) -> Match | None:
    """Return the first schedule that includes an instance; None if none does.

    Args:
        schedules: In order: ``active_schedules`` or ``competitors``.
        instance: With its cloud.
    """
    for schedule in schedules:
        if schedule.includes(instance):
            return Match(schedule, schedule.because)
    return None


def first_match(schedules: Iterable[Schedule]) -> Case:
    """Return what ``match`` finds as a database expression: a ``Schedule.pk`` or NULL.

    Args:
        schedules: As for ``match``.
    """
    return Case(
        # An empty condition matches every row, but When takes none.
        *(
            When(schedule.as_q() or Q(pk__isnull=False), then=Value(schedule.pk))
            for schedule in schedules
        ),
        default=None,
        output_field=BigIntegerField(),
    )


def concerned(
    schedule: Schedule, schedules: Iterable[Schedule] | None = None
) -> QuerySet[Instance]:
    """Return the instances to which a schedule applies, as if it were on.

    They are in the latest listing of their cloud, in any status.

    Args:
        schedules: All, in order; read with one query if they are not passed.
    """
    if schedules is None:
        others = Schedule.objects.filter(mode=Schedule.Mode.ON)
        schedules = [*others.exclude(pk=schedule.pk).select_related("team"), schedule]
    earlier = [other for other in schedules if _place(other) < _place(schedule)]
    return (
        Instance.objects.filter(PRESENT)
        .filter(schedule.as_q())
        .alias(first=first_match([*competitors(schedule, earlier), schedule]))
        .filter(first=schedule.pk)
    )


def shadowed(
    schedule: Schedule, schedules: Iterable[Schedule]
) -> list[tuple[Schedule, int]]:
    """Return the schedules that apply to instances in its scope instead, with numbers.

    Args:
        schedules: All, in order.
    """
    by_pk = {other.pk: other for other in schedules}
    candidates = competitors(schedule, by_pk.values())
    rows = (
        Instance.objects.filter(PRESENT)
        .filter(schedule.as_q())
        .annotate(first=first_match(candidates))
        .exclude(first=schedule.pk)
    )
    counted = rows.values("first").annotate(number=Count("pk")).order_by("-number")
    return [(by_pk[row["first"]], row["number"]) for row in counted]


def numbers_of_instances(schedules: Sequence[Schedule]) -> dict[int, int]:
    """Return to how many instances each schedule applies now, by its key; one query.

    Args:
        schedules: All that are on, in order.
    """
    if not schedules:
        return {}
    rows = Instance.objects.filter(PRESENT).annotate(first=first_match(schedules))
    counted = rows.values("first").annotate(number=Count("pk")).order_by()
    return {row["first"]: row["number"] for row in counted if row["first"]}


def for_instances(
    instances: Iterable[Instance],
    now: datetime,
    schedules: Sequence[Schedule] | None = None,
) -> dict[int, Match]:
    """Return the schedule of each instance that has one, by ``Instance.pk``.

    Args:
        instances: With their clouds.
        now: Aware.
        schedules: Those that are on; read if they are not passed.
    """
    if schedules is None:
        schedules = active_schedules()
    next_moments: dict[int, dict[str, Moment]] = {}
    found = {}
    for instance in instances:
        if (matched := match(schedules, instance)) is None:
            continue
        schedule = matched.schedule
        if schedule.pk not in next_moments:
            next_moments[schedule.pk] = upcoming(schedule, now)
        moments = next_moments[schedule.pk]
        found[instance.pk] = matched._replace(
            next_stop=moments.get(MomentKind.STOP),
            next_start=moments.get(MomentKind.START),
        )
    return found


def moments_of(schedule: Schedule, *, since: datetime, until: datetime) -> list[Moment]:
    """Return the moments after ``since`` up to ``until``, the earliest first.

    No query for a schedule from this module; else up to three.
    """
    return moments_between(
        schedule,
        schedule.working_times.all(),
        holidays_of(schedule),
        since=since,
        until=until,
    )


def upcoming(schedule: Schedule, now: datetime) -> dict[str, Moment]:
    """Return its next moments after ``now``, by their kind."""
    kinds = {MomentKind.STOP, MomentKind.START} if schedule.starts else {"stop"}
    found: dict[str, Moment] = {}
    since = now
    if schedule.first_day:
        first_day = datetime.combine(schedule.first_day, datetime.min.time())
        since = max(now, first_day.replace(tzinfo=schedule.zone) - timedelta(days=1))
    end = max(since, now) + LOOKS_AHEAD
    while since < end and kinds - found.keys():
        for moment in moments_of(schedule, since=since, until=since + _STEP):
            found.setdefault(moment.kind, moment)
        since += _STEP
    return found


def next_moment(schedule: Schedule, now: datetime) -> Moment | None:
    """Return its next start or stop; None if it has none within ``LOOKS_AHEAD``."""
    moments = upcoming(schedule, now).values()
    return min(moments, key=lambda moment: moment.at, default=None)


def last_runs() -> dict[int, ScheduleRun]:
    """Return the latest run of each schedule that has one, by ``Schedule.pk``."""
    latest = ScheduleRun.objects.filter(schedule=OuterRef("pk")).values("pk")[:1]
    pks = Schedule.objects.annotate(run=Subquery(latest)).values("run")
    runs = ScheduleRun.objects.filter(pk__in=pks)
    return {run.schedule_id: run for run in runs}


def holidays_of(schedule: Schedule) -> dict[date, str]:
    """Return the names of the days without working time, by day."""
    return {
        holiday.day: holiday.name
        for calendar in schedule.holidays.all()
        for holiday in calendar.holidays.all()
    }


def _place(schedule: Schedule) -> tuple[int, int]:
    return schedule.position, schedule.pk
