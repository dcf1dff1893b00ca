"""The settings and runs to change so that instances comply with a rule."""

from datetime import datetime, timedelta
from typing import NamedTuple

from dashboard.instances.models import Instance
from dashboard.web.stored_messages import Message

from .models import Rule
from .rules import applies, run_fault, setting_fault
from .runs import wanted_end
from .selectors import exempt, judged


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

    Args:
        rule: Of any mode.
        now: Aware.
        ahead: Include runs that will violate it within this time.
    """
    exceptions = exempt(now)
    result = []
    for instance in judged(Instance.objects.all(), [rule], now, ahead=ahead):
        if (rule.pk, instance.pk) in exceptions:
            continue
        fixes, end = bool(setting_fault(rule, instance)), None
        sentence = run_fault(rule, instance, now)
        if applies(rule, instance, instance.status):
            end = wanted_end(rule, instance, now)
        if end is not None and not sentence:
            # It will violate the rule from then on, such as in quiet hours.
            sentence = run_fault(rule, instance, end)
            end = end if end <= now + ahead else None
        if fixes or end is not None:
            result.append(Remedy(instance, fixes, end, sentence))
    return result


def breaking(rule: Rule, now: datetime) -> list[int]:
    """Return the keys of all instances that violate a rule without an exception."""
    return [remedy.instance.pk for remedy in remedies(rule, now)]


def breaking_by_setting(rule: Rule, now: datetime) -> list[int]:
    """Return those whose setting violates it."""
    return [
        remedy.instance.pk for remedy in remedies(rule, now) if remedy.fixes_setting
    ]


def breaking_by_run(rule: Rule, now: datetime) -> list[int]:
    """Return those whose current run violates it."""
    return [remedy.instance.pk for remedy in remedies(rule, now) if remedy.stop_at]
