"""What edits make of news from apps below."""

from typing import Any

from django.dispatch import receiver

from dashboard.accounts.models import User
from dashboard.policies.models import Rule
from dashboard.policies.signals import acting_ended

from .batches import cancel_for_rule


@receiver(acting_ended)
def cancel_what_waits(*, rule: Rule, actor: User, **_: Any) -> int:
    """Cancel the edits of a rule that acts no more; how many."""
    return cancel_for_rule(rule=rule, actor=actor)
