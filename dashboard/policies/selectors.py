"""Reads of rules, violations and exceptions."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import models
from django.db.models import QuerySet
from django.utils.translation import gettext

from dashboard.accounts.models import User
from dashboard.accounts.permissions import (
    can_decide_exceptions,
    can_edit,
    can_write_rules,
)
from dashboard.instances.countdown import exact_text
from dashboard.instances.models import Instance
from dashboard.instances.run_state import PRESENT
from dashboard.modelarts.statuses import InstanceStatus
from dashboard.web.stored_messages import Message

from .models import PlannedStop, Rule, RuleException
from .rules import (
    Change,
    Violation,
    refusals,
    run_fault,
    setting_fault,
    suspects,
    violations,
)

_JUDGED = (
    *("cloud__name", "instance_id", "name", "status", "owner_id", "owner_name"),
    *("workspace_id", "flavor", "flavor_type", "missing_since", "run_started_at"),
    *("status_since", "first_seen_at", "stops_at"),
    *("auto_stop_enable", "auto_stop_duration"),
)
"""The columns of an instance that rules and their page need."""

_A_MINUTE = timedelta(minutes=1)

Exempt = frozenset[tuple[int, int]]
"""Keys of rule and instance, of the exceptions in effect."""


@dataclass(frozen=True)
class Finding:
    """An instance that violates a rule.

    Attributes:
        may_ask: Whether the reader may request an exception.
        is_asked: Whether an exception has been requested.
    """

    instance: Instance
    sentence: Message
    running_for: str
    may_ask: bool
    is_asked: bool


@dataclass(frozen=True)
class RuleFindings:
    """A rule that is not off, and its violations.

    Attributes:
        number: How many instances violate it.
        settings: How many of them by their setting.
        runs: How many of them by their current run.
        findings: The instances to list, longest run first.
        excepted: How many more instances have an exception.
    """

    rule: Rule
    number: int
    settings: int
    runs: int
    findings: Sequence[Finding]
    excepted: int


def enforced() -> list[Rule]:
    return list(Rule.objects.filter(mode=Rule.Mode.ENFORCE))


def exempt(now: datetime, instances: Iterable[int] | None = None) -> Exempt:
    """Return the exceptions in effect at ``now``, of some instances or of all."""
    rows = RuleException.objects.filter(
        state=RuleException.State.APPROVED, until__gt=now
    )
    if instances is not None:
        rows = rows.filter(instance__in=instances)
    return frozenset(rows.values_list("rule_id", "instance_id"))


def without_exempt(
    violations: Iterable[Violation], instance: Instance, exceptions: Exempt
) -> list[Violation]:
    """Return the violations for which the instance has no exception."""
    return [
        violation
        for violation in violations
        if (violation.rule.pk, instance.pk) not in exceptions
    ]


def compliance(
    user: User, now: datetime, *, most: int, whole: str = "", own: bool = False
) -> list[RuleFindings]:
    """Return every rule that is not off, with the instances that violate it.

    Args:
        user: The reader.
        now: Aware.
        most: How many instances to list for each rule.
        whole: ``pk`` of the rule whose instances are all listed.
        own: Only the reader's own instances.
    """
    rules = list(Rule.objects.exclude(mode=Rule.Mode.OFF))
    exceptions = exempt(now)
    asked = frozenset(
        RuleException.objects.filter(state=RuleException.State.ASKED).values_list(
            "rule_id", "instance_id"
        )
    )
    broken: dict[int, list[tuple[Instance, Message]]] = {rule.pk: [] for rule in rules}
    excepted, settings, runs = (dict.fromkeys(broken, 0) for _ in range(3))
    visible = Instance.objects.visible_to(user)
    for instance in judged(visible.owned_by(user) if own else visible, rules, now):
        for rule, sentence in violations(rules, instance, now):
            if (rule.pk, instance.pk) in exceptions:
                excepted[rule.pk] += 1
            else:
                broken[rule.pk].append((instance, sentence))
                settings[rule.pk] += bool(setting_fault(rule, instance))
                runs[rule.pk] += bool(run_fault(rule, instance, now))

    def finding(rule: Rule, instance: Instance, sentence: Message) -> Finding:
        is_asked = (rule.pk, instance.pk) in asked
        return Finding(
            instance,
            sentence,
            running_for(instance, now),
            may_ask=can_edit(user, instance.owner) and not is_asked,
            is_asked=is_asked,
        )

    def findings(rule: Rule) -> list[Finding]:
        longest = sorted(broken[rule.pk], key=lambda pair: _longest_first(pair[0]))
        limit = None if whole == str(rule.pk) else most
        return [finding(rule, *pair) for pair in longest[:limit]]

    return [
        RuleFindings(
            rule,
            len(broken[rule.pk]),
            settings[rule.pk],
            runs[rule.pk],
            findings(rule),
            excepted[rule.pk],
        )
        for rule in rules
    ]


def planned_stops() -> QuerySet[PlannedStop]:
    """Return the future stops of rules that act, the nearest first."""
    return PlannedStop.objects.filter(
        ended_at=None, rule__acts=True, rule__mode=Rule.Mode.ENFORCE
    ).select_related("rule")


def refused(
    instance: Instance, change: Change, values: Mapping[str, Any], now: datetime
) -> list[Violation]:
    """Return the enforced rules that refuse a change, exceptions considered.

    Args:
        instance: With its cloud.
        change: The requested change.
        values: The settings without the change.
        now: Aware.
    """
    if not change.is_judged:
        return []
    violated = refusals(enforced(), instance, change, values, now)
    if not violated:
        return []
    return without_exempt(violated, instance, exempt(now, [instance.pk]))


def exceptions_visible_to(user: User) -> QuerySet[RuleException]:
    """Return the exceptions of every instance that the user may see, newest first."""
    return (
        RuleException.objects.filter(instance__in=Instance.objects.visible_to(user))
        .select_related("rule", "instance__cloud", "asked_by", "decided_by")
        .fetch_mode(models.FETCH_PEERS)
    )


def exceptions_waiting(user: User) -> int:
    """Return how many exceptions wait for the user's decision; at most one query."""
    if not can_decide_exceptions(user):
        return 0
    return RuleException.objects.filter(state=RuleException.State.ASKED).count()


