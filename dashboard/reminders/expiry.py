"""Ending what no longer holds, what got lost and what is old; a few rows at a time."""

from datetime import datetime, timedelta
from itertools import batched
from typing import Any

import structlog
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from dashboard.edits.models import Edit
from dashboard.instances.mapping import SAME_RUN_MS
from dashboard.instances.models import Instance
from dashboard.modelarts.statuses import FAILED, InstanceStatus
from dashboard.policies.models import PlannedStop, RuleException
from dashboard.web.stored_messages import Message

from . import messages
from .models import CORRECTED_KEY, Attempt, Reminder

log = structlog.get_logger(__name__)

Kind, Medium, State = Reminder.Kind, Reminder.Medium, Reminder.State

KEPT = timedelta(days=30)
AT_ONCE = 200
"""Rows written in one transaction."""


def _still_valid() -> Q:
    """Condition on reminders: what they say is still so."""
    runs_on = Instance.objects.filter(
        pk=OuterRef("instance_id"),
        missing_since=None,
        status=InstanceStatus.RUNNING,
        stop_timestamp_ms__gte=OuterRef("deadline_ms") - SAME_RUN_MS,
        stop_timestamp_ms__lte=OuterRef("deadline_ms") + SAME_RUN_MS,
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
    requested = RuleException.objects.filter(
        pk=OuterRef("exception_id"), state=RuleException.State.ASKED
    )
    failed_still = Q(edit__state__in=[Edit.State.FAILED, Edit.State.CONFLICT])
    tried_again = Edit.objects.filter(retry_of=OuterRef("edit_id"))
    return (
        Q(Q(kind=Kind.STOP) & Exists(runs_on))
        | Q(Q(kind=Kind.FAILURE) & Exists(failed))
        | Q(Q(kind=Kind.EDIT) & Q(key__endswith=CORRECTED_KEY))
        | Q(
            Q(kind=Kind.EDIT)
            & ~Q(key__endswith=CORRECTED_KEY)
            # Of a batch other edits have failed.
            & (failed_still | Q(edit__batch__isnull=False))
            & ~Exists(tried_again)
        )
        | Q(Q(kind=Kind.POLICY) & Exists(planned))
        | Q(Q(kind=Kind.REQUEST) & Exists(requested))
        | Q(kind__in=[Kind.STOPPED, Kind.ANSWER, Kind.TEST])
    )


def still_valid(reminder: Reminder) -> bool:
    """Whether what it says is still so; one query."""
    return Reminder.objects.filter(_still_valid(), pk=reminder.pk).exists()


def expire_invalid(now: datetime) -> None:
    """Cancel what is no longer true, drop what is of no use any more.

    What is true again, as after a listing that lacked an instance, is taken up again
    where it was left: its key would keep a second row away.
    """
    waiting = Reminder.objects.filter(state=State.WAITING)
    _update(
        waiting.filter(expires_at__lte=now),
        state=State.DROPPED,
        note=messages.TOO_LATE(),
    )
    of_use = Reminder.objects.filter(expires_at__gt=now)
    in_page = of_use.filter(medium=Medium.PAGE, state=State.SENT)
    for reminders in (waiting, in_page):
        _update(
            reminders.exclude(_still_valid()),
            state=State.CANCELLED,
            note=messages.OUT_OF_DATE(),
        )
    cancelled = of_use.filter(
        state=State.CANCELLED, note__code=messages.OUT_OF_DATE.code, tries=0
    )
    for is_page, state in ((True, State.SENT), (False, State.WAITING)):
        page = Q(medium=Medium.PAGE)
        again = cancelled.filter(page if is_page else ~page).filter(_still_valid())
        _update(again, state=state, note=Message())


def _update(reminders: QuerySet[Reminder], **changes: Any) -> None:
    """Change some at a time, each only if it is still meant."""
    keys = list(reminders.order_by().values_list("pk", flat=True))
    for some in batched(keys, AT_ONCE):
        reminders.filter(pk__in=some).update(**changes)


@transaction.atomic
def expire_stalled(now: datetime) -> None:
    """Whoever held these is dead; whether their messages left, nobody can know."""
    lost = Reminder.objects.filter(state=State.SENDING, lease_until__lte=now)
    keys = list(lost.values_list("pk", flat=True))
    if not keys:
        return
    # The condition again: it may have been recorded between.
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
    """Delete what nobody looks up any more."""
    old = Reminder.objects.filter(created_at__lt=now - KEPT).order_by()
    keys = list(old.values_list("pk", flat=True)[:AT_ONCE])
    if keys:
        Reminder.objects.filter(pk__in=keys).delete()
