"""Start and stop instances at the moments of schedules.

The edits are delivered like all others, in the name of the schedule. What a schedule
does at a moment is one transaction, so that a process that dies has done all of it or
nothing, and the next one does it. See ``docs/decisions/0027-schedules.md``.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from itertools import batched

import structlog
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from dashboard.instances.models import Cloud
from dashboard.modelarts.statuses import STARTABLE, InstanceStatus
from dashboard.schedules import overrides, selectors
from dashboard.schedules.models import MomentKind, Schedule, ScheduleRun
from dashboard.schedules.moments import Moment
from dashboard.web.stored_messages import Message

from . import authority, automatic_batches, batches, messages, plans, states
from .models import MAX_REASON, Edit

State = ScheduleRun.State

log = structlog.get_logger(__name__)

ON_TIME = timedelta(minutes=2)
"""A moment that is handled within this time is not late: tasks wait in queues."""

_CANDIDATES = {
    # Those that are about to run cannot be stopped yet: they are reported as skipped.
    MomentKind.STOP: (
        InstanceStatus.RUNNING,
        InstanceStatus.START_QUEUING,
        InstanceStatus.READY_TO_START,
        InstanceStatus.STARTING,
        InstanceStatus.RESTARTING,
        InstanceStatus.SNAPSHOTTING,
    ),
    MomentKind.START: tuple(sorted(STARTABLE)),
}


def run_schedules() -> None:
    """Do what is due for every schedule that is on or in its dry run."""
    schedules = Schedule.objects.exclude(mode=Schedule.Mode.OFF)
    for pk in schedules.values_list("pk", flat=True):
        try:
            run_schedule(pk)
        except Exception:
            # The moment stays open; the other schedules must not wait for this one.
            log.exception("schedule failed", schedule=pk)


@transaction.atomic
def run_schedule(pk: int) -> None:
    """Handle the newest moment of a schedule that is due; earlier ones were missed."""
    # Two workers cannot handle the same moment. Switching the schedule off waits for
    # this lock, and then cancels its edits.
    rows = Schedule.objects.select_for_update(no_key=True)
    if rows.filter(pk=pk).exclude(mode=Schedule.Mode.OFF).first() is None:
        return
    schedule, now = selectors.with_times(pk), timezone.now()
    since = schedule.checked_until or now
    moments = _open_moments(schedule, since, now)
    if moments and _waits_for_clouds(moments[-1], now):
        return
    for moment in moments[:-1]:
        if moment.at == moments[-1].at:
            message, state = messages.STARTS_INSTEAD(), State.DONE
        else:
            message, state = messages.MOMENT_MISSED(), State.MISSED
        _record(schedule, moment, now, state, message=message)
    if moments:
        _handle(schedule, moments[-1], now)
    Schedule.objects.filter(pk=pk).update(checked_until=max(since, now))


def catch_up() -> timedelta:
    """Return how late a moment may be handled."""
    minutes = settings.CURFEW.schedule_catch_up_minutes
    return max(timedelta(minutes=minutes), ON_TIME)


def plan_moment(
    schedule: Schedule,
    pks: Iterable[int],
    *,
    kind: str,
    moment: datetime,
    now: datetime,
) -> plans.Plan:
    """Plan what a schedule does to instances at a moment.

    Args:
        schedule: On, or judged as if it were, with its working times.
        pks: ``Instance.pk`` of instances to which it applies.
        kind: One of ``MomentKind``.
    """
    context = plans.BulkContext(pks, actor=None, now=now)
    overridden = overrides.covered(context.instances, moment, kind)
    skips = []
    for instance in list(context.instances.values()):
        reason = authority.why_moment_passes(
            instance,
            is_overridden=instance.pk in overridden,
            kind=kind,
            moment=moment,
        )
        if reason:
            skips.append(plans.Skip(instance, reason))
            del context.instances[instance.pk]
    plan = plans.build_plan(context, _change(schedule, kind, now))
    plan.skips += skips
    return plan


def _open_moments(schedule: Schedule, since: datetime, now: datetime) -> list[Moment]:
    """Return the moments that are due, the earliest first."""
    if since >= now:
        # The clock was set back: what was done is not done again.
        return []
    moments = selectors.moments_of(schedule, since=since, until=now)
    runs = ScheduleRun.objects.filter(schedule=schedule, moment__gt=since)
    known = set(runs.values_list("moment", "kind"))
    return [moment for moment in moments if (moment.at, moment.kind) not in known]


def _handle(schedule: Schedule, moment: Moment, now: datetime) -> None:
    if now - moment.at > catch_up():
        message = messages.MOMENT_MISSED()
        _record(schedule, moment, now, State.MISSED, message=message)
        return
    concerned = selectors.concerned(schedule)
    candidates = concerned.filter(status__in=_CANDIDATES[MomentKind(moment.kind)])
    pks = sorted(candidates.values_list("pk", flat=True))
    # All queues at once and before any write, so that no two transactions wait for
    # each other.
    places = states.lock_queues(pks) if schedule.is_on else {}
    number = skipped = 0
    for some in batched(pks, batches.MAX_BATCH_SIZE, strict=False):
        plan = plan_moment(schedule, some, kind=moment.kind, moment=moment.at, now=now)
        number, skipped = number + len(plan.items), skipped + len(plan.skips)
        if schedule.is_on and plan.items:
            _file(schedule, moment, plan, places, now)
    state = State.DONE if schedule.is_on else State.DRY_RUN
    _record(schedule, moment, now, state, number=number, skipped=skipped)


def _file(
    schedule: Schedule,
    moment: Moment,
    plan: plans.Plan,
    places: Mapping[int, states.Place],
    now: datetime,
) -> None:
    is_stop = moment.kind == MomentKind.STOP
    source = messages.SCHEDULED_STOP if is_stop else messages.SCHEDULED_START
    automatic_batches.create_for_schedule(
        schedule=schedule,
        scheduled_for=moment.at,
        plan=plan,
        places=places,
        change=_change(schedule, moment.kind, now),
        source=source(schedule=schedule.name),
    )


def _change(schedule: Schedule, kind: str, now: datetime) -> plans.BulkChange:
    if kind == MomentKind.STOP:
        reason = schedule.reason[:MAX_REASON]
        return plans.BulkChange(Edit.Kind.STOP, {}, reason=reason)
    next_stop = selectors.upcoming(schedule, now).get(MomentKind.STOP)
    return plans.BulkChange(
        Edit.Kind.START, {}, ends_at=next_stop.at if next_stop else None
    )


def _waits_for_clouds(moment: Moment, now: datetime) -> bool:
    """Whether a late moment waits until the mirror shows what happened since.

    It does not wait for a cloud that cannot be read.
    """
    if not ON_TIME < now - moment.at <= catch_up():
        return False
    read = Cloud.objects.filter(
        retired_at=None, unconfigured_since=None, problem_since=None
    )
    return read.filter(refreshed_at__lt=moment.at).exists()


def _record(
    schedule: Schedule,
    moment: Moment,
    now: datetime,
    state: str,
    *,
    number: int = 0,
    skipped: int = 0,
    message: Message | None = None,
) -> None:
    ScheduleRun.objects.create(
        schedule=schedule,
        kind=moment.kind,
        moment=moment.at,
        handled_at=now,
        state=state,
        number=number,
        skipped=skipped,
        message=message or Message(),
    )
    log.info(
        "schedule moment",
        schedule=schedule.name,
        kind=moment.kind,
        moment=moment.at.isoformat(),
        state=str(state),
        edits=number,
        skipped=skipped,
    )
