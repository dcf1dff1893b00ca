"""What a wish for many instances comes to: who gets an edit, who does not and why.

Nothing is written here. A preview and its confirmation ask the same functions.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple, Self

from dashboard.accounts.models import User
from dashboard.accounts.permissions import can_edit
from dashboard.instances import availability
from dashboard.instances.edit_states import EditKind
from dashboard.instances.models import Instance
from dashboard.modelarts.schemas import AUTO_STOP_MAX_SECONDS, AUTO_STOP_MIN_SECONDS
from dashboard.policies import selectors as policies
from dashboard.policies.rules import Change, refusals
from dashboard.web.stored_messages import Message, sentences

from . import messages
from .merge import differences, mirror_values
from .models import Edit, EditBatch


class BulkChange(NamedTuple):
    """What is wanted of each of many instances.

    Attributes:
        kind: Change settings, start or stop.
        patch: The settings, where it is a change.
        keeps_hours: Auto-stop is switched on with the run time that each one has.
    """

    kind: EditKind
    patch: Mapping[str, Any]
    keeps_hours: bool = False

    @classmethod
    def of(cls, batch: EditBatch) -> Self:
        """The one that a batch holds."""
        return cls(Edit.Kind(batch.kind), batch.patch, batch.keeps_hours)


class Item(NamedTuple):
    """One edit to be made: what changes, from what."""

    instance: Instance
    patch: dict[str, Any]
    base: dict[str, Any]


class Skip(NamedTuple):
    """An instance that is left out, and why."""

    instance: Instance
    reason: Message


@dataclass
class Plan:
    """What will be done, and what will not."""

    items: list[Item] = field(default_factory=list)
    skips: list[Skip] = field(default_factory=list)


class BulkContext:
    """What is known of many instances at one moment, read in four queries.

    Attributes:
        instances: With their clouds, by ``pk``; only those the person may see.
    """

    def __init__(
        self, pks: Iterable[int], *, actor: User | None, now: datetime
    ) -> None:
        self.actor, self.now = actor, now
        wanted = list(pks)
        # A rule that acts sees all of them, and may change all.
        seen = Instance.objects.visible_to(actor) if actor else Instance.objects
        found = seen.filter(pk__in=wanted)
        self.instances = {
            instance.pk: instance
            for instance in found.select_related("cloud")
            .defer("document", "problems", "search_text")
            .order_by("pk")
        }
        self._patches: dict[int, dict[str, Any]] = {}
        self._powers: dict[int, str] = {}
        under_way = Edit.objects.filter(instance__in=wanted, state__in=Edit.OPEN)
        for pk, kind, patch in under_way.order_by("seq").values_list(
            "instance_id", "kind", "patch"
        ):
            if kind == Edit.Kind.UPDATE:
                self._patches.setdefault(pk, {}).update(patch)
            else:
                self._powers[pk] = kind
        self._rules = policies.enforced()
        self._exempt = policies.exempt(now) if self._rules else frozenset()

    def expected(self, instance: Instance) -> dict[str, Any]:
        """Its settings once its open edits are through; see ``wishes``."""
        return mirror_values(instance) | self._patches.get(instance.pk, {})

    def why_not(
        self, instance: Instance, kind: EditKind, patch: Mapping[str, Any]
    ) -> Message:
        """Why it must not get this edit; empty when it may."""
        if self.actor and not can_edit(self.actor, instance.owner):
            return messages.NOT_YOURS()
        asks = {
            Edit.Kind.UPDATE: availability.why_auto_stop_fixed,
            Edit.Kind.START: availability.why_not_startable,
            Edit.Kind.STOP: availability.why_not_stoppable,
        }
        if self._powers.get(instance.pk) == kind:
            return messages.ALREADY_PENDING()
        return asks[kind](instance) or self._refusal(instance, kind, patch)

    def _refusal(
        self, instance: Instance, kind: EditKind, patch: Mapping[str, Any]
    ) -> Message:
        wish = Change(patch, starts=kind == Edit.Kind.START)
        expected = self.expected(instance)
        found = refusals(self._rules, instance, wish, expected, self.now)
        found = policies.without_exempt(found, instance, self._exempt)
        return sentences(
            *(
                messages.VIOLATES(policy=rule.name, sentence=sentence)
                for rule, sentence in found
            )
        )


def build_plan(context: BulkContext, wish: BulkChange) -> Plan:
    """Plan a bulk change for all instances of the context, by name."""
    plan = Plan()
    for instance in sorted(context.instances.values(), key=lambda one: str(one)):
        expected = context.expected(instance)
        patch = {
            name: value for name, value in wish.patch.items() if expected[name] != value
        }
        reason = context.why_not(instance, wish.kind, patch)
        if not reason and wish.kind == Edit.Kind.UPDATE:
            reason = _needless_or_lacking(wish, patch, expected)
        if reason:
            plan.skips.append(Skip(instance, reason))
            continue
        base = {name: expected[name] for name in patch}
        if wish.kind != Edit.Kind.UPDATE:
            base = {"status": instance.status}
        plan.items.append(Item(instance, patch, base))
    return plan


def revalidate(context: BulkContext, batch: EditBatch) -> Plan:
    """What is left of a batch's plan now: rights, states and values are compared."""
    wish = BulkChange.of(batch)
    plan = Plan()
    for planned in batch.plan:
        instance = context.instances.get(planned["pk"])
        if instance is None:
            continue
        patch, base = planned["patch"], planned["base"]
        reason = context.why_not(instance, wish.kind, patch)
        if not reason and differences(patch, base, context.expected(instance)):
            reason = messages.CHANGED_SINCE()
        if reason:
            plan.skips.append(Skip(instance, reason))
        else:
            plan.items.append(Item(instance, patch, base))
    return plan


def _needless_or_lacking(
    wish: BulkChange, patch: Mapping[str, Any], expected: Mapping[str, Any]
) -> Message:
    if not patch:
        return messages.ALREADY_SET()
    hours = expected["auto_stop_duration"]
    usable = hours and AUTO_STOP_MIN_SECONDS <= hours <= AUTO_STOP_MAX_SECONDS
    if wish.keeps_hours and not usable:
        return messages.NO_RUN_TIME()
    return Message()
