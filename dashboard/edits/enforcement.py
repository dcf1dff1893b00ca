"""Rules that act: Curfew files the edits that put right what breaks them.

Each such edit goes the way of all others, in the name of the rule. Settings are put
right at once, since they count from the next start only. A run is stopped after its
owner was warned. See ``docs/decisions/0014-enforcement.md``.
"""

from collections.abc import Collection, Iterable
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

from . import batches, messages, plans
from .models import Edit
from .plans import BulkChange

log = structlog.get_logger(__name__)

AGAIN_AFTER = timedelta(hours=1)
"""An instance that has got an edit of a rule is left to itself for so long."""

AFTER_REFUSAL = timedelta(days=1)
"""So long where the cloud refused it, unless its status has changed since."""

LOOKS_AHEAD = timedelta(days=1)
"""So far a preview looks: the next quiet hours lie in it."""

STOP = BulkChange(Edit.Kind.STOP, {})


class Prospect(NamedTuple):
    """What a rule would do now.

    Attributes:
        settings: The settings it would change.
        stops: The runs it would stop, once their owners were warned.
        impossible: What breaks it and cannot be put right, each with the reason.
    """

    settings: list[plans.Item]
    stops: list[Remedy]
    impossible: list[plans.Skip]

    @property
    def number(self) -> int:
        """On how many instances it would act."""
        changed = {item.instance.pk for item in self.settings}
        return len(changed | {one.instance.pk for one in self.stops})


def enforce_rules() -> None:
    """Look for work for every enforced rule; do it where that is allowed."""
    services.expire_exceptions()
    for rule in selectors.enforced():
        found = act(rule) if rule.is_acting else prospect(rule).number
        services.note_check(rule=rule, found=found)


def prospect(rule: Rule, now: datetime | None = None) -> Prospect:
    """What a rule would do about the fleet of now, whether it acts or not."""
    now = now or timezone.now()
    found = remedies(rule, now, ahead=LOOKS_AHEAD)
    plan, wish = plans.Plan(), setting_change(rule)
    wrong = {one.instance.pk for one in found if one.fixes_setting}
    if wish and (wrong := wrong - _resting(rule, wish.kind, wrong, now)):
        plan = plans.build_plan(plans.BulkContext(wrong, actor=None, now=now), wish)
    ends = [one for one in found if one.stop_at is not None]
    ends.sort(key=lambda one: (one.stop_at or now, str(one.instance)))
    return Prospect(plan.items, ends, plan.skips)


@transaction.atomic
def act(rule: Rule) -> int:
    """Plan a rule's stops, and file the edits that are due; how many those are."""
    # Who pauses the rule waits for this, and then finds all that was filed.
    rows = Rule.objects.select_for_update(no_key=True)
    locked = rows.filter(pk=rule.pk, acts=True, mode=Rule.Mode.ENFORCE).first()
    if locked is None:
        return 0
    now = timezone.now()
    found = remedies(locked, now, ahead=notice())
    stops.plan_stops(rule=locked, remedies=found, notice=notice(), now=now)
    due = PlannedStop.objects.filter(
        rule=locked, ended_at=None, stops_at__lte=now, warned_at__isnull=False
    )
    number = _file(locked, due.values_list("instance_id", flat=True), STOP, now)
    if wish := setting_change(locked):
        wrong = [one.instance.pk for one in found if one.fixes_setting]
        number += _file(locked, wrong, wish, now)
    if number:
        log.info("rule acted", rule=locked.name, edits=number)
    return number


def notice() -> timedelta:
    """How long before a stop its owner hears of it."""
    return timedelta(minutes=max(lead_times()))


def lead_times() -> list[int]:
    """Minutes before a stop at which its owner is warned, the longest first."""
    return list(settings.CURFEW.policy_warning_minutes)


def setting_change(rule: Rule) -> BulkChange | None:
    """The change of settings that keeps the rule; None where none does."""
    patch = setting_remedy(rule)
    if not patch:
        return None
    keeps = "auto_stop_duration" not in patch
    return BulkChange(Edit.Kind.UPDATE, patch, keeps_hours=keeps)


def _file(rule: Rule, pks: Iterable[int], wish: BulkChange, now: datetime) -> int:
    wanted = set(pks)
    wanted -= _resting(rule, wish.kind, wanted, now)
    if not wanted:
        return 0
    # Without a lock first: most of what cannot get an edit cannot for long.
    plan = plans.build_plan(plans.BulkContext(wanted, actor=None, now=now), wish)
    if not plan.items:
        return 0
    return batches.file_for_rule(
        rule=rule,
        selection=[item.instance.pk for item in plan.items],
        wish=wish,
        source=messages.VIOLATIONS(policy=rule.name),
    )


def _resting(rule: Rule, kind: str, pks: Collection[int], now: datetime) -> set[int]:
    """Those that got such an edit of the rule lately, and are left to themselves.

    Edits that were cancelled when the rule was paused do not count once it acts again.
    """
    lately = Edit.objects.filter(
        rule=rule, actor=None, kind=kind, created_at__gt=now - AFTER_REFUSAL
    ).exclude(state=Edit.State.CANCELLED, created_at__lt=rule.acting_since or now)
    resting = set(
        lately.filter(created_at__gt=now - AGAIN_AFTER).values_list(
            "instance_id", flat=True
        )
    )
    # Failed before its deadline: the cloud has said no, and would again.
    refused = lately.filter(
        state__in=[Edit.State.FAILED, Edit.State.CONFLICT],
        finished_at__lt=F("deadline_at"),
    )
    since = dict(Instance.objects.filter(pk__in=pks).values_list("pk", "status_since"))
    for pk, created_at in refused.values_list("instance_id", "created_at"):
        changed_at = since.get(pk)
        if changed_at is None or changed_at < created_at:
            resting.add(pk)
    return resting & set(pks)
