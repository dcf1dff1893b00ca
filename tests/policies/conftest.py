"""Rules and questions for tests."""

from datetime import timedelta
from typing import Any

from django.utils import timezone

from dashboard.instances.models import Instance
from dashboard.policies.models import Question, Rule


def make_rule(**fields: Any) -> Rule:
    """Create a rule; by default, auto-stop must be on for all instances."""
    defaults = {
        "name": "Auto-stop on",
        "reason": "Idle notebooks cost money.",
        "kind": Rule.Kind.AUTO_STOP,
        "mode": Rule.Mode.ENFORCE,
    }
    return Rule.objects.create(**(defaults | fields))


def make_question(rule: Rule, instance: Instance) -> Question:
    """Ask whether a run is still needed; an hour is left for the answer."""
    now = timezone.now()
    return Question.objects.create(
        rule=rule,
        instance=instance,
        run_seen_since=now,
        asked_at=now,
        deadline=now + timedelta(hours=1),
    )
