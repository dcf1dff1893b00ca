"""What there is to tell of policies: stops ahead, runs stopped, and exceptions.

And of runs that somebody else stopped: the owner hears who it was and why.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

from django.conf import settings

from dashboard.edits.models import Edit
from dashboard.instances.models import InstanceEvent
from dashboard.modelarts.statuses import InstanceStatus
from dashboard.policies.models import RuleException
from dashboard.policies.selectors import planned_stops

from .drafts import FRESH, OF_USE, draft, key, known_keys
from .models import Reminder
from .recipients import Recipients, Subject

Kind = Reminder.Kind

_OWNER = ("instance__cloud_id", "instance__owner_id", "instance__owner_name")


class Warnings(NamedTuple):
    """Warnings of planned stops.

    Attributes:
        reminders: Those that are new.
        plans: ``PlannedStop.pk`` of all whose owners were warned by now, once these
            are written.
    """

    reminders: list[Reminder]
    plans: list[int]


def warnings(everybody: Recipients, now: datetime) -> Warnings:
    """Warn owners of the runs that a policy is going to stop."""
    lead_times = settings.CURFEW.policy_warning_minutes
    result = Warnings([], [])
    ahead = planned_stops().filter(
        stops_at__lte=now + timedelta(minutes=max(lead_times)),
        instance__missing_since=None,
        instance__status=InstanceStatus.RUNNING,
    )
    plans = list(
        ahead.values_list("pk", "instance_id", "stops_at", "warned_at", *_OWNER)
    )
    earlier = Reminder.objects.filter(planned_stop__in=[plan[0] for plan in plans])
    known = set(earlier.order_by().values_list("key", flat=True))
    for pk, instance, planned_for, warned_at, *whose in plans:
        stops_at = planned_for
        if warned_at is None:
            # However late the first warning is, it leaves them the shortest time.
            stops_at = max(stops_at, now + timedelta(minutes=min(lead_times)))
            result.plans.append(pk)
        if stops_at <= now:
            continue
        lead = min(
            minutes
            for minutes in lead_times
            if stops_at - now <= timedelta(minutes=minutes)
        )
        for recipient in everybody.owners_of(Subject(*whose)):
            subject = f"policy:{pk}:{lead}"
            if key(recipient, subject) not in known:
                result.reminders.append(
                    draft(
                        recipient,
                        subject,
                        now,
                        kind=Kind.POLICY,
                        instance_id=instance,
                        planned_stop_id=pk,
                        lead_minutes=lead,
                        moment=stops_at,
                        expires_at=stops_at,
                    )
                )
    return result


def stopped(everybody: Recipients, now: datetime) -> Iterator[Reminder]:
    """Yield reminders for owners whose runs someone else or a policy has stopped.

    The stops of one bulk change are one message.
    """
    events = InstanceEvent.objects.filter(
        at__gte=now - FRESH,
        to_status__in=[InstanceStatus.STOPPING, InstanceStatus.STOPPED],
        edit_id__isnull=False,
    ).values_list("edit_id", "instance_id", "at", *_OWNER)
    seen = list(events.order_by("at", "pk"))
    edits = Edit.objects.filter(
        pk__in={event[0] for event in seen}, kind=Edit.Kind.STOP
    ).in_bulk()
    known = known_keys(Kind.STOPPED, now)
    for edit_pk, instance, at, *whose in seen:
        edit = edits.get(edit_pk)
        if edit is None:
            continue
        together = edit.batch_id if edit.actor_id else None
        subject = f"stopped:b{together}" if together else f"stopped:{edit.pk}"
        for recipient in everybody.owners_of(Subject(*whose)):
            assert recipient.person is not None  # noqa: S101 (owners are people)
            is_theirs = recipient.person.pk == edit.actor_id
            unwanted = edit.actor_id is not None and not recipient.hears_of_stops
            if is_theirs or unwanted or key(recipient, subject) in known:
                continue
            known.add(key(recipient, subject))
            yield draft(
                recipient,
                subject,
                now,
                kind=Kind.STOPPED,
                instance_id=instance,
                edit_id=edit.pk,
                moment=at,
                expires_at=at + OF_USE,
            )


def requests(everybody: Recipients, now: datetime) -> Iterator[Reminder]:
    """Yield reminders for those who decide on requested exceptions."""
    requested = RuleException.objects.filter(
        state=RuleException.State.ASKED, asked_at__gte=now - FRESH
    ).values_list("pk", "instance_id", "asked_at", "until", "asked_by_id")
    known = known_keys(Kind.REQUEST, now)
    for pk, instance, at, until, asked_by in requested.order_by("pk"):
        for recipient in everybody.deciders:
            subject = f"request:{pk}"
            mine = recipient.person is not None and recipient.person.pk == asked_by
            if not mine and key(recipient, subject) not in known:
                yield draft(
                    recipient,
                    subject,
                    now,
                    kind=Kind.REQUEST,
                    instance_id=instance,
                    exception_id=pk,
                    moment=at,
                    expires_at=until,
                )


def answers(everybody: Recipients, now: datetime) -> Iterator[Reminder]:
    """Yield reminders of decisions for those who requested an exception."""
    decided = RuleException.objects.filter(decided_at__gte=now - FRESH)
    known = known_keys(Kind.ANSWER, now)
    for exception in decided.order_by("pk"):
        at = exception.decided_at
        if at is None or exception.decided_by_id == exception.asked_by_id:
            continue
        for recipient in everybody.ways.get(exception.asked_by_id, ()):
            subject = f"answer:{exception.pk}:{exception.state}"
            if key(recipient, subject) not in known:
                yield draft(
                    recipient,
                    subject,
                    now,
                    kind=Kind.ANSWER,
                    instance_id=exception.instance_id,
                    exception_id=exception.pk,
                    moment=at,
                    expires_at=at + OF_USE,
                )
