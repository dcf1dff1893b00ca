"""Notifications of the demo, to fill the inbox."""

from datetime import time, timedelta
from typing import Any

from django.utils import timezone

from dashboard.accounts.models import User
from dashboard.instances.models import Instance
from dashboard.modelarts.statuses import FAILED
from dashboard.reminders import planning, services
from dashboard.reminders.drafts import OF_USE
from dashboard.reminders.models import Preferences, Reminder

WANTS: dict[str, dict[str, Any]] = {
    User.Role.OPERATOR: {"scope": "all", "lead_times": [60, 15]},
    User.Role.ADMIN: {"scope": "all", "lead_times": [120, 15]},
    User.Role.SCIENTIST: {"lead_times": [240, 60, 15]},
}


def write() -> str:
    people = User.objects.filter(role__in=WANTS, is_active=True).order_by("pk")
    for person in people:
        quiet = {"quiet_from": time(20), "quiet_until": time(7)}
        wants = Preferences(user=person, time_zone="Europe/Berlin", **quiet)
        for name, value in WANTS[person.role].items():
            setattr(wants, name, value)
        services.save_preferences(preferences=wants)
    planning.plan()
    _tell_of_failures(people.filter(role__in=[User.Role.OPERATOR, User.Role.ADMIN]))
    reminders = Reminder.objects.filter(person__in=people)
    # One that was read, to show both states.
    first = reminders.order_by("-moment").first()
    if first and first.person:
        services.mark_read(user=first.person, keys=[first.pk])
    return f"{reminders.count()} reminders"


def _tell_of_failures(people: Any) -> None:
    """Notify of the emulated cloud's failures, which are older than usual."""
    now = timezone.now()
    failed = Instance.objects.filter(status__in=FAILED, missing_since=None)
    Reminder.objects.bulk_create(
        Reminder(
            key=f"p{person.pk}:page:failure:{instance.pk}:demo",
            person=person,
            instance=instance,
            medium=Reminder.Medium.PAGE,
            kind=Reminder.Kind.FAILURE,
            state=Reminder.State.SENT,
            moment=now - timedelta(minutes=9),
            created_at=now - timedelta(minutes=8),
            sent_at=now - timedelta(minutes=8),
            due_at=now,
            expires_at=now + OF_USE,
        )
        for person in people
        for instance in failed.order_by("pk")[:2]
    )
