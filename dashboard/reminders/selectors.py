"""Reads of reminders for their pages."""

from collections.abc import Iterable

from django.db import models
from django.db.models import Q, QuerySet
from django.utils import timezone

from dashboard.accounts.models import User
from dashboard.edits.models import Edit
from dashboard.instances.models import Instance, InstanceEvent
from dashboard.modelarts.statuses import InstanceStatus

from .models import ABOUT, Reminder

Medium, State = Reminder.Medium, Reminder.State


def inbox(user: User) -> QuerySet[Reminder]:
    """Return a person's entries: the newest first, then the nearest stop."""
    return (
        Reminder.objects.filter(person=user, medium=Medium.PAGE)
        .order_by("-created_at", "moment", "pk")
        .select_related("person", "instance__cloud", *ABOUT)
        .fetch_mode(models.FETCH_PEERS)
    )


def ends_of(reminders: Iterable[Reminder]) -> dict[int, InstanceEvent]:
    """Return, by ``Reminder.pk``, the events that ended announced runs; one query."""
    stops = [reminder for reminder in reminders if reminder.kind == Reminder.Kind.STOP]
    if not stops:
        return {}
    events = InstanceEvent.objects.filter(
        instance__in=[reminder.instance_id for reminder in stops],
        at__gte=min(reminder.created_at for reminder in stops),
        to_status__in=[InstanceStatus.STOPPING, InstanceStatus.STOPPED],
    ).select_related("actor")
    seen = list(events.order_by("at", "pk"))
    return {
        reminder.pk: event
        for reminder in stops
        for event in reversed(seen)
        if event.instance_id == reminder.instance_id and event.at >= reminder.created_at
    }


def edits_of(events: Iterable[InstanceEvent]) -> dict[object, Edit]:
    """Return the edits that caused these events, by key; one query."""
    keys = {event.edit_id for event in events if event.edit_id}
    if not keys:
        return {}
    return dict(Edit.objects.select_related("actor").in_bulk(keys))


def unread(user: User) -> int:
    """Return how many entries a person has not read and can still use."""
    return Reminder.objects.filter(
        person=user,
        medium=Medium.PAGE,
        state=State.SENT,
        read_at=None,
        expires_at__gt=timezone.now(),
    ).count()


def log(state: str = "", q: str = "") -> QuerySet[Reminder]:
    """Return all reminders, newest first, with their attempts.

    Args:
        state: One of ``Reminder.State``; empty for any.
        q: Part of a recipient's or instance's name.
    """
    reminders = Reminder.objects.select_related(
        *("person", "channel", "instance__cloud", *ABOUT)
    ).prefetch_related("attempts")
    if state in State.values:
        reminders = reminders.filter(state=state)
    if q:
        reminders = reminders.filter(
            Q(person__username__icontains=q)
            | Q(channel__name__icontains=q)
            | Q(instance__name__icontains=q)
        )
    return reminders.fetch_mode(models.FETCH_PEERS)


def owners() -> list[str]:
    names = Instance.objects.order_by().values_list("owner_name", flat=True).distinct()
    return sorted(set(names) - {""}, key=str.casefold)
