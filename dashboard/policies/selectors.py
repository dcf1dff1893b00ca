"""Reads of rules, of what breaks them, and of the exceptions."""

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
"""What rules and their page need of an instance: not its whole document."""

_A_MINUTE = timedelta(minutes=1)

Exempt = frozenset[tuple[int, int]]
"""Pairs of rule and instance for which an exception holds."""


@dataclass(frozen=True)
class Finding:
    """An instance that breaks a rule.

    Attributes:
        may_ask: Whether the reader may ask for an exception, or make one.
        is_asked: Whether somebody has asked already.
    """

    instance: Instance
    sentence: Message
    running_for: str
    may_ask: bool
    is_asked: bool


@dataclass(frozen=True)
class RuleFindings:
    """A rule that is not off, and what breaks it.

    Attributes:
        number: How many instances do.
        settings: How many of them by their setting.
        runs: How many of them by their present run.
        findings: Those that are named, longest run first.
        excepted: How many more would, but for an exception.
    """

    rule: Rule
    number: int
    settings: int
    runs: int
    findings: Sequence[Finding]
    excepted: int


def enforced() -> list[Rule]:
    """The rules that refuse wishes."""
    return list(Rule.objects.filter(mode=Rule.Mode.ENFORCE))


def exempt(now: datetime, instances: Iterable[int] | None = None) -> Exempt:
    """Where an exception holds at ``now``.

    Args:
        now: Aware.
        instances: Look only for these; None: for all.
    """
    rows = RuleException.objects.filter(
        state=RuleException.State.APPROVED, until__gt=now
    )
    if instances is not None:
        rows = rows.filter(instance__in=instances)
    return frozenset(rows.values_list("rule_id", "instance_id"))


def without_exempt(
    found: Iterable[Violation], instance: Instance, exceptions: Exempt
) -> list[Violation]:
    """Those for which this instance has no leave."""
    return [one for one in found if (one.rule.pk, instance.pk) not in exceptions]


def compliance(
    user: User, now: datetime, *, most: int, whole: str = "", own: bool = False
) -> list[RuleFindings]:
    """Every rule that is not off, with the instances that break it.

    Args:
        user: Who reads.
        now: Aware.
        most: How many instances are named for each rule.
        whole: ``pk`` of the rule of which all are named.
        own: Only the reader's own instances.
    """
    rules = list(Rule.objects.exclude(mode=Rule.Mode.OFF))
    exceptions = exempt(now)
    asked = frozenset(
        RuleException.objects.filter(state=RuleException.State.ASKED).values_list(
            "rule_id", "instance_id"
        )
    )
    found: dict[int, list[tuple[Instance, Message]]] = {rule.pk: [] for rule in rules}
    excepted, settings, runs = (dict.fromkeys(found, 0) for _ in range(3))
    seen = Instance.objects.visible_to(user)
    for instance in judged(seen.owned_by(user) if own else seen, rules, now):
        for rule, sentence in violations(rules, instance, now):
            if (rule.pk, instance.pk) in exceptions:
                excepted[rule.pk] += 1
            else:
                found[rule.pk].append((instance, sentence))
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

    return [
        RuleFindings(
            rule,
            len(broken),
            settings[rule.pk],
            runs[rule.pk],
            [
                finding(rule, *one)
                for one in sorted(broken, key=lambda one: _longest_first(one[0]))[
                    : None if whole == str(rule.pk) else most
                ]
            ],
            excepted[rule.pk],
        )
        for rule, broken in ((rule, found[rule.pk]) for rule in rules)
    ]


def planned_stops() -> QuerySet[PlannedStop]:
    """The stops that are ahead, of rules that act; the nearest first."""
    return PlannedStop.objects.filter(
        ended_at=None, rule__acts=True, rule__mode=Rule.Mode.ENFORCE
    ).select_related("rule")


def refused(
    instance: Instance, change: Change, values: Mapping[str, Any], now: datetime
) -> list[Violation]:
    """The enforced rules for whose sake a wish must be refused, exceptions considered.

    Args:
        instance: With its cloud.
        change: What is wanted.
        values: The settings as they will be without the wish.
        now: Aware.
    """
    if not change.is_judged:
        return []
    found = refusals(enforced(), instance, change, values, now)
    return without_exempt(found, instance, exempt(now, [instance.pk])) if found else []


def exceptions_visible_to(user: User) -> QuerySet[RuleException]:
    """The exceptions for every instance this person may see, newest first."""
    return (
        RuleException.objects.filter(instance__in=Instance.objects.visible_to(user))
        .select_related("rule", "instance__cloud", "asked_by", "decided_by")
        .fetch_mode(models.FETCH_PEERS)
    )


def exceptions_waiting(user: User) -> int:
    """How many exceptions wait for this person's decision; one query."""
    if not can_decide_exceptions(user):
        return 0
    return RuleException.objects.filter(state=RuleException.State.ASKED).count()


def scope_choices(user: User) -> dict[str, list[str]]:
    """What occurs in the fleet, for each field of a rule's scope; in one query."""
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
    """How long this run has lasted, whole minutes; empty when it does not run.

    Of a run without an end the cloud does not say when it began: then since when we
    have seen it run, which is "at least".
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
    """What could break one of these rules; whether it does is left to ``rules``."""
    suspected = instances.filter(PRESENT).filter(suspects(rules, now, ahead=ahead))
    return suspected.select_related("cloud").only(*_JUDGED)


def _longest_first(instance: Instance) -> tuple[bool, float, str]:
    started = instance.run_started_at
    # One that nobody saw begin has run longest of all.
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
