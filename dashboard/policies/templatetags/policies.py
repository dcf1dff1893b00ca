"""Policies on the pages of other apps."""

from collections.abc import Sequence
from datetime import datetime
from operator import attrgetter
from typing import Any

from django import template
from django.db.models import BigAutoField, DateTimeField, FilteredRelation, Q, QuerySet
from django.utils import timezone

from dashboard.instances.models import Instance
from dashboard.instances.run_state import is_running
from dashboard.policies import selectors
from dashboard.policies.models import Question, Rule, RuleException
from dashboard.policies.rules import matches, requirement, violations
from dashboard.web.raw_queries import Prepared

register = template.Library()

register.filter(requirement)
register.simple_tag(selectors.questions_for)


@register.simple_tag
def policies_about(instance: Instance) -> dict[str, Any]:
    """Return the policies that concern an instance; one query, or two if one asks.

    These are the planned stops of its run, the nearest first, the violations without an
    exception, the exceptions that are in effect or requested, all in whose scope it is,
    with those that count in their place, and the open question about its run.
    """
    now = timezone.now()
    rows = _rules.rows(instance=instance.pk, now=now)
    # A rule has a row for each of its exceptions, and one without any.
    exceptions = [rule.exception for rule in rows if hasattr(rule, "exception")]
    rules = {rule.pk: rule for rule in rows}
    on = [rule for rule in rules.values() if rule.mode != Rule.Mode.OFF]
    # A plan outlives its run until the next check of the rule.
    stops = [
        rule.stop
        for rule in rules.values()
        if hasattr(rule, "stop") and rule.acts and rule.mode == Rule.Mode.ENFORCE
    ]
    exempt = {item.rule_id for item in exceptions if item.is_in_effect(now)}
    violated = violations(on, instance, now)
    planned = sorted(stops, key=attrgetter("stops_at"))
    return {
        "stops": planned if is_running(instance) else [],
        "violations": [item for item in violated if item.rule.pk not in exempt],
        "matches": matches(on, instance),
        "question": _question(on, instance, now),
        "exceptions": sorted(exceptions, key=attrgetter("asked_at"), reverse=True),
    }


def _rules_about(instance: Any, now: Any) -> QuerySet[Rule]:
    state = RuleException.State
    return Rule.objects.annotate(
        stop=FilteredRelation(
            "planned_stops",
            condition=Q(planned_stops__instance=instance, planned_stops__ended_at=None),
        ),
        exception=FilteredRelation(
            "exceptions",
            condition=Q(
                exceptions__instance=instance,
                exceptions__state__in=[state.ASKED, state.APPROVED],
                exceptions__until__gt=now,
            ),
        ),
    ).select_related(
        *("team", "stop"),
        *("exception__asked_by", "exception__decided_by"),
    )


_rules: Prepared[Any] = Prepared(
    _rules_about, instance=BigAutoField(), now=DateTimeField()
)


def _question(
    rules: Sequence[Rule], instance: Instance, now: datetime
) -> Question | None:
    if all(rule.kind != Rule.Kind.STILL_NEEDED for rule in rules):
        return None
    asked = Question.objects.filter(
        instance=instance, state=Question.State.ASKED, deadline__gt=now
    )
    return asked.select_related("rule").first()
