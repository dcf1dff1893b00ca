"""Policies on the pages of other apps."""

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
    """The policies that concern one instance.

    Attributes:
        stops: The planned stops of its run, the nearest first.
        violations: The policies that it violates without an exception.
        exceptions: Those in effect, and those requested.
    """

    stops: list[PlannedStop]
    violations: list[Violation]
    exceptions: list[RuleException]


@register.simple_tag
def exceptions_waiting(user: User) -> int:
    """Return how many exceptions wait for the user's decision; at most one query."""
    return selectors.exceptions_waiting(user)


@register.simple_tag
def policies_about(instance: Instance) -> About:
    """Return the policies that concern an instance; three queries."""
    now = timezone.now()
    exceptions = list(
        instance.rule_exceptions.filter(
            state__in=[RuleException.State.ASKED, RuleException.State.APPROVED],
            until__gt=now,
        ).select_related("rule", "asked_by", "decided_by")
    )
    excepted = [exception.rule_id for exception in exceptions if exception.holds(now)]
    rules = Rule.objects.exclude(mode=Rule.Mode.OFF).exclude(pk__in=excepted)
    # A plan outlives its run until the next check of the rule.
    stops = selectors.planned_stops().filter(
        instance__in=Instance.objects.filter(run_state.RUNNING, pk=instance.pk)
    )
    return About(list(stops), violations(rules, instance, now), exceptions)
