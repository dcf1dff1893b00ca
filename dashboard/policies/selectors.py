from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain, islice
from typing import Any

from django.db import models
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from dashboard.accounts.models import User
from dashboard.accounts.permissions import (
    can_decide_exceptions,
    can_edit,
    can_see_fleet,
    can_write_rules,
    fleet_scope,
)
from dashboard.instances.durations import exact_text
from dashboard.instances.models import FleetVersion, Instance
from dashboard.modelarts.statuses import InstanceStatus
from dashboard.web.process_cache import ProcessCache
from dashboard.web.raw_queries import Prepared
from dashboard.web.stored_messages import Message

from .faults import Fault, Faults, faults, violating
from .models import PlannedStop, Question, Rule, RuleException
from .rules import (
    EndLimit,
    RunLimit,
    Violation,
    end_limits,
    is_restricted,
    matches,
    refusals,
    requirement,
    run_limits,
    violations,
)

_COLUMNS = (
    *("cloud", "instance_id", "name", "status", "owner_id", "owner_name"),
    *("workspace_id", "flavor", "flavor_type", "missing_since", "run_started_at"),
    *("status_since", "first_seen_at", "stops_at"),
    *("auto_stop_enable", "auto_stop_duration", "generation", "lease_type"),
    *("tags", "is_running", "version"),
)
"""The columns of an instance that rules and their page need."""

_REQUIRES = ~models.Q(kind=Rule.Kind.STILL_NEEDED)

_MINUTE = timedelta(minutes=1)

_RULE_COLUMNS = tuple(field.attname for field in Rule._meta.concrete_fields)
# By (fleet version, scope, rules). Some rules also depend on the time.
_results = ProcessCache(max_size=16, seconds=5)

Exempt = frozenset[tuple[int, int]]
"""Keys of rule and instance, of the exceptions in effect."""


@dataclass(frozen=True)
class Finding:
    """An instance that violates a rule.

    Attributes:
        may_request: Whether the reader may request an exception.
        is_requested: Whether an exception has been requested.
    """

    instance: Instance
    sentence: Message
    running_for: str
    may_request: bool
    is_requested: bool


@dataclass(frozen=True)
class RuleFindings:
    """A rule that is not off, and its violations.

    Attributes:
        findings: The instances to list, longest run first.
        number: How many instances violate it.
        settings: How many of them by their setting.
        runs: How many of them by their current run.
        excepted: How many more instances have an exception.
    """

    rule: Rule
    findings: list[Finding]
    number: int
    settings: int
    runs: int
    excepted: int

    @property
    def requirement(self) -> str:
        return requirement(self.rule)


def enforced() -> list[Rule]:
    """Return the enforced rules that instances and changes have to comply with."""
    return list(Rule.objects.filter(_REQUIRES, mode=Rule.Mode.ENFORCE))


def asking() -> list[Rule]:
    """Return the rules that ask whether runs are still needed, enforced or not."""
    return list(Rule.objects.exclude(_REQUIRES).exclude(mode=Rule.Mode.OFF))


def last_position() -> int:
    last: int | None = Rule.objects.aggregate(last=models.Max("position"))["last"]
    return last or 0


def shadowing(rule: Rule) -> list[Rule]:
    """Return the other rules that may count in place of one; see ``rules.matches``."""
    same_kind = Rule.objects.filter(mode=Rule.Mode.ENFORCE, kind=rule.kind)
    return list(same_kind.exclude(pk=rule.pk).select_related("team"))


