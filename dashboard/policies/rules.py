"""Which rules an instance or a change violates. Pure functions.

They do not consider exceptions; ``selectors`` does. ``faults`` has the same conditions
as queries for the whole fleet; change both together.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, time, timedelta
from typing import Any, NamedTuple

from django.utils.translation import gettext as _

from dashboard.instances.durations import exact_text
from dashboard.instances.models import Instance
from dashboard.modelarts.statuses import NEVER_RUN, InstanceStatus
from dashboard.web.stored_messages import Message, sentences

from . import messages
from .models import Rule
from .runs import (
    TOLERANCE,
    Run,
    current_run,
    is_quiet,
    latest_end,
    required_end,
)

_AUTO_STOP = frozenset({"auto_stop_enable", "auto_stop_duration"})
_LEASE = frozenset({"stop_timestamp_ms", "lease_type"})


class Violation(NamedTuple):
    """A violated rule, and how it is violated in one sentence."""

    rule: Rule
    sentence: Message


class Match(NamedTuple):
    """A rule in whose scope an instance is.

    Attributes:
        shadowed_by: The rule that counts in its place; None if this one applies.
    """

    rule: Rule
    shadowed_by: Rule | None


class EndLimit(NamedTuple):
    """How a rule limits the end of a run.

    Attributes:
        latest: The latest end that complies, by our clock; may be in the past.
        sentence: What the rule requires of the end.
    """

    rule: Rule
    latest: datetime
    run: Run
    sentence: Message


class RunLimit(NamedTuple):
    """How a rule limits the run time that is given with a start.

    Attributes:
        seconds: The longest run; None if any end will do.
    """

    rule: Rule
    seconds: int | None


def matches(
    rules: Iterable[Rule], instance: Instance, status: str | None = None
) -> list[Match]:
    """Return the rules in whose scope an instance is, in their order.

    Of the rules of one kind, the first enforced one counts and shadows the later ones.
    A rule that only reports shadows nothing, so that it cannot weaken an enforced one.
    See ``docs/decisions/0028-order-of-policies.md``.

    Args:
        rules: None of them off, other than one that is previewed.
        status: Judge the instance as if it had this status.
    """
    if status is None:
        status = instance.status
    first: dict[str, Rule] = {}
    result = []
    for rule in sorted(rules, key=Rule.order):
        if applies(rule, instance, status):
            result.append(Match(rule, first.get(rule.kind)))
            if rule.mode == Rule.Mode.ENFORCE:
                first.setdefault(rule.kind, rule)
    return result


def applicable(
    rules: Iterable[Rule], instance: Instance, status: str | None = None
) -> list[Rule]:
    """Return the rules that apply to an instance; for the arguments, see ``matches``.

    All code that needs the rules which count for an instance or a change calls it.
    """
    found = matches(rules, instance, status)
    return [match.rule for match in found if match.shadowed_by is None]


def violations(
    rules: Iterable[Rule], instance: Instance, now: datetime
) -> list[Violation]:
    """Return the rules that an instance violates by its run, its setting, or both."""
    return [
        Violation(rule, sentence)
        for rule in applicable(rules, instance)
        if (
            sentence := sentences(
                run_fault(rule, instance, now), setting_fault(rule, instance)
            )
        )
    ]


def run_fault(rule: Rule, instance: Instance, now: datetime) -> Message:
    """Return how the current run violates the rule; empty when it does not."""
    if not _is_in_scope(rule, instance):
        return Message()
    end, run = required_end(rule, instance, now), current_run(instance)
    if end is None or run is None:
        return Message()
    is_idle_lease = run.ends_at is None and run.stops_itself
    if end > now and (is_idle_lease or rule.kind == Rule.Kind.QUIET_HOURS):
        return Message()
    if rule.kind == Rule.Kind.QUIET_HOURS:
        return messages.RUN_IN_QUIET_HOURS(hours=quiet_hours(rule))
    if rule.kind == Rule.Kind.AUTO_STOP:
        return messages.RUN_WITHOUT_END()
    longest = _longest(rule)
    if is_idle_lease:
        return messages.IDLE_RUN_TOO_LONG(longest=longest)
    if run.ends_at is None:
        return messages.RUN_WITHOUT_LIMIT(longest=longest)
    minutes = round((run.ends_at - run.since).total_seconds() / 60)
    length = messages.LENGTH(seconds=minutes * 60)
    return messages.RUN_TOO_LONG(length=length, longest=longest)


def setting_fault(rule: Rule, instance: Instance) -> Message:
    """Return how the setting for the next run violates the rule; empty otherwise.

    An instance whose run time is given with each start has no such setting.
    """
    if not rule.limits_setting or not _is_in_scope(rule, instance):
        return Message()
    if not instance.capabilities.has_auto_stop_setting:
        return Message()
    return _bad_setting(rule, instance.auto_stop_enable, instance.auto_stop_duration)


def refusals(
    rules: Iterable[Rule],
    instance: Instance,
    values: Mapping[str, Any],
    patch: Mapping[str, Any],
    now: datetime,
    *,
    starts: bool,
) -> list[Violation]:
    """Return the rules that refuse a change.

    Only the changed settings count: the description of an instance that violates a rule
    can be changed, and it can be stopped at any hour.

    Args:
        rules: The enforced rules, of any scope.
        values: The settings without the change.
        patch: The new settings, named as in the mirror; of an extension the end or the
            type of the lease.
        starts: Whether the change starts the instance.
    """
    if not is_restricted(patch, starts=starts):
        return []
    if _LEASE & patch.keys():
        return end_refusals(rules, instance, _end_of(instance, patch), now)
    status = InstanceStatus.RUNNING if starts else instance.status
    # A run time that is given with each start says nothing about the next one.
    has_setting = instance.capabilities.has_auto_stop_setting
    settings = {**values, **patch} if has_setting else patch
    violated = []
    for rule in applicable(rules, instance, status):
        if rule.limits_setting:
            sentence = _bad_setting(
                rule,
                settings.get("auto_stop_enable"),
                settings.get("auto_stop_duration"),
            )
        elif rule.kind == Rule.Kind.QUIET_HOURS and starts and is_quiet(rule, now):
            sentence = messages.START_IN_QUIET_HOURS(hours=quiet_hours(rule))
        else:
            sentence = Message()
        if sentence:
            violated.append(Violation(rule, sentence))
    return violated


def is_restricted(patch: Mapping[str, Any], *, starts: bool) -> bool:
    """Whether a rule can refuse these settings, an extension, or a start."""
    return starts or bool((_AUTO_STOP | _LEASE) & patch.keys())


def end_refusals(
    rules: Iterable[Rule],
    instance: Instance,
    ends_at: datetime | None,
    now: datetime,
) -> list[Violation]:
    """Return the rules that refuse another end of the current run.

    Args:
        rules: The enforced rules, of any scope.
        ends_at: The new end by our clock; None for a lease without a fixed end, which
            stops the instance once nobody uses it.
    """
    refused = []
    for limit in end_limits(rules, instance, now):
        rule, run = limit.rule, limit.run
        if rule.kind == Rule.Kind.QUIET_HOURS:
            latest = now if ends_at is None else ends_at
            if latest > limit.latest:
                sentence = messages.END_IN_QUIET_HOURS(hours=quiet_hours(rule))
                refused.append(Violation(rule, sentence))
        elif ends_at is None:
            sentence = messages.IDLE_WITHOUT_LIMIT(longest=_longest(rule))
            refused.append(Violation(rule, sentence))
        elif ends_at > limit.latest + TOLERANCE:
            minutes = round((ends_at - run.since).total_seconds() / 60)
            length = messages.LENGTH(seconds=minutes * 60)
            sentence = messages.END_TOO_LATE(length=length, longest=_longest(rule))
            refused.append(Violation(rule, sentence))
    return refused


def end_limits(
    rules: Iterable[Rule], instance: Instance, now: datetime
) -> list[EndLimit]:
    """Return how rules limit the end of the current run; empty without a run."""
    run = current_run(instance)
    if run is None:
        return []
    return [
        EndLimit(rule, latest, run, _end_requirement(rule))
        for rule in applicable(rules, instance)
        if (latest := latest_end(rule, run, now)) is not None
    ]


def run_limits(rules: Iterable[Rule], instance: Instance) -> list[RunLimit]:
    """Return how rules limit the run time of a start; each one needs an auto-stop.

    ``refusals`` refuses a start without auto-stop, or for longer.
    """
    return [
        RunLimit(rule, setting_remedy(rule).get("auto_stop_duration"))
        for rule in applicable(rules, instance, InstanceStatus.RUNNING)
        if rule.limits_setting
    ]


def applies(rule: Rule, instance: Instance, status: str) -> bool:
    """Whether the instance is in the rule's scope when it has this status.

    Another rule may count in its place; see ``matches``.
    """
    return rule.status in {"", status} and rule.includes(instance)


def setting_remedy(rule: Rule) -> dict[str, Any]:
    """Return the settings that comply with the rule; empty if it requires none."""
    if not rule.limits_setting:
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
        return _("Auto-stop must be on.")
    if rule.kind == Rule.Kind.MAX_HOURS:
        return _("The maximum run time is %(value)s.") % {
            "value": exact_text(rule.max_seconds or 0)
        }
    if rule.kind == Rule.Kind.STILL_NEEDED:
        return _(
            "After %(length)s, the owner is asked whether a run is still needed and "
            "has %(time)s to answer."
        ) % {
            "length": exact_text(rule.max_seconds or 0),
            "time": exact_text(rule.answer_seconds or 0),
        }
    return _("No runs during quiet hours: %(hours)s.") % {"hours": quiet_hours(rule)}


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


def _end_requirement(rule: Rule) -> Message:
    if rule.kind == Rule.Kind.QUIET_HOURS:
        return messages.NO_RUNS_IN_QUIET_HOURS(hours=quiet_hours(rule))
    return messages.LONGEST_RUN(longest=_longest(rule))


def _end_of(instance: Instance, patch: Mapping[str, Any]) -> datetime | None:
    """Return the end that an extension asks for, by our clock."""
    end_ms = patch.get("stop_timestamp_ms")
    if end_ms is None:
        return None
    skew = timedelta(milliseconds=instance.cloud.skew_ms)
    return datetime.fromtimestamp(end_ms / 1000, UTC) - skew


def _is_in_scope(rule: Rule, instance: Instance) -> bool:
    return (
        instance.missing_since is None
        and instance.status not in NEVER_RUN
        and applies(rule, instance, instance.status)
    )
