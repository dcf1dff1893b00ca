"""Which rules an instance or a change violates. Pure functions.

They do not consider exceptions; ``selectors`` does.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from typing import Any, NamedTuple

from django.db.models import F, Q
from django.utils.translation import gettext

from dashboard.instances import run_state
from dashboard.instances.countdown import exact_text
from dashboard.instances.models import Instance
from dashboard.modelarts.statuses import NEVER_RUN, InstanceStatus
from dashboard.web.stored_messages import Message, sentences

from . import messages
from .models import Rule
from .runs import is_quiet, present_run, quiet_begin, wanted_end

_AUTO_STOP = frozenset({"auto_stop_enable", "auto_stop_duration"})


@dataclass(frozen=True)
class Change:
    """A requested change of an instance.

    Attributes:
        patch: The new settings, named as in the mirror.
        starts: Whether it starts the instance.
    """

    patch: Mapping[str, Any] = field(default_factory=dict)
    starts: bool = False

    @property
    def is_judged(self) -> bool:
        """Whether any rule can refuse it."""
        return self.starts or bool(_AUTO_STOP & self.patch.keys())


class Violation(NamedTuple):
    """A violated rule, and how it is violated in one sentence."""

    rule: Rule
    sentence: Message


def violations(
    rules: Iterable[Rule], instance: Instance, now: datetime
) -> list[Violation]:
    """Return the rules that an instance violates by its run, its setting, or both.

    Args:
        rules: Of any scope.
        instance: With its cloud.
        now: Aware.
    """
    return [
        Violation(rule, sentence)
        for rule in rules
        if (
            sentence := sentences(
                run_fault(rule, instance, now), setting_fault(rule, instance)
            )
        )
    ]


def run_fault(rule: Rule, instance: Instance, now: datetime) -> Message:
    """Return how the current run violates the rule; empty when it does not."""
    if not _is_judged(rule, instance):
        return Message()
    end, run = wanted_end(rule, instance, now), present_run(instance)
    if end is None or run is None:
        return Message()
    if rule.kind == Rule.Kind.QUIET_HOURS:
        if end > now:
            return Message()
        return messages.RUN_IN_QUIET_HOURS(hours=quiet_hours(rule))
    if rule.kind == Rule.Kind.AUTO_STOP:
        return messages.RUN_WITHOUT_END()
    longest = _longest(rule)
    if run.ends_at is None:
        return messages.RUN_WITHOUT_LIMIT(longest=longest)
    minutes = round((run.ends_at - run.since).total_seconds() / 60)
    length = messages.LENGTH(seconds=minutes * 60)
    return messages.RUN_TOO_LONG(length=length, longest=longest)


def setting_fault(rule: Rule, instance: Instance) -> Message:
    """Return how the setting for the next run violates the rule; empty otherwise."""
    if rule.kind == Rule.Kind.QUIET_HOURS or not _is_judged(rule, instance):
        return Message()
    return _bad_setting(rule, instance.auto_stop_enable, instance.auto_stop_duration)


def suspects(
    rules: Iterable[Rule], now: datetime, *, ahead: timedelta = timedelta()
) -> Q:
    """Return a database filter for the instances that may violate one of the rules.

    It matches every instance that violates one, and some that do not.

    Args:
        rules: Of any scope.
        now: Aware.
        ahead: Also match instances whose run will violate one within this time.
    """
    matches = Q(pk__in=[])  # none, where Q() would match all
    for rule in rules:
        if rule.kind == Rule.Kind.QUIET_HOURS:
            begin = quiet_begin(rule, now)
            if begin is not None and begin <= now + ahead:
                matches |= run_state.RUNNING
            continue
        matches |= Q(auto_stop_enable=False) | run_state.WITHOUT_END
        if rule.kind == Rule.Kind.MAX_HOURS:
            longest = timedelta(seconds=rule.max_seconds or 0)
            matches |= Q(auto_stop_duration__gt=rule.max_seconds or 0)
            matches |= run_state.RUNNING & Q(run_started_at=None)
            matches |= Q(run_ends_at__gt=F("run_started_at") + longest)
    return matches & ~Q(status__in=NEVER_RUN)


def refusals(
    rules: Iterable[Rule],
    instance: Instance,
    change: Change,
    values: Mapping[str, Any],
    now: datetime,
) -> list[Violation]:
    """Return the rules that refuse a change.

    Only the changed settings count: the description of an instance that violates a rule
    can be changed, and it can be stopped at any hour.

    Args:
        rules: The enforced rules, of any scope.
        instance: With its cloud.
        change: The requested change.
        values: The settings without the change.
        now: Aware.
    """
    if not change.is_judged:
        return []
    status = InstanceStatus.RUNNING if change.starts else instance.status
    settings = {**values, **change.patch}
    violated = []
    for rule in rules:
        if not applies(rule, instance, status):
            continue
        if rule.kind != Rule.Kind.QUIET_HOURS:
            sentence = _bad_setting(
                rule,
                settings.get("auto_stop_enable"),
                settings.get("auto_stop_duration"),
            )
        elif change.starts and is_quiet(rule, now):
            sentence = messages.START_IN_QUIET_HOURS(hours=quiet_hours(rule))
        else:
            sentence = Message()
        if sentence:
            violated.append(Violation(rule, sentence))
    return violated


def applies(rule: Rule, instance: Instance, status: str) -> bool:
    """Whether the instance is in the rule's scope when it has this status."""
    return (
        rule.cloud in {"", instance.cloud.name}
        and rule.workspace_id in {"", instance.workspace_id}
        and rule.flavor_type.upper() in {"", instance.flavor_type.upper()}
        and rule.owner in {"", instance.owner_name, instance.owner_id}
        and rule.status in {"", status}
    )