def scope_choices(user: User) -> dict[str, list[str]]:
    """Return the values in the fleet, by field of a rule's scope; one query."""
    fields = {
        "cloud": "cloud__name",
        "workspace_id": "workspace_id",
        "flavor_type": "flavor_type",
        "owner": "owner_name",
        "status": "status",
    }
    rows = set(
        Instance.objects.visible_to(user).values_list(*fields.values()).distinct()
    )
    return {
        name: sorted({row[number] for row in rows} - {""}, key=str.casefold)
        for number, name in enumerate(fields)
    }


def running_for(instance: Instance, now: datetime) -> str:
    """Return how long the current run has lasted, in whole minutes; empty without one.

    The cloud does not say when a run without an end started. The time since Curfew
    first observed it is a lower bound.
    """
    if instance.status != InstanceStatus.RUNNING:
        return ""
    started = instance.run_started_at
    if started is not None and started <= now:
        return _lasted(now - started)
    seen = instance.status_since or instance.first_seen_at
    return (
        gettext("at least %(length)s") % {"length": _lasted(now - seen)}
        if now - seen >= _A_MINUTE
        else gettext("not known")
    )


def _lasted(span: timedelta) -> str:
    minutes = span // _A_MINUTE
    return exact_text(minutes * 60) if minutes else gettext("less than a minute")


def judged(
    instances: QuerySet[Instance],
    rules: Sequence[Rule],
    now: datetime,
    *,
    ahead: timedelta = timedelta(),
) -> QuerySet[Instance]:
    """Return the instances that may violate a rule; see ``rules.suspects``."""
    suspected = instances.filter(PRESENT).filter(suspects(rules, now, ahead=ahead))
    return suspected.select_related("cloud").only(*_JUDGED)


def _longest_first(instance: Instance) -> tuple[bool, float, str]:
    started = instance.run_started_at
    # A run whose start was not observed counts as the longest.
    moment = started.timestamp() if started else 0.0
    runs = instance.status == InstanceStatus.RUNNING
    return (not runs, moment, instance.name.casefold())


def tabs(user: User, current: str) -> dict[str, Any]:
    """Context of the tabs above the pages of policies."""
    return {
        "current": current,
        "may_write": can_write_rules(user),
        "may_decide": can_decide_exceptions(user),
    }
