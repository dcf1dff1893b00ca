"""Rules to hold notebooks to."""

from typing import Any

from dashboard.policies.models import Rule


def make_rule(**fields: Any) -> Rule:
    """A rule that auto-stop must be on, enforced, for all instances."""
    defaults = {
        "name": "Auto-stop on",
        "reason": "Idle notebooks cost money.",
        "kind": Rule.Kind.AUTO_STOP,
        "mode": Rule.Mode.ENFORCE,
    }
    return Rule.objects.create(**(defaults | fields))