def shadow(rule: Rule, instance: Instance, others: Iterable[Rule]) -> Rule | None:
    """Return the rule that counts for an instance in place of one; None if it does.

    Args:
        others: ``shadowing`` of the rule.
    """
    found = matches([*others, rule], instance)
    return next((match.shadowed_by for match in found if match.rule == rule), None)


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
    user: User, now: datetime, *, limit: int, unlimited: str = "", own: bool = False
) -> list[RuleFindings]:
    """Return every rule that is not off, with the instances that violate it.

    Args:
        user: The reader.
        limit: How many instances to list for each rule.
        unlimited: ``pk`` of the rule whose instances are all listed.
        own: Only the reader's own instances.
    """
    version = FleetVersion.current()
    rules = list(Rule.objects.filter(_REQUIRES).exclude(mode=Rule.Mode.OFF))
    exceptions = exempt(now)
    requests = frozenset(
        RuleException.objects.filter(state=RuleException.State.ASKED).values_list(
            "rule_id", "instance_id"
        )
    )
    # Judging a fleet takes longer than all the rest of the page.
    key = (
        *(version, fleet_scope(user), frozenset(user.cloud_identifiers) if own else ""),
        *(getattr(rule, name) for rule in rules for name in _RULE_COLUMNS),
    )
    visible = Instance.objects.visible_to(user)
    found: list[Faults] = _results.get_or_compute(
        key, lambda: faults(visible.owned_by(user) if own else visible, rules, now)
    )
    listed: list[list[int]] = []
    for rule, by_pk in zip(rules, found, strict=True):
        violated = (pk for pk in by_pk if (rule.pk, pk) not in exceptions)
        most = None if unlimited == str(rule.pk) else limit
        listed.append(list(islice(violated, most)))
    shown: list[list[tuple[Instance, Message]]] = _results.get_or_compute(
        (*key, *map(tuple, listed)),
        lambda: _with_sentences(_read(visible), rules, listed, now),
    )
    results = []
    for rule, by_pk, pairs in zip(rules, found, shown, strict=True):
        excepted = {instance for pk, instance in exceptions if pk == rule.pk}
        counts = Counter(fault for pk, fault in by_pk.items() if pk not in excepted)
        findings = [
            Finding(
                instance,
                sentence,
                running_for(instance, now),
                may_request=can_edit(user, instance.owner)
                and (rule.pk, instance.pk) not in requests,
                is_requested=(rule.pk, instance.pk) in requests,
            )
            for instance, sentence in pairs
        ]
        both = counts[Fault.SETTING | Fault.RUN]
        results.append(
            RuleFindings(
                rule,
                findings,
                number=counts.total(),
                settings=counts[Fault.SETTING] + both,
                runs=counts[Fault.RUN] + both,
                excepted=len(by_pk) - counts.total(),
            )
        )
    return results


def _with_sentences(
    instances: QuerySet[Instance],
    rules: Iterable[Rule],
    listed: Sequence[Sequence[int]],
    now: datetime,
) -> list[list[tuple[Instance, Message]]]:
    """Return the listed instances of each rule, and how they violate it."""
    by_pk = instances.in_bulk({*chain.from_iterable(listed)})
    return [
        [
            (by_pk[pk], violation.sentence)
            for pk in pks
            if pk in by_pk
            for violation in violations([rule], by_pk[pk], now)
        ]
        for rule, pks in zip(rules, listed, strict=True)
    ]


def planned_stops() -> QuerySet[PlannedStop]:
    """Return the future stops of rules that act, the nearest first."""
    return PlannedStop.objects.filter(
        ended_at=None, rule__acts=True, rule__mode=Rule.Mode.ENFORCE
    ).select_related("rule")


def refused(
    instance: Instance,
    values: Mapping[str, Any],
    patch: Mapping[str, Any],
    now: datetime,
    *,
    starts: bool,
) -> list[Violation]:
    """Return the enforced rules that refuse a change, exceptions considered.

    For the arguments, see ``refusals``.
    """
    if not is_restricted(patch, starts=starts):
        return []
    violated = refusals(enforced(), instance, values, patch, now, starts=starts)
    exceptions = exempt(now, [instance.pk]) if violated else frozenset()
    return without_exempt(violated, instance, exceptions)


