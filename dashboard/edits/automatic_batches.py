"""Batches that policies and schedules create, in their own names."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from dashboard.accounts.models import User
from dashboard.policies.models import Rule
from dashboard.schedules.models import Schedule
from dashboard.web.stored_messages import Message

from . import batches, messages, plans, states
from .models import Edit, EditBatch


@transaction.atomic
def create_for_rule(
    *, rule: Rule, selection: Iterable[int], change: plans.BulkChange, source: Message
) -> int:
    """Create edits in the name of a policy, and return how many.

    Instances that cannot get one now are left out. Call it under the lock of the
    policy's row.

    Args:
        rule: The policy.
        selection: ``Instance.pk``; no more than ``MAX_BATCH_SIZE`` are used.
        change: The change of each instance.
        source: Says where they come from.
    """
    pks = sorted(selection)[: batches.MAX_BATCH_SIZE]
    places = states.lock_queues(pks)
    now = timezone.now()
    plan = plans.build_plan(plans.BulkContext(pks, actor=None, now=now), change)
    if not plan.items:
        return 0
    # Enforcement tries the skipped instances again in a minute.
    plan.skips.clear()
    _create(
        plan,
        places,
        change,
        rule=rule,
        policy_name=rule.name,
        source=source,
    )
    return len(plan.items)


@transaction.atomic
def create_for_schedule(
    *,
    schedule: Schedule,
    scheduled_for: datetime,
    plan: plans.Plan,
    places: Mapping[int, states.Place],
    change: plans.BulkChange,
    source: Message,
) -> EditBatch:
    """Create the edits of a plan in the name of a schedule.

    Call it under the locks of the schedule's row and of the queues.

    Args:
        schedule: The schedule, which is on.
        scheduled_for: Its moment.
        plan: At least one edit, and what the batch shows as skipped.
        places: Of ``states.lock_queues``.
        change: The change of each instance.
        source: Says where they come from.
    """
    return _create(
        plan,
        places,
        change,
        schedule=schedule,
        schedule_name=schedule.name,
        scheduled_for=scheduled_for,
        source=source,
    )


def _create(
    plan: plans.Plan,
    places: Mapping[int, states.Place],
    change: plans.BulkChange,
    **author: Any,
) -> EditBatch:
    batch = EditBatch.objects.create(
        selection=[item.instance.pk for item in plan.items],
        kind=change.kind,
        patch=dict(change.patch),
        keeps_hours=change.keeps_hours,
        reason=change.reason,
        confirmed_at=timezone.now(),
        **author,
    )
    batches.keep_skips(batch, plan)
    batches.create_edits(batch, plan, places)
    return batch


@transaction.atomic
def cancel_for_rule(*, rule: Rule, actor: User) -> int:
    """Cancel the waiting edits of a policy, and return how many."""
    edits = Edit.objects.filter(rule=rule, actor=None, state__in=Edit.CANCELLABLE)
    message = messages.CANCELLED_WITH_POLICY(username=actor.get_username())
    return len(states.cancel(edits, actor=actor, message=message))


@transaction.atomic
def cancel_for_schedule(*, schedule: Schedule, actor: User) -> int:
    """Cancel the waiting edits of a schedule, and return how many."""
    edits = Edit.objects.filter(
        schedule=schedule, actor=None, state__in=Edit.CANCELLABLE
    )
    message = messages.CANCELLED_WITH_SCHEDULE(username=actor.get_username())
    return len(states.cancel(edits, actor=actor, message=message))
