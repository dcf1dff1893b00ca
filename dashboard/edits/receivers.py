"""Receivers of signals from apps below."""

from typing import Any

from django.dispatch import receiver

from dashboard.accounts.models import User
from dashboard.policies.models import Rule
from dashboard.policies.signals import acting_ended as rule_ended
from dashboard.schedules.models import Schedule
from dashboard.schedules.signals import acting_ended as schedule_ended

from .automatic_batches import cancel_for_rule, cancel_for_schedule


@receiver(rule_ended)
def cancel_what_waits(*, rule: Rule, actor: User, **_: Any) -> int:
    """Cancel the waiting edits of a policy that was paused, and return how many."""
    return cancel_for_rule(rule=rule, actor=actor)


@receiver(schedule_ended)
def cancel_for_changed_schedule(*, schedule: Schedule, actor: User, **_: Any) -> int:
    """Cancel the waiting edits of a schedule that was changed or switched off."""
    return cancel_for_schedule(schedule=schedule, actor=actor)