def limits_of_end(instance: Instance, now: datetime) -> list[EndLimit]:
    """Return how enforced rules limit the end of the current run, strictest first.

    Exceptions are considered. At most two queries.
    """
    limits = end_limits(enforced(), instance, now)
    exceptions = exempt(now, [instance.pk]) if limits else frozenset()
    limits = [item for item in limits if (item.rule.pk, instance.pk) not in exceptions]
    return sorted(limits, key=lambda item: item.latest)


def limits_of_start(instance: Instance, now: datetime) -> list[RunLimit]:
    """Return how enforced rules limit the run time that is given with a start.

    Exceptions are considered. At most two queries.
    """
    limits = run_limits(enforced(), instance)
    exceptions = exempt(now, [instance.pk]) if limits else frozenset()
    return [item for item in limits if (item.rule.pk, instance.pk) not in exceptions]


def questions_visible_to(user: User) -> QuerySet[Question]:
    """Return the open questions about every instance that the user may see."""
    return Question.objects.filter(
        state=Question.State.ASKED,
        deadline__gt=timezone.now(),
        instance__in=Instance.objects.visible_to(user),
    ).select_related("rule", "instance__cloud")


def questions_for(user: User) -> list[Question]:
    """Return the open questions about the user's own instances; at most one query."""
    if not user.cloud_identifiers or not can_see_fleet(user):
        return []
    own = Instance.objects.visible_to(user).owned_by(user)
    return list(questions_visible_to(user).filter(instance__in=own))


def exceptions_visible_to(user: User) -> QuerySet[RuleException]:
    """Return the exceptions of every instance that the user may see, newest first."""
    return (
        RuleException.objects.filter(instance__in=Instance.objects.visible_to(user))
        .select_related("rule", "instance__cloud", "asked_by", "decided_by")
        .fetch_mode(models.FETCH_PEERS)
    )


def exceptions_waiting(user: User) -> list[Prepared[RuleException]]:
    """Return the queries whose rows wait for the user's decision, to be counted."""
    return [_ASKED] if can_decide_exceptions(user) else []


def scope_choices(user: User) -> dict[str, list[str]]:
    """Return the values in the fleet, by field of a rule's scope; one query."""
    fields = {
        "cloud": "cloud__name",
        "workspace_id": "workspace_id",
        "flavor_type": "flavor_type",
        "owner": "owner_name",
        "status": "status",
    }
    rows = Instance.objects.visible_to(user).values_list(*fields.values()).distinct()
    columns = zip(*rows, strict=True)
    return {
        name: sorted(set(column) - {""}, key=str.casefold)
        for name, column in zip(fields, columns, strict=False)
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
        return _minutes_text(now - started)
    observed = now - (instance.status_since or instance.first_seen_at)
    if observed < _MINUTE:
        return _("not known")
    return _("at least %(length)s") % {"length": _minutes_text(observed)}


def _minutes_text(duration: timedelta) -> str:
    minutes = duration // _MINUTE
    return exact_text(minutes * 60) if minutes else _("less than a minute")


def candidates(
    instances: QuerySet[Instance],
    rules: Sequence[Rule],
    now: datetime,
    *,
    ahead: timedelta = timedelta(),
) -> QuerySet[Instance]:
    """Return the instances that violate a rule, or will; see ``faults.violating``."""
    return _read(instances.filter(violating(rules, now, ahead=ahead)))


def _read(instances: QuerySet[Instance]) -> QuerySet[Instance]:
    # Thousands of instances share a few clouds: joined, each would get a copy.
    return instances.prefetch_related("cloud").only(*_COLUMNS)


def tabs(user: User, current: str) -> dict[str, Any]:
    """Return the context of ``policies/_tabs.html``."""
    return {
        "current": current,
        "may_write": can_write_rules(user),
        "may_decide": can_decide_exceptions(user),
    }


# On every page.
_ASKED = Prepared(
    lambda: RuleException.objects.filter(state=RuleException.State.ASKED).only("pk")
)