def setting_remedy(rule: Rule) -> dict[str, Any]:
    """Return the settings that comply with the rule; empty for quiet hours."""
    if rule.kind == Rule.Kind.QUIET_HOURS:
        return {}
    patch: dict[str, Any] = {"auto_stop_enable": True}
    if rule.kind == Rule.Kind.MAX_HOURS:
        patch["auto_stop_duration"] = rule.max_seconds
    return patch


def quiet_hours(rule: Rule) -> Message:
    """Return the quiet hours, such as ``22:00 to 06:00 (Europe/Berlin)``."""
    first, last = rule.quiet_from or time(), rule.quiet_until or time()
    return messages.QUIET_HOURS(
        first=format(first, "%H:%M"), last=format(last, "%H:%M"), zone=rule.zone.key
    )


def requirement(rule: Rule) -> str:
    """Return what the rule requires, in one sentence."""
    if rule.kind == Rule.Kind.AUTO_STOP:
        return gettext("Auto-stop must be on.")
    if rule.kind == Rule.Kind.MAX_HOURS:
        return gettext("The maximum run time is %(value)s.") % {
            "value": exact_text(rule.max_seconds or 0)
        }
    return gettext("No runs during quiet hours: %(hours)s.") % {
        "hours": quiet_hours(rule)
    }


def _bad_setting(rule: Rule, enabled: bool | None, seconds: int | None) -> Message:
    # A setting that the cloud does not report is no violation.
    if rule.kind == Rule.Kind.AUTO_STOP:
        return messages.AUTO_STOP_OFF() if enabled is False else Message()
    if enabled is False:
        return messages.SETTING_WITHOUT_LIMIT(longest=_longest(rule))
    if enabled and seconds is not None and seconds > (rule.max_seconds or 0):
        length = messages.LENGTH(seconds=seconds)
        return messages.SETTING_TOO_LONG(length=length, longest=_longest(rule))
    return Message()


def _longest(rule: Rule) -> Message:
    return messages.LENGTH(seconds=rule.max_seconds or 0)


def _is_judged(rule: Rule, instance: Instance) -> bool:
    return (
        instance.missing_since is None
        and instance.status not in NEVER_RUN
        and applies(rule, instance, instance.status)
    )
