"""The settings and runs to change so that instances comply with a rule."""

from datetime import datetime, timedelta
from typing import NamedTuple

from dashboard.instances.models import Instance
from dashboard.web.stored_messages import Message

from .models import Rule
from .rules import applicable, run_fault, setting_fault
from .runs import required_end
from .selectors import candidates, exempt, shadowing


class Remedy(NamedTuple):
    """What to change of one instance.

    Attributes:
        fixes_setting: Whether its setting violates the rule.
        stop_at: When its run must end; None when it may continue.
        sentence: How the run violates the rule, or will.
    """

    instance: Instance
    fixes_setting: bool
    stop_at: datetime | None
    sentence: Message


def remedies(
    rule: Rule, now: datetime, *, ahead: timedelta = timedelta()
) -> list[Remedy]:
    """Return what to change of each instance that violates a rule without an exception.

    Instances for which an earlier rule counts are left alone. Includes runs that will
    violate it within ``ahead``.
    """
    if rule.kind == Rule.Kind.STILL_NEEDED:
        return []  # The owners are asked; see ``questions``.
    exceptions, rules = exempt(now), [*shadowing(rule), rule]
    result = []
    for instance in candidates(Instance.objects.all(), [rule], now, ahead=ahead):
        if (rule.pk, instance.pk) in exceptions:
            continue
        if rule not in applicable(rules, instance):
            continue
        fixes_setting = bool(setting_fault(rule, instance))
        sentence = run_fault(rule, instance, now)
        end = required_end(rule, instance, now)
        if end is not None and not sentence:
            # It will violate the rule from then on, such as in quiet hours.
            sentence = run_fault(rule, instance, end)
            end = end if end <= now + ahead else None
        if fixes_setting or end is not None:
            result.append(Remedy(instance, fixes_setting, end, sentence))
    return result
