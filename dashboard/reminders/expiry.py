"""Ends reminders that no longer apply, were lost or are old, some rows at a time."""

from datetime import datetime, timedelta
from itertools import batched
from typing import Any

import structlog
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from dashboard.edits.models import Edit, EditBatch
from dashboard.instances.mapping import SAME_RUN_MS
from dashboard.instances.models import Cloud, Instance
from dashboard.instances.run_state import RUNNING, WITHOUT_END
from dashboard.modelarts.statuses import FAILED, InstanceStatus
from dashboard.policies.models import PlannedStop, Question, RuleException
from dashboard.schedules.models import Override, Schedule
from dashboard.web.stored_messages import Message

from . import messages
from .models import CORRECTION_SUFFIX, Acknowledgement, Attempt, Reminder

log = structlog.get_logger(__name__)

Kind, Medium, State = Reminder.Kind, Reminder.Medium, Reminder.State

_PAST = (
    *(Kind.STOPPED, Kind.CHANGED, Kind.ANSWER, Kind.HANDOVER, Kind.RESOLVED),
    *(Kind.MISSED, Kind.BUDGET, Kind.TEST),
)
"""What has happened stays true."""

KEPT = timedelta(days=30)
AT_ONCE = 200
"""Rows written in one transaction."""


def _still_valid() -> Q:
    """Return the condition for reminders that still apply."""
    same_run = Instance.objects.filter(
        pk=OuterRef("instance_id"),
        missing_since=None,
        status=InstanceStatus.RUNNING,
        stop_timestamp_ms__gte=OuterRef("deadline_ms") - SAME_RUN_MS,
        stop_timestamp_ms__lte=OuterRef("deadline_ms") + SAME_RUN_MS,
    )
    # A later stop is due after the alarm.
    same_stop = Instance.objects.filter(
        pk=OuterRef("instance_id"), stop_due_at__lte=OuterRef("created_at")
    )
    read_since = Cloud.objects.filter(
        unconfigured_since=None, refreshed_at__gt=OuterRef("created_at")
    )
    failed = Instance.objects.filter(
        pk=OuterRef("instance_id"), missing_since=None, status__in=FAILED
    )
    planned = PlannedStop.objects.filter(
        pk=OuterRef("planned_stop_id"),
        ended_at=None,
        instance__missing_since=None,
        instance__status=InstanceStatus.RUNNING,
    )
    open_question = Question.objects.filter(
        pk=OuterRef("question_id"), state=Question.State.ASKED
    )
    requested = RuleException.objects.filter(
        pk=OuterRef("exception_id"), state=RuleException.State.ASKED
    )
    still_failed = Q(edit__state__in=[Edit.State.FAILED, Edit.State.CONFLICT])
    retried = Edit.objects.filter(retry_of=OuterRef("edit_id"))
    approved = RuleException.objects.filter(
        pk=OuterRef("exception_id"),
        state=RuleException.State.APPROVED,
        until=OuterRef("moment"),
    )
    in_effect = Override.objects.filter(
        instance=OuterRef("instance_id"), ended_at=None, until=OuterRef("moment")
    )
    planned_by_any = PlannedStop.objects.filter(instance=OuterRef("pk"), ended_at=None)
    without_end = Instance.objects.filter(
        WITHOUT_END, ~Exists(planned_by_any), pk=OuterRef("instance_id")
    )
    unreadable = Cloud.objects.filter(
        pk=OuterRef("cloud_id"), problem_since=OuterRef("moment")
    )
    asked = EditBatch.objects.filter(
        pk=OuterRef("batch_id"), confirmed_at=None, approval_asked_at=OuterRef("moment")
    )
    announced = Edit.objects.filter(
        batch=OuterRef("edit__batch_id"), state__in=Edit.OPEN, not_before__isnull=False
    )
    scheduled = Schedule.objects.filter(
        pk=OuterRef("schedule_id"),
        mode=Schedule.Mode.ON,
        # A changed schedule is off until somebody switches it on.
        switched_on_at__lte=OuterRef("created_at"),
    )
    running = Instance.objects.filter(
        RUNNING, missing_since=None, pk=OuterRef("instance_id")
    )
    skips = Q(kind=Override.Kind.SKIP, skips=OuterRef("moment"))
    overridden = Override.objects.filter(
        skips | (~Q(kind=Override.Kind.SKIP) & Q(until__gt=OuterRef("moment"))),
        instance=OuterRef("instance_id"),
        ended_at=None,
    )
    members = Reminder.objects.filter(part_of=OuterRef("pk"), state=State.GROUPED)
    single = (
        (Q(kind=Kind.STOP) & Exists(same_run))
        | (Q(kind=Kind.OVERDUE) & Exists(same_stop))
        | (Q(kind=Kind.SILENCE) & ~Exists(read_since))
        | (Q(kind=Kind.FAILURE) & Exists(failed))
        | Q(kind=Kind.EDIT, key__endswith=CORRECTION_SUFFIX)
        | (
            Q(kind=Kind.EDIT)
            # Other edits of a batch have failed, too.
            & (still_failed | Q(edit__batch__isnull=False))
            & ~Exists(retried)
        )
        | (Q(kind=Kind.POLICY) & Exists(planned))
        | (Q(kind=Kind.QUESTION) & Exists(open_question))
        | (Q(kind=Kind.REQUEST) & Exists(requested))
        | (Q(kind=Kind.ENDING) & Exists(approved))
        | (Q(kind=Kind.OVERRIDE) & Exists(in_effect))
        | (Q(kind=Kind.NO_END) & Exists(without_end))
        | (Q(kind=Kind.CLOUD) & Exists(unreadable))
        | (Q(kind=Kind.APPROVAL) & Exists(asked))
        | (Q(kind=Kind.WARNING) & Exists(announced))
        | (
            Q(kind=Kind.SCHEDULE)
            & Exists(scheduled)
            & Exists(running)
            & ~Exists(overridden)
        )
        | Q(kind__in=_PAST)
    )
    return Q(is_list=False) & single | Q(Exists(members), is_list=True)


