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
    """A person's entries, newest first; of those told together, the nearest stop."""
    return (
        Reminder.objects.filter(person=user, medium=Medium.PAGE)
        .order_by("-created_at", "moment", "pk")
        .select_related("person", "instance__cloud", *ABOUT)
        .fetch_mode(models.FETCH_PEERS)
    )


def ends_of(reminders: Iterable[Reminder]) -> dict[int, InstanceEvent]:
    """How the runs ended whose stop was told and came otherwise; one query.

    Returns:
        By ``Reminder.pk``, where it was seen.
    """
    told = [one for one in reminders if one.kind == Reminder.Kind.STOP]
    if not told:
        return {}
    events = InstanceEvent.objects.filter(
        instance__in=[one.instance_id for one in told],
        at__gte=min(one.created_at for one in told),
        to_status__in=[InstanceStatus.STOPPING, InstanceStatus.STOPPED],
    ).select_related("actor")
    seen = list(events.order_by("at", "pk"))
    return {
        one.pk: event
        for one in told
        for event in reversed(seen)
        if event.instance_id == one.instance_id and event.at >= one.created_at
    }


def edits_of(events: Iterable[InstanceEvent]) -> dict[object, Edit]:
    """The edits that led to some events, by their key; one query."""
    keys = {event.edit_id for event in events if event.edit_id}
    if not keys:
        return {}
    return dict(Edit.objects.select_related("actor").in_bulk(keys))


def unread(user: User) -> int:
    """How many entries are new to a person, and still of use."""
    return Reminder.objects.filter(
        person=user,
        medium=Medium.PAGE,
        state=State.SENT,
        read_at=None,
        expires_at__gt=timezone.now(),
    ).count()


def log(state: str = "", q: str = "") -> QuerySet[Reminder]:
    """All reminders, newest first, with their attempts.

    Args:
        state: One of ``Reminder.State``; empty for any.
        q: Part of a recipient's or instance's name.
    """
    found = Reminder.objects.select_related(
        *("person", "channel", "instance__cloud", *ABOUT)
    ).prefetch_related("attempts")
    if state in State.values:
        found = found.filter(state=state)
    if q:
        found = found.filter(
            Q(person__username__icontains=q)
            | Q(channel__name__icontains=q)
            | Q(instance__name__icontains=q)
        )
    return found.fetch_mode(models.FETCH_PEERS)


def owners() -> list[str]:
    """Owners seen in the fleet, by name."""
    names = Instance.objects.order_by().values_list("owner_name", flat=True).distinct()
    return sorted(set(names) - {""}, key=str.casefold)
