"""What pages of other apps say of policies."""

from typing import NamedTuple

from django import template
from django.utils import timezone

from dashboard.accounts.models import User
from dashboard.instances import run_state
from dashboard.instances.models import Instance
from dashboard.policies import selectors
from dashboard.policies.models import PlannedStop, Rule, RuleException
from dashboard.policies.rules import Violation, violations

register = template.Library()


class About(NamedTuple):
    """What policies have to do with one instance.

    Attributes:
        stops: The stops that are ahead of its run, the nearest first.
        violations: The policies that it violates, without leave.
        exceptions: Those that hold, and those that were asked for.
    """

    stops: list[PlannedStop]
    violations: list[Violation]
    exceptions: list[RuleException]


@register.simple_tag
def exceptions_waiting(user: User) -> int:
    """How many exceptions wait for this person's decision; a query for who decides."""
    return selectors.exceptions_waiting(user)


@register.simple_tag
def policies_about(instance: Instance) -> About:
    """What policies have to do with an instance; three queries."""
    now = timezone.now()
    asked = RuleException.State.ASKED
    found = instance.rule_exceptions.filter(
        state__in=[asked, RuleException.State.APPROVED], until__gt=now
    ).select_related("rule", "asked_by", "decided_by")
    exceptions = list(found)
    leave = {one.rule_id for one in exceptions if one.holds(now)}
    rules = [
        rule
        for rule in Rule.objects.exclude(mode=Rule.Mode.OFF)
        if rule.pk not in leave
    ]
    # The plan ends at the next check of the rule; a run that is over has no stop ahead.
    running = run_state.RUNNING
    stops = selectors.planned_stops().filter(
        instance__in=Instance.objects.filter(running, pk=instance.pk)
    )
    return About(list(stops), violations(rules, instance, now), exceptions)