def still_valid(reminder: Reminder) -> bool:
    if reminder.is_list:
        _cancel(reminder.members.filter(state=State.GROUPED))
    return Reminder.objects.filter(_still_valid(), pk=reminder.pk).exists()


def expire_invalid(now: datetime) -> None:
    """Cancel reminders that no longer apply, and drop those that are too late.

    A cancelled reminder that applies again becomes active again, since its key prevents
    a second one. An example is an instance that was missing from one listing.
    """
    waiting = Reminder.objects.filter(state=State.WAITING)
    _update(
        waiting.filter(expires_at__lte=now),
        state=State.DROPPED,
        note=messages.TOO_LATE(),
    )
    unexpired = Reminder.objects.filter(expires_at__gt=now)
    in_page = unexpired.filter(medium=Medium.PAGE, state=State.SENT)
    is_page, is_single = Q(medium=Medium.PAGE), Q(part_of=None)
    # What a sent message listed stays as it was. As a join, PostgreSQL may compare
    # each member with each list.
    open_list = Reminder.objects.filter(
        pk=OuterRef("part_of_id"), state__in=[State.WAITING, State.CANCELLED]
    )
    in_open_list = is_page | Exists(open_list)
    _cancel(unexpired.filter(in_open_list, state=State.GROUPED))
    for reminders in (waiting, in_page):
        _cancel(reminders)
    cancelled = unexpired.filter(
        state=State.CANCELLED, note__code=messages.OUT_OF_DATE.code, tries=0
    )
    # Members first: a list applies while one of them does.
    for which, state in (
        (in_open_list & ~is_single, State.GROUPED),
        (is_page & is_single, State.SENT),
        (~is_page & is_single, State.WAITING),
    ):
        _update(cancelled.filter(which, _still_valid()), state=state, note=Message())


def _cancel(reminders: QuerySet[Reminder]) -> None:
    _update(
        reminders.exclude(_still_valid()),
        state=State.CANCELLED,
        note=messages.OUT_OF_DATE(),
    )


def _update(reminders: QuerySet[Reminder], **changes: Any) -> None:
    """Update some rows at a time, each only if the conditions still hold."""
    keys = list(reminders.order_by().values_list("pk", flat=True))
    for some in batched(keys, AT_ONCE):
        reminders.filter(pk__in=some).update(**changes)


@transaction.atomic
def expire_stalled(now: datetime) -> None:
    """Mark reminders whose worker died while sending; they may have been sent."""
    stalled = Reminder.objects.filter(state=State.SENDING, lease_until__lte=now)
    keys = list(stalled.values_list("pk", flat=True))
    if not keys:
        return
    # Check the state again: the worker may have recorded the outcome meanwhile.
    ended = Reminder.objects.filter(pk__in=keys, state=State.SENDING).update(
        state=State.UNKNOWN,
        note=messages.WORKER_ENDED_NO_RETRY(),
        lease_until=None,
    )
    Attempt.objects.filter(
        reminder__in=keys, reminder__state=State.UNKNOWN, outcome=""
    ).update(
        outcome=Attempt.Outcome.UNKNOWN,
        detail=messages.WORKER_ENDED(),
        finished_at=now,
    )
    log.warning("reminders perhaps sent", reminders=ended)


def delete_old(now: datetime) -> None:
    """Delete some old reminders, and the acknowledgements of that time."""
    old = Reminder.objects.filter(created_at__lt=now - KEPT).order_by()
    keys = list(old.values_list("pk", flat=True)[:AT_ONCE])
    if keys:
        Reminder.objects.filter(pk__in=keys).delete()
    Acknowledgement.objects.filter(at__lt=now - KEPT).delete()
