"""Plan a change of many instances: which get an edit, and why the others do not.

Nothing is written here. A preview and its confirmation call the same functions.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple, Self

from django.conf import settings
from django.utils import timezone

from dashboard.accounts.models import User
from dashboard.accounts.permissions import can_edit
from dashboard.instances import availability
from dashboard.instances.edit_states import EditKind
from dashboard.instances.models import Cloud, Instance
from dashboard.modelarts.instance_state import IDLE
from dashboard.modelarts.limits import AUTO_STOP_MAX_SECONDS, AUTO_STOP_MIN_SECONDS
from dashboard.policies import selectors as policies
from dashboard.policies.rules import refusals, run_limits
from dashboard.web.stored_messages import Message, sentences

from . import extension, inverse, leases, messages
from .merge import differences, is_same, mirror_values
from .models import NEXT_START_FIELDS, Edit, EditBatch
from .states import NewEdit

REQUESTS_PER_EDIT = 2
REQUESTS_PER_EDIT_OF_GROUP = 1.1
"""Requests for an edit of a group (``delivery.group``), its share of the listings
included. New settings of many instances are delivered in groups."""


class BulkChange(NamedTuple):
    """A change that is requested for each of many instances.

    Attributes:
        kind: Change settings, start, stop or extend.
        patch: For a change of settings, the new settings. For a start, the run time
            (``services.submit_power``), which only some instances have. For an
            extension ``hours`` (float), by which each end moves, or ``until``
            (ISO 8601).
        keeps_hours: Whether each instance keeps the run time that it has.
        reason: For stops, the reason; owners see it.
        warns_owners: For stops, whether the owners are notified some minutes before.
        ends_at: For starts that have a run time, when each run ends, or earlier if the
            cloud or a policy demands it; replaces ``patch``.
    """

    kind: EditKind
    patch: Mapping[str, Any]
    keeps_hours: bool = False
    reason: str = ""
    warns_owners: bool = False
    ends_at: datetime | None = None

    @classmethod
    def of(cls, batch: EditBatch) -> Self:
        return cls(
            Edit.Kind(batch.kind),
            batch.patch,
            batch.keeps_hours,
            batch.reason,
            batch.warns_owners,
        )


class Skip(NamedTuple):
    """A skipped instance, and why it is skipped."""

    instance: Instance
    reason: Message


@dataclass
class Plan:
    items: list[NewEdit] = field(default_factory=list)
    skips: list[Skip] = field(default_factory=list)


class BulkContext:
    """What a plan needs about its instances, read in five queries.

    Attributes:
        instances: By ``pk``; only those that the actor may see.
    """

    def __init__(
        self, pks: Iterable[int], *, actor: User | None, now: datetime
    ) -> None:
        self.actor, self.now = actor, now
        pks = list(pks)
        # The last extension of a large batch must not be too late.
        waiting = timedelta(seconds=2 * seconds_for(len(pks)))
        self.margin = extension.MARGIN + waiting
        # A policy may see and change every instance.
        visible = Instance.objects.visible_to(actor) if actor else Instance.objects
        found = visible.filter(pk__in=pks).order_by("pk")
        self.instances = found.defer("document", "problems", "search_text").in_bulk()
        # A join would make a cloud for each of thousands of instances.
        clouds = Cloud.objects.in_bulk()
        for instance in self.instances.values():
            instance.cloud = clouds[instance.cloud_id]
        self._patches: dict[int, dict[str, Any]] = {}
        self._powers: dict[int, str] = {}
        self._leases: dict[int, leases.Lease] = {}
        open_edits = Edit.objects.filter(instance__in=pks, state__in=Edit.OPEN)
        for pk, kind, patch in open_edits.order_by("seq").values_list(
            "instance_id", "kind", "patch"
        ):
            if kind == Edit.Kind.UPDATE:
                self._patches.setdefault(pk, {}).update(patch)
            elif kind == Edit.Kind.EXTEND:
                self._leases[pk] = leases.requested_lease(patch)
            else:
                self._powers[pk] = kind
        self._rules = policies.enforced()
        self._exempt = policies.exempt(now) if self._rules else frozenset()

    def expected(self, instance: Instance) -> dict[str, Any]:
        """Return an instance's settings once its open edits are applied."""
        return mirror_values(instance) | self._patches.get(instance.pk, {})

    def is_long_enough(self, instance: Instance, requested: leases.Lease) -> bool:
        """Whether a run lasts as long as requested, or will by a pending extension."""
        pending = self._leases.get(instance.pk)
        current = leases.lease_of(mirror_values(instance))
        return any(leases.is_met(requested, lease) for lease in (pending, current))

    def run_until(self, instance: Instance, until: datetime) -> dict[str, Any]:
        """Return the patch of a start now whose run ends then, or earlier.

        The cloud and enforced policies may limit it; in whole minutes.
        """
        limits = run_limits(self._rules, instance)
        seconds = [
            (until - self.now).total_seconds(),
            instance.cloud.max_run_hours * 3600,
            *(
                limit.seconds
                for limit in limits
                if limit.seconds and (limit.rule.pk, instance.pk) not in self._exempt
            ),
        ]
        length = int(min(seconds) // 60 * 60)
        return {"auto_stop_enable": True, "auto_stop_duration": length}

    def why_not(
        self, instance: Instance, kind: EditKind, patch: Mapping[str, Any]
    ) -> Message:
        """Return why an instance must not get this edit; empty if it may."""
        return self.why_impossible(instance, kind, patch) or self.why_refused(
            instance, kind, patch
        )

    def why_impossible(
        self, instance: Instance, kind: EditKind, patch: Mapping[str, Any]
    ) -> Message:
        """Return why an instance cannot get this edit, policies aside."""
        if self.actor and not can_edit(self.actor, instance.owner):
            return messages.NOT_YOURS()
        if self._powers.get(instance.pk) == kind:
            return messages.ALREADY_PENDING()
        if kind != Edit.Kind.UPDATE:
            return _WHY_UNAVAILABLE[kind](instance)
        if not patch.keys() <= set(instance.capabilities.fields):
            return instance.capabilities.explanation()
        if NEXT_START_FIELDS & patch.keys():
            return availability.why_auto_stop_fixed(instance)
        return availability.why_not_editable(instance)

    def why_refused(
        self, instance: Instance, kind: EditKind, patch: Mapping[str, Any]
    ) -> Message:
        """Return which policies refuse this edit; empty if none does."""
        expected, starts = self.expected(instance), kind == Edit.Kind.START
        violations = refusals(
            self._rules, instance, expected, patch, self.now, starts=starts
        )
        violations = policies.without_exempt(violations, instance, self._exempt)
        return sentences(
            *(
                messages.VIOLATES(policy=rule.name, sentence=sentence)
                for rule, sentence in violations
            )
        )


def seconds_for(edits: int, kind: str = "") -> float:
    """Return how long so many edits take at least, at ``CURFEW_UPSTREAM_RATE``.

    Args:
        edits: How many.
        kind: Their kind; empty to assume that none of them is delivered in a group.
    """
    in_groups = kind == EditKind.UPDATE
    requests = REQUESTS_PER_EDIT_OF_GROUP if in_groups else REQUESTS_PER_EDIT
    return edits * requests / float(settings.CURFEW.upstream_rate)


def build_plan(context: BulkContext, change: BulkChange) -> Plan:
    """Plan a bulk change for all instances of the context, ordered by name."""
    plan = Plan()
    plan_one = _PLANNERS.get(change.kind, _plan_settings)
    for instance in sorted(context.instances.values(), key=str):
        planned = plan_one(context, change, instance)
        if isinstance(planned, Message):
            plan.skips.append(Skip(instance, planned))
        else:
            plan.items.append(planned)
    return plan


def build_undo_plan(context: BulkContext, undone: Iterable[Edit]) -> Plan:
    """Plan the edits that undo other edits of the context's instances, by name.

    Instances that someone has changed since are skipped, and the reason says who did.
    """
    plan = Plan()
    foreign: list[Edit] = []
    in_context = [edit for edit in undone if edit.instance_id in context.instances]
    for edit in in_context:
        edit.instance = context.instances[edit.instance_id]
    for edit in sorted(in_context, key=lambda edit: str(edit.instance)):
        instance = edit.instance
        if reason := inverse.why_not_undoable(edit):
            plan.skips.append(Skip(instance, reason))
            continue
        kind, patch, base = inverse.inverse_of(edit)
        expected = context.expected(instance)
        reason = context.why_not(instance, kind, patch)
        if (
            not reason
            and kind == Edit.Kind.UPDATE
            and all(is_same(expected[name], value) for name, value in patch.items())
        ):
            reason = messages.ALREADY_SET()
        if reason:
            plan.skips.append(Skip(instance, reason))
        elif differences(patch, base, expected):
            foreign.append(edit)
        else:
            plan.items.append(NewEdit(instance, patch, base, undo_of_id=edit.pk))
    newer = _newest_edits(foreign)
    for edit in foreign:
        later = newer.get(edit.instance_id)
        # Only a later edit of the same fields explains the difference.
        changed = messages.CHANGED_OUTSIDE()
        if later and later.seq > edit.seq and later.patch.keys() & edit.patch.keys():
            changed = messages.CHANGED_BY(username=later.actor_message)
        plan.skips.append(Skip(edit.instance, changed))
    return plan


def _newest_edits(edits: Sequence[Edit]) -> dict[int, Edit]:
    """Return the newest change of settings of each instance."""
    newest = Edit.objects.filter(
        instance__in=[edit.instance_id for edit in edits],
        kind=Edit.Kind.UPDATE,
        state__in=[*Edit.OPEN, Edit.State.APPLIED],
        created_at__gte=min(
            (edit.created_at for edit in edits), default=timezone.now()
        ),
    ).select_related("actor")
    return {edit.instance_id: edit for edit in newest.order_by("seq")}


def revalidate(
    context: BulkContext, batch: EditBatch, undone: Iterable[Edit] = ()
) -> Plan:
    """Return the part of a batch's plan that can still be done; skip the rest.

    Args:
        context: Of the planned instances.
        batch: Its plan may be a day old.
        undone: The edits that it undoes, if that is what it does.
    """
    change = BulkChange.of(batch)
    undone_of = {edit.instance_id: edit for edit in undone}
    plan = Plan()
    for planned in batch.plan:
        instance = context.instances.get(planned["pk"])
        if instance is None:
            continue
        patch, base = planned["patch"], planned["base"]
        reason = context.why_not(instance, change.kind, patch)
        if not reason:
            reason = _why_changed(context, change, NewEdit(instance, patch, base))
        shown_at = batch.previewed_at or context.now
        if not reason and extension.is_later_run(instance, base, shown_at):
            reason = messages.ANOTHER_RUN()
        edit = undone_of.get(instance.pk)
        if edit and not reason:
            # The status does not show whether it is still the run that was meant.
            edit.instance = instance
            reason = inverse.why_not_undoable(edit)
        if reason:
            plan.skips.append(Skip(instance, reason))
        else:
            undo_of = edit.pk if edit else None
            plan.items.append(NewEdit(instance, patch, base, undo_of_id=undo_of))
    return plan


def _plan_settings(
    context: BulkContext, change: BulkChange, instance: Instance
) -> NewEdit | Message:
    expected = context.expected(instance)
    patch = {
        name: value for name, value in change.patch.items() if expected[name] != value
    }
    # What is possible depends on the requested fields, also on those already set.
    reason = context.why_impossible(instance, change.kind, change.patch)
    reason = reason or context.why_refused(instance, change.kind, patch)
    reason = reason or _why_unchanged(change, patch, expected)
    base = {name: expected[name] for name in patch}
    return reason or NewEdit(instance, patch, base)


def _plan_power(
    context: BulkContext, change: BulkChange, instance: Instance
) -> NewEdit | Message:
    patch: dict[str, Any] = {}
    reason = context.why_impossible(instance, change.kind, patch)
    has_run_time = not instance.capabilities.has_auto_stop_setting
    if change.kind == Edit.Kind.START and has_run_time:
        patch = dict(change.patch or extension.SHORTEST_RUN)
        if change.ends_at:
            patch = context.run_until(instance, change.ends_at)
            if change.ends_at - context.now < extension.SHORTEST:
                reason = reason or messages.LESS_THAN_AN_HOUR()
        reason = reason or extension.why_not_run(instance, patch)
    reason = reason or context.why_refused(instance, change.kind, patch)
    base = extension.power_base(instance, change.kind)
    return reason or NewEdit(instance, patch, base)


def _plan_extension(
    context: BulkContext, change: BulkChange, instance: Instance
) -> NewEdit | Message:
    if reason := context.why_impossible(instance, change.kind, {}):
        return reason
    if instance.lease_type == IDLE:
        return messages.NO_FIXED_END()
    if instance.stops_at is None:
        return messages.NO_END_REPORTED()
    limits = extension.limits_of_cloud(instance, context.now, context.margin)
    until = _end_for(instance, change, context.now, limits.earliest)
    patch = extension.unchecked_patch(instance, until)
    reason = Message()
    if context.is_long_enough(instance, leases.requested_lease(patch)):
        reason = messages.LONG_ENOUGH()
    reason = reason or extension.why_not_until(until, limits)
    reason = reason or context.why_refused(instance, change.kind, patch)
    return reason or NewEdit(instance, patch, extension.base_of(instance))


_PLANNERS = {
    Edit.Kind.START: _plan_power,
    Edit.Kind.STOP: _plan_power,
    Edit.Kind.EXTEND: _plan_extension,
}
_WHY_UNAVAILABLE = {
    Edit.Kind.START: availability.why_not_startable,
    Edit.Kind.STOP: availability.why_not_stoppable,
    Edit.Kind.EXTEND: availability.why_not_extendable,
}


def _end_for(
    instance: Instance, change: BulkChange, now: datetime, earliest: datetime
) -> datetime:
    if "until" in change.patch:
        return datetime.fromisoformat(change.patch["until"])
    return extension.later_by(instance, change.patch["hours"], now, earliest)


def _why_changed(context: BulkContext, change: BulkChange, planned: NewEdit) -> Message:
    """Return why a planned edit is out of date; empty if it is not."""
    instance, patch, base = planned.instance, planned.patch, planned.base
    if change.kind != Edit.Kind.EXTEND:
        is_changed = differences(patch, base, context.expected(instance))
        return messages.CHANGED_SINCE() if is_changed else Message()
    if context.is_long_enough(instance, leases.requested_lease(patch)):
        return messages.LONG_ENOUGH()
    current = leases.lease_of(mirror_values(instance))
    if not leases.is_same(leases.lease_of(base), current):
        return messages.CHANGED_SINCE()
    return extension.why_too_late(instance, patch, context.now)


def _why_unchanged(
    change: BulkChange, patch: Mapping[str, Any], expected: Mapping[str, Any]
) -> Message:
    if not patch:
        return messages.ALREADY_SET()
    hours = expected["auto_stop_duration"]
    usable = hours and AUTO_STOP_MIN_SECONDS <= hours <= AUTO_STOP_MAX_SECONDS
    if change.keeps_hours and not usable:
        return messages.NO_RUN_TIME()
    return Message()
