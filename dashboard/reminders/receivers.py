"""What reminders write when a handover is published or taken over."""

from typing import Any

from django.dispatch import receiver
from django.utils import timezone

from dashboard.accounts.models import User
from dashboard.accounts.shifts import (
    PublishedHandover,
    handover_published,
    handover_taken_over,
)

from . import messages, planning, team_events
from .models import Reminder
from .on_call import duty_at
from .recipients import all_recipients

State = Reminder.State


@receiver(handover_published)
def notify(handover: PublishedHandover, **_: Any) -> None:
    """Notify the next person on call, and channels."""
    now = timezone.now()
    recipients = all_recipients(duty_at(now))
    planning.write(list(team_events.published_handover(recipients, handover)), now)


@receiver(handover_taken_over)
def withdraw(number: int, actor: User, **_: Any) -> None:
    """Withdraw the notifications of a handover that someone took over."""
    Reminder.objects.filter(
        event=f"{Reminder.Kind.HANDOVER}:{number}",
        state__in=[State.WAITING, State.SENT, State.GROUPED],
        person__isnull=False,
    ).exclude(medium=Reminder.Medium.MAIL, state=State.SENT).update(
        state=State.CANCELLED, note=messages.TAKEN_OVER(person=actor.get_username())
    )
