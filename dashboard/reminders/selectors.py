"""Reads of reminders for their pages."""

from django.db import models
from django.db.models import Q, QuerySet
from django.utils import timezone

from dashboard.accounts.models import User
from dashboard.instances.models import Instance

from .models import Reminder

Medium, State = Reminder.Medium, Reminder.State


def inbox(user: User) -> QuerySet[Reminder]:
    """A person's entries, newest first; of those told together, the nearest stop."""
    return (
        Reminder.objects.filter(person=user, medium=Medium.PAGE)
        .order_by("-created_at", "moment", "pk")
        .select_related("instance__cloud", "edit")
        .fetch_mode(models.FETCH_PEERS)
    )


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
        *("person", "channel", "instance__cloud", "edit")
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
