"""Enforce policies: create edits that fix their violations.

The edits are delivered like all others, in the name of the policy. Settings are fixed
at once, since they apply from the next start. A run is stopped after its owner was
warned. See ``docs/decisions/0014-enforcement.md``.
"""

from collections.abc import Callable, Collection, Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from dashboard.instances.models import Instance
from dashboard.policies import selectors, services, stops
from dashboard.policies.models import PlannedStop, Rule
from dashboard.policies.remedies import Remedy, remedies
from dashboard.policies.rules import setting_remedy

from . import automatic_batches, messages, plans, questions
from .models import Edit
from .plans import BulkChange
from .states import NewEdit

log = structlog.get_logger(__name__)

AGAIN_AFTER = timedelta(hours=1)
"""How long a policy waits after an edit for an instance."""

AFTER_REFUSAL = timedelta(days=1)
"""How long it waits after the cloud refused one, unless the status has changed."""

LOOKS_AHEAD = timedelta(days=1)
"""How far a preview looks ahead; this includes the next quiet hours."""

STOP = BulkChange(Edit.Kind.STOP, {})


class Prospect(NamedTuple):
    """What a policy would do now.

    Attributes:
        settings: The settings that it would change.
        stops: The runs that it would stop after a warning.
        impossible: Violations that cannot be fixed, each with the reason.
        asked: How many runs it would ask about; only for ``STILL_NEEDED``.
    """

    settings: list[NewEdit]
    stops: list[Remedy]
    impossible: list[plans.Skip]
    asked: int = 0

    @property
    def number(self) -> int:
        """The number of instances that it would change, stop or ask about."""
        if self.asked:
            return self.asked
        changed = {item.instance.pk for item in self.settings}
        return len(changed | {stop.instance.pk for stop in self.stops})


def enforce_rules() -> None:
    """Act for every enforced policy, or count what it would do; end exceptions."""
    services.expire_exceptions()
    for rule in selectors.enforced():
        _check(rule, act if rule.is_acting else _number_of_prospect)
    for rule in selectors.asking():
        _check(rule, questions.ask_owners)


def _check(rule: Rule, step: Callable[[Rule], int]) -> None:
    try:
        services.record_check(rule=rule, found=step(rule))
    except Exception:
        # The next check tries again; the other policies must not wait for this one.
        log.exception("rule failed", rule=rule.name)


def _number_of_prospect(rule: Rule) -> int:
    return prospect(rule).number


def prospect(rule: Rule, now: datetime | None = None) -> Prospect:
    """Return what a policy would do now, whether it acts or not."""
    now = now or timezone.now()
    if rule.kind == Rule.Kind.STILL_NEEDED:
        return Prospect([], [], [], asked=questions.number_asked(rule, now))
    fixes = remedies(rule, now, ahead=LOOKS_AHEAD)
    plan, change = plans.Plan(), setting_change(rule)
    pks = {remedy.instance.pk for remedy in fixes if remedy.fixes_setting}
    if change and (pks := pks - _resting(rule, change.kind, pks, now)):
        plan = plans.build_plan(plans.BulkContext(pks, actor=None, now=now), change)
    ends = [remedy for remedy in fixes if remedy.stop_at is not None]
    ends.sort(key=lambda remedy: (remedy.stop_at or now, str(remedy.instance)))
    return Prospect(plan.items, ends, plan.skips)


@transaction.atomic
def act(rule: Rule) -> int:
    """Plan a policy's stops and create the edits that are due; return their number."""
    # Pausing the policy waits for this lock, and then cancels all of these edits.
    rows = Rule.objects.select_for_update(no_key=True)
    locked = rows.filter(pk=rule.pk, acts=True, mode=Rule.Mode.ENFORCE).first()
    if locked is None:
        return 0
    now = timezone.now()
    fixes = remedies(locked, now, ahead=notice())
    stops.plan_stops(rule=locked, remedies=fixes, notice=notice(), now=now)
    due = PlannedStop.objects.filter(
        rule=locked, ended_at=None, stops_at__lte=now, warned_at__isnull=False
    )
    number = _file(locked, due.values_list("instance_id", flat=True), STOP, now)
    if change := setting_change(locked):
        pks = [remedy.instance.pk for remedy in fixes if remedy.fixes_setting]
        number += _file(locked, pks, change, now)
    if number:
        log.info("rule acted", rule=locked.name, edits=number)
    return number


def notice() -> timedelta:
    """Return how long before a stop its owner is warned first."""
    return timedelta(minutes=max(lead_times()))


def lead_times() -> list[int]:
    """Return the minutes before a stop at which its owner is warned, longest first."""
    return list(settings.CURFEW.policy_warning_minutes)


def setting_change(rule: Rule) -> BulkChange | None:
    """Return the change of settings that fixes violations; None if there is none."""
    patch = setting_remedy(rule)
    if not patch:
        return None
    keeps = "auto_stop_duration" not in patch
    return BulkChange(Edit.Kind.UPDATE, patch, keeps_hours=keeps)


def _file(rule: Rule, pks: Iterable[int], change: BulkChange, now: datetime) -> int:
    pks = set(pks)
    pks -= _resting(rule, change.kind, pks, now)
    if not pks:
        return 0
    # Planned without locks first: a violation that cannot be fixed stays so for long.
    plan = plans.build_plan(plans.BulkContext(pks, actor=None, now=now), change)
    if not plan.items:
        return 0
    return automatic_batches.create_for_rule(
        rule=rule,
        selection=[item.instance.pk for item in plan.items],
        change=change,
        source=messages.VIOLATIONS(policy=rule.name),
    )


def _resting(rule: Rule, kind: str, pks: Collection[int], now: datetime) -> set[int]:
    """Return the instances for which the policy waits after its last edit.

    Edits that were cancelled when the policy was paused do not count.
    """
    recent = Edit.objects.filter(
        rule=rule, actor=None, kind=kind, created_at__gt=now - AFTER_REFUSAL
    ).exclude(state=Edit.State.CANCELLED, created_at__lt=rule.acting_since or now)
    resting = set(
        recent.filter(created_at__gt=now - AGAIN_AFTER).values_list(
            "instance_id", flat=True
        )
    )
    # Failed before their deadline: the cloud refused them, and would again.
    refused = recent.filter(
        state__in=Edit.RETRYABLE,
        finished_at__lt=F("deadline_at"),
    )
    since = dict(Instance.objects.filter(pk__in=pks).values_list("pk", "status_since"))
    for pk, created_at in refused.values_list("instance_id", "created_at"):
        changed_at = since.get(pk)
        if changed_at is None or changed_at < created_at:
            resting.add(pk)
    return resting & set(pks)
