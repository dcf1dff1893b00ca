"""What a rule says of an instance or of a wish. Pure functions; nothing is changed.

Exceptions are not known here: see ``selectors``.
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
    """What somebody wants of an instance.

    Attributes:
        patch: The settings to be changed, named as in the mirror.
        starts: Whether it is to be started.
    """

    patch: Mapping[str, Any] = field(default_factory=dict)
    starts: bool = False

    @property
    def is_judged(self) -> bool:
        """Whether any rule could be about it."""
        return self.starts or bool(_AUTO_STOP & self.patch.keys())


class Violation(NamedTuple):
    """A rule that is broken, and how, in one sentence."""

    rule: Rule
    sentence: Message


def violations(
    rules: Iterable[Rule], instance: Instance, now: datetime
) -> list[Violation]:
    """The rules that an instance breaks as it is: by its run, by its setting, or both.

    What cannot run breaks none.

    Args:
        rules: Those that count, whatever their scope.
        instance: With its cloud.
        now: Aware.
    """
    found = []
    for rule in rules:
        if not _is_judged(rule, instance):
            continue
        faults = (run_fault(rule, instance, now), setting_fault(rule, instance))
        if sentence := sentences(*faults):
            found.append(Violation(rule, sentence))
    return found


def run_fault(rule: Rule, instance: Instance, now: datetime) -> Message:
    """How the present run breaks the rule, one sentence; empty when it does not.

    It does until it has ended, whatever the setting says by then.
    """
    end, run = wanted_end(rule, instance, now), present_run(instance)
    if end is None or run is None or not _is_judged(rule, instance):
        return Message()
    if rule.kind == Rule.Kind.QUIET_HOURS:
        is_quiet_now = end <= now
        hours = quiet_hours(rule)
        return messages.RUN_IN_QUIET_HOURS(hours=hours) if is_quiet_now else Message()
    if rule.kind == Rule.Kind.AUTO_STOP:
        return messages.RUN_WITHOUT_END()
    longest = _longest(rule)
    if run.ends_at is None:
        return messages.RUN_WITHOUT_LIMIT(longest=longest)
    minutes = round((run.ends_at - run.since).total_seconds() / 60)
    length = messages.LENGTH(seconds=minutes * 60)
    return messages.RUN_TOO_LONG(length=length, longest=longest)


def setting_fault(rule: Rule, instance: Instance) -> Message:
    """How the setting for the next start breaks the rule; empty when it does not."""
    if rule.kind == Rule.Kind.QUIET_HOURS or not _is_judged(rule, instance):
        return Message()
    return _bad_setting(rule, instance.auto_stop_enable, instance.auto_stop_duration)


def suspects(
    rules: Iterable[Rule], now: datetime, *, ahead: timedelta = timedelta()
) -> Q:
    """Narrows instances down, in the database, to those ``violations`` can be of.

    Roughly: all that break one of the rules are among them, and some that do not.

    Args:
        rules: Those that count, whatever their scope.
        now: Aware.
        ahead: Also those whose run will break one so soon.
    """
    # Nothing is in an empty list; Q() alone would be everything.
    found = Q(pk__in=[])
    for rule in rules:
        if rule.kind == Rule.Kind.QUIET_HOURS:
            begin = quiet_begin(rule, now)
            if begin is not None and begin <= now + ahead:
                found |= run_state.RUNNING
            continue
        found |= Q(auto_stop_enable=False) | run_state.WITHOUT_END
        if rule.kind == Rule.Kind.MAX_HOURS:
            longest = timedelta(seconds=rule.max_seconds or 0)
            found |= Q(auto_stop_duration__gt=rule.max_seconds or 0)
            found |= run_state.RUNNING & Q(run_started_at=None)
            found |= Q(run_ends_at__gt=F("run_started_at") + longest)
    return found & ~Q(status__in=NEVER_RUN)


def refusals(
    rules: Iterable[Rule],
    instance: Instance,
    change: Change,
    values: Mapping[str, Any],
    now: datetime,
) -> list[Violation]:
    """The rules for whose sake a wish must be refused.

    A wish answers only for what it touches: new words for an instance that breaks a
    rule anyway are welcome, and so is a stop at any hour.

    Args:
        rules: Those that are enforced, whatever their scope.
        instance: With its cloud.
        change: What is wanted.
        values: The settings as they will be without the wish.
        now: Aware.
    """
    if not change.is_judged:
        return []
    status = InstanceStatus.RUNNING if change.starts else instance.status
    then = {**values, **change.patch}
    found = []
    for rule in rules:
        if not applies(rule, instance, status):
            continue
        if rule.kind != Rule.Kind.QUIET_HOURS:
            sentence = _bad_setting(
                rule, then.get("auto_stop_enable"), then.get("auto_stop_duration")
            )
        elif change.starts and is_quiet(rule, now):
            sentence = messages.START_IN_QUIET_HOURS(hours=quiet_hours(rule))
        else:
            sentence = Message()
        if sentence:
            found.append(Violation(rule, sentence))
    return found


def applies(rule: Rule, instance: Instance, status: str) -> bool:
    """Whether the instance, being in this status, is in the rule's scope."""
    return (
        rule.cloud in {"", instance.cloud.name}
        and rule.workspace_id in {"", instance.workspace_id}
        and rule.flavor_type.upper() in {"", instance.flavor_type.upper()}
        and rule.owner in {"", instance.owner_name, instance.owner_id}
        and rule.status in {"", status}
    )


def setting_remedy(rule: Rule) -> dict[str, Any]:
    """The settings that keep the rule, as a patch; empty where none do."""
    if rule.kind == Rule.Kind.QUIET_HOURS:
        return {}
    patch: dict[str, Any] = {"auto_stop_enable": True}
    if rule.kind == Rule.Kind.MAX_HOURS:
        patch["auto_stop_duration"] = rule.max_seconds
    return patch


def quiet_hours(rule: Rule) -> Message:
    """Its quiet hours, as in ``22:00 to 06:00 (Europe/Berlin)``."""
    first, last = rule.quiet_from or time(), rule.quiet_until or time()
    return messages.QUIET_HOURS(
        first=format(first, "%H:%M"), last=format(last, "%H:%M"), zone=rule.zone.key
    )


def requirement(rule: Rule) -> str:
    """What it requires, in one sentence."""
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
    # What the cloud does not report is held against nobody.
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
