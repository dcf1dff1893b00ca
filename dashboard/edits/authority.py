"""Whether an edit may still be sent: may its actor, policy or schedule still act?"""

from collections.abc import Iterable
from datetime import datetime
from functools import cached_property

from django.utils import timezone

from dashboard.accounts.permissions import can_edit
from dashboard.instances.models import Instance
from dashboard.modelarts.statuses import STARTABLE, InstanceStatus
from dashboard.policies import questions, selectors as policies
from dashboard.policies.models import Rule
from dashboard.policies.runs import required_end
from dashboard.schedules import overrides, selectors as schedules
from dashboard.schedules.models import MomentKind, Schedule
from dashboard.web.stored_messages import Message

from . import extension, messages
from .models import Edit

_RUNS = frozenset(
    {
        InstanceStatus.START_QUEUING,
        InstanceStatus.READY_TO_START,
        InstanceStatus.STARTING,
        InstanceStatus.RUNNING,
        InstanceStatus.SNAPSHOTTING,
    }
)


class PolicyState:
    """The policies and exceptions that the edits of one transaction depend on.

    They are read once for all of them, and only if one acts in the name of a policy.

    Args:
        instances: Of those edits (``Instance.pk``).
    """

    def __init__(self, instances: Iterable[int]) -> None:
        self.now = timezone.now()
        self._instances = list(instances)
        self._shadowing: dict[int, list[Rule]] = {}

    @cached_property
    def _exempt(self) -> policies.Exempt:
        return policies.exempt(self.now, self._instances)

    def is_exempt(self, rule: Rule, edit: Edit) -> bool:
        return (rule.pk, edit.instance_id) in self._exempt

    def shadow(self, rule: Rule, instance: Instance) -> Rule | None:
        """Return the rule that counts for an instance in place of one, if any."""
        if rule.pk not in self._shadowing:
            self._shadowing[rule.pk] = policies.shadowing(rule)
        return policies.shadow(rule, instance, self._shadowing[rule.pk])


def why_withdrawn(edit: Edit, state: PolicyState | None = None) -> Message:
    """Return why an edit may not be sent any more; empty if it may.

    Args:
        edit: With its actor, policy and schedule.
        state: Of all edits that are looked at together; None reads it for this one.
    """
    if _is_about_an_earlier_run(edit):
        return messages.ANOTHER_RUN()
    if edit.override and not edit.override.is_in_effect(timezone.now()):
        return messages.OVERRIDE_OVER()
    if edit.actor is None:
        if edit.schedule_name:
            return _why_schedule_may_not(edit)
        return _why_rule_may_not(edit, state or PolicyState([edit.instance_id]))
    if can_edit(edit.actor, edit.instance.owner):
        return Message()
    return messages.NOT_PERMITTED(username=edit.actor.get_username())


def why_moment_passes(
    instance: Instance, *, is_overridden: bool, kind: str, moment: datetime
) -> Message:
    """Return why a schedule leaves an instance alone at its moment; empty if not.

    What people did after the moment stays: a run that began, or ended, since then.

    Args:
        is_overridden: Whether an override covers the moment (``overrides.covered``).
        kind: One of ``MomentKind``.
    """
    if is_overridden:
        return messages.OVERRIDDEN()
    if kind == MomentKind.STOP:
        began_at = _run_began_at(instance)
        return messages.STARTED_SINCE() if began_at and began_at > moment else Message()
    since = instance.status_since
    is_stopped = instance.status == InstanceStatus.STOPPED
    has_stopped = is_stopped and since is not None and since > moment
    return messages.STOPPED_SINCE() if has_stopped else Message()


def _run_began_at(instance: Instance) -> datetime | None:
    """Return when the current run began, at the latest; None without one."""
    if instance.status not in _RUNS:
        return None
    observed_since = instance.status_since or instance.first_seen_at
    return instance.run_started_at or observed_since


def _is_about_an_earlier_run(edit: Edit) -> bool:
    """Whether another run has begun than the one that an open stop was meant for.

    An applied stop may still have to undo a late start.
    """
    return edit.is_open and extension.is_later_run(
        edit.instance, edit.base, edit.created_at
    )


def _why_rule_may_not(edit: Edit, state: PolicyState) -> Message:
    rule, now = edit.rule, state.now
    if rule is None or not rule.is_acting:
        return messages.POLICY_PAUSED(policy=edit.policy_name)
    if state.is_exempt(rule, edit):
        return messages.EXEMPT(policy=edit.policy_name)
    if other := state.shadow(rule, edit.instance):
        return messages.SHADOWED(policy=other.name)
    if edit.kind != Edit.Kind.STOP:
        return Message()
    why = _why_no_stop(rule, edit, now)
    # A stop that was sent before may have ended the run.
    return Message() if why and _was_sent(edit) else why


def _why_no_stop(rule: Rule, edit: Edit, now: datetime) -> Message:
    """Return why a policy does not stop this run, or not yet; empty if it does."""
    if rule.kind == Rule.Kind.STILL_NEEDED:
        may_stop = questions.may_stop(rule, edit.instance)
        return Message() if may_stop else messages.ANOTHER_RUN()
    end = required_end(rule, edit.instance, now)
    is_due = end is not None and end <= now
    return Message() if is_due else messages.NO_VIOLATION(policy=edit.policy_name)


def _why_schedule_may_not(edit: Edit) -> Message:
    schedule, instance = edit.schedule, edit.instance
    if schedule is None or not schedule.is_on:
        return messages.SCHEDULE_OFF(schedule=edit.schedule_name)
    active = Schedule.objects.filter(mode=Schedule.Mode.ON).select_related("team")
    first = schedules.match(active, instance)
    if first is None or first.schedule != schedule:
        return messages.OTHER_SCHEDULE(schedule=edit.schedule_name)
    is_start = edit.kind == Edit.Kind.START
    kind = MomentKind.START if is_start else MomentKind.STOP
    moment = edit.scheduled_for or edit.created_at
    if is_start and instance.status not in STARTABLE:
        why = messages.NO_LONGER_STOPPED()
    else:
        why = why_moment_passes(
            instance,
            is_overridden=bool(overrides.covered([instance], moment, kind)),
            kind=kind,
            moment=moment,
        )
    # A start that was sent before may have changed the status.
    return Message() if why and is_start and _was_sent(edit) else why


def _was_sent(edit: Edit) -> bool:
    return edit.attempts.exclude(sent_at=None).exists()
