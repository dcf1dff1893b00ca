"""What a rule says of an instance or of a wish. Pure functions; nothing is changed.

Exceptions are not known here: see ``selectors``.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, time
from typing import Any, NamedTuple

from django.db.models import Q
from django.utils.translation import gettext

from dashboard.instances.clock import exact_text
from dashboard.instances.models import Instance
from dashboard.modelarts.statuses import InstanceStatus

from .models import Rule

_AUTO_STOP = frozenset({"auto_stop_enable", "auto_stop_duration"})


@dataclass(frozen=True)
class Wish:
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
    sentence: str


class Remedy(NamedTuple):
    """What puts a violation right: ``update`` with a patch, or ``stop``."""

    kind: str
    patch: dict[str, Any]


def violations(
    rules: Iterable[Rule], instance: Instance, now: datetime
) -> list[Violation]:
    """The rules that an instance breaks as it is.

    Args:
        rules: Those that count, whatever their scope.
        instance: With its cloud.
        now: Aware.
    """
    if instance.missing_since is not None:
        return []
    found = []
    for rule in rules:
        if not applies(rule, instance, instance.status):
            continue
        sentence = (
            _runs_in_quiet_hours(rule, instance, now)
            if rule.kind == Rule.Kind.QUIET_HOURS
            else _bad_setting(
                rule, instance.auto_stop_enable, instance.auto_stop_duration
            )
        )
        if sentence:
            found.append(Violation(rule, sentence))
    return found


def suspects(rules: Iterable[Rule], now: datetime) -> Q:
    """Narrows instances down, in the database, to those ``violations`` can be of.

    Roughly: all that break one of the rules are among them, and some that do not.

    Args:
        rules: Those that count, whatever their scope.
        now: Aware.
    """
    # Nothing is in an empty list; Q() alone would be everything.
    found = Q(pk__in=[])
    for rule in rules:
        if rule.kind == Rule.Kind.QUIET_HOURS:
            if is_quiet(rule, now):
                found |= Q(status=InstanceStatus.RUNNING)
            continue
        found |= Q(auto_stop_enable=False)
        if rule.kind == Rule.Kind.MAX_HOURS:
            found |= Q(auto_stop_duration__gt=rule.max_seconds or 0)
    return found


def refusals(
    rules: Iterable[Rule],
    instance: Instance,
    wish: Wish,
    values: Mapping[str, Any],
    now: datetime,
) -> list[Violation]:
    """The rules for whose sake a wish must be refused.

    A wish answers only for what it touches: new words for an instance that breaks a
    rule anyway are welcome, and so is a stop at any hour.

    Args:
        rules: Those that are enforced, whatever their scope.
        instance: With its cloud.
        wish: What is wanted.
        values: The settings as they will be without the wish.
        now: Aware.
    """
    if not wish.is_judged:
        return []
    status = InstanceStatus.RUNNING if wish.starts else instance.status
    then = {**values, **wish.patch}
    found = []
    for rule in rules:
        if not applies(rule, instance, status):
            continue
        if rule.kind != Rule.Kind.QUIET_HOURS:
            sentence = _bad_setting(
                rule, then.get("auto_stop_enable"), then.get("auto_stop_duration")
            )
        elif wish.starts and is_quiet(rule, now):
            sentence = gettext("Nothing is started from %(rule)s.") % {
                "rule": hours_words(rule)
            }
        else:
            sentence = ""
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


def is_quiet(rule: Rule, now: datetime) -> bool:
    """Whether ``now`` lies in the rule's quiet hours, told in its zone."""
    if rule.quiet_from is None or rule.quiet_until is None:
        return False
    here = now.astimezone(rule.zone).time()
    if rule.quiet_from < rule.quiet_until:
        return rule.quiet_from <= here < rule.quiet_until
    return here >= rule.quiet_from or here < rule.quiet_until


def remedy(rule: Rule) -> Remedy:
    """What puts right an instance that breaks this rule."""
    if rule.kind == Rule.Kind.QUIET_HOURS:
        return Remedy("stop", {})
    patch: dict[str, Any] = {"auto_stop_enable": True}
    if rule.kind == Rule.Kind.MAX_HOURS:
        patch["auto_stop_duration"] = rule.max_seconds
    return Remedy("update", patch)


def hours_words(rule: Rule) -> str:
    """Its quiet hours, as in ``22:00 to 06:00 (Europe/Berlin)``."""
    first, last = rule.quiet_from or time(), rule.quiet_until or time()
    return gettext("%(first)s to %(last)s (%(key)s)") % {
        "first": format(first, "%H:%M"),
        "last": format(last, "%H:%M"),
        "key": rule.zone.key,
    }


def requirement(rule: Rule) -> str:
    """What it requires, in one sentence."""
    if rule.kind == Rule.Kind.AUTO_STOP:
        return gettext("Auto-stop must be on.")
    if rule.kind == Rule.Kind.MAX_HOURS:
        return gettext("A run lasts at most %(value)s.") % {
            "value": exact_text(rule.max_seconds or 0)
        }
    return gettext("Nothing runs from %(rule)s.") % {"rule": hours_words(rule)}


def _bad_setting(rule: Rule, enabled: bool | None, seconds: int | None) -> str:
    # What the cloud does not report is held against nobody.
    if rule.kind == Rule.Kind.AUTO_STOP:
        return gettext("Auto-stop is off.") if enabled is False else ""
    longest = rule.max_seconds or 0
    if enabled is False:
        return gettext(
            "Auto-stop is off, so a run has no end; %(longest)s is most."
        ) % {"longest": exact_text(longest)}
    if enabled and seconds is not None and seconds > longest:
        return gettext("A run would last %(seconds)s; %(longest)s is most.") % {
            "seconds": exact_text(seconds),
            "longest": exact_text(longest),
        }
    return ""


def _runs_in_quiet_hours(rule: Rule, instance: Instance, now: datetime) -> str:
    if instance.status != InstanceStatus.RUNNING or not is_quiet(rule, now):
        return ""
    return gettext("It runs, and from %(rule)s nothing should.") % {
        "rule": hours_words(rule)
    }
