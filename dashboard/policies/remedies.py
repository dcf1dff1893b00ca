"""What is to be put right so that a rule is kept: settings, and runs."""

from datetime import datetime, timedelta
from typing import NamedTuple

from dashboard.instances.models import Instance
from dashboard.web.stored_messages import Message

from .models import Rule
from .rules import applies, run_fault, setting_fault
from .runs import wanted_end
from .selectors import exempt, judged


class Remedy(NamedTuple):
    """What is to be put right of one instance.

    Attributes:
        fixes_setting: Whether its setting breaks the rule.
        stop_at: When the rule wants the present run over; None: it may go on.
        sentence: How the run breaks the rule, or will.
    """

    instance: Instance
    fixes_setting: bool
    stop_at: datetime | None
    sentence: Message


def remedies(
    rule: Rule, now: datetime, *, ahead: timedelta = timedelta()
) -> list[Remedy]:
    """What breaks one rule without leave, whoever may see it, and what that asks for.

    Args:
        rule: Whatever its mode.
        now: Aware.
        ahead: Also the runs that will break it so soon.
    """
    exceptions = exempt(now)
    found = []
    for instance in judged(Instance.objects.all(), [rule], now, ahead=ahead):
        if (rule.pk, instance.pk) in exceptions:
            continue
        fixes, end = bool(setting_fault(rule, instance)), None
        sentence = run_fault(rule, instance, now)
        if applies(rule, instance, instance.status):
            end = wanted_end(rule, instance, now)
        if end is not None and not sentence:
            # It breaks the rule from then on, as by running into quiet hours.
            sentence = run_fault(rule, instance, end)
            end = end if end <= now + ahead else None
        if fixes or end is not None:
            found.append(Remedy(instance, fixes, end, sentence))
    return found


def breaking(rule: Rule, now: datetime) -> list[int]:
    """The instances that break one rule without leave, whoever may see them."""
    return [one.instance.pk for one in remedies(rule, now)]


def breaking_by_setting(rule: Rule, now: datetime) -> list[int]:
    """Those whose setting breaks it, for the next start."""
    return [one.instance.pk for one in remedies(rule, now) if one.fixes_setting]


def breaking_by_run(rule: Rule, now: datetime) -> list[int]:
    """Those whose present run breaks it."""
    return [one.instance.pk for one in remedies(rule, now) if one.stop_at is not None]
