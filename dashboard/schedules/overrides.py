"""Overrides: skip a stop, keep an instance until a moment, or ignore schedules."""

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from dashboard.accounts.models import User
from dashboard.accounts.permissions import can_decide_exceptions, can_edit
from dashboard.audit.services import record_event
from dashboard.instances import availability
from dashboard.instances.models import FleetVersion, Instance
from dashboard.policies import selectors as policies, services as exceptions
from dashboard.policies.rules import Violation, end_limits, end_refusals
from dashboard.web.stored_messages import Message
from dashboard.web.templatetags.pages import moment_text

from . import messages
from .models import MomentKind, Override

LONGEST = timedelta(days=92)
"""An override is temporary; what must last longer belongs in a schedule."""

_AFTER_SKIPPED = timedelta(minutes=1)
"""When an override ends that skips one stop: not before that stop."""

_MINUTE = timedelta(minutes=1)


class OverrideError(Exception):
    """An override is refused; the message says why, and what to do."""


class BeyondPoliciesError(OverrideError):
    """Policies forbid a run until then.

    Attributes:
        latest: The latest moment that they allow, by our clock; may be in the past.
        violations: The policies, and what each says about the moment.
        needs_reason: Whether the actor may exceed the policies with a reason.
    """

    def __init__(
        self, latest: datetime, violations: list[Violation], *, needs_reason: bool
    ) -> None:
        self.latest, self.violations = latest, violations
        self.needs_reason = needs_reason
        super().__init__(self._text())

    def _text(self) -> str:
        policy = self.violations[0].rule.name
        latest = moment_text(self.latest, "moment")
        if self.needs_reason:
            return _(
                "Policy “%(policy)s” allows %(latest)s at most. Give a reason to go "
                "beyond it."
            ) % {"policy": policy, "latest": latest}
        return _(
            "Policy “%(policy)s” allows %(latest)s at most. Choose an earlier end, or "
            "request an exception first."
        ) % {"policy": policy, "latest": latest}


@transaction.atomic
def create_override(
    *,
    instance: Instance,
    actor: User,
    kind: str,
    until: datetime,
    starts_again: bool = False,
    reason: str = "",
) -> Override:
    """Create an override of an instance; it replaces an earlier one.

    An operator or admin who keeps an instance beyond the policies also grants the
    exceptions from them. They end with the override.

    Args:
        instance: With its cloud.
        actor: Who requests it.
        kind: One of ``Override.Kind``.
        until: When it ends; for ``SKIP`` the moment of the stop.
        starts_again: See ``Override``; ignored where it means nothing.
        reason: Why; required beyond the policies.

    Raises:
        PermissionDenied: The actor may not change this instance.
        BeyondPoliciesError: The policies do not allow it, or want a reason.
        OverrideError: The moment is not possible, or the instance cannot be changed.
    """
    if not can_edit(actor, instance.owner):
        raise PermissionDenied(_("You can view this instance but not change it."))
    if why_not := availability.why_not_editable(instance):
        raise OverrideError(str(why_not))
    now = timezone.now()
    if until <= now:
        raise OverrideError(_("This moment has passed. Choose a later one."))
    if until > now + LONGEST:
        raise OverrideError(
            _("An override lasts %(days)s days at most. Choose an earlier end.")
            % {"days": LONGEST.days}
        )
    for earlier in _locked(Override.objects.filter(instance=instance)):
        if _is_same(earlier, kind, until, actor, starts_again, reason):
            return earlier  # sent twice
        _record_end(earlier, actor, now, "override.ended", messages.REPLACED())
    is_keep, is_skip = kind == Override.Kind.KEEP, kind == Override.Kind.SKIP
    violated = _violated(instance, until, now) if is_keep else []
    if violated and not (reason and can_decide_exceptions(actor)):
        raise BeyondPoliciesError(
            _latest(instance, until, now),
            violated,
            needs_reason=can_decide_exceptions(actor),
        )
    override = Override(
        instance=instance,
        kind=kind,
        until=until + _AFTER_SKIPPED if is_skip else until,
        skips=until if is_skip else None,
        starts_again=starts_again
        and is_keep
        and instance.capabilities.has_auto_stop_setting,
        reason=reason,
        created_by=actor,
    )
    try:
        with transaction.atomic():
            override.save()
    except IntegrityError:
        raise OverrideError(
            _("Someone else has just set an override. Look at it, and try again.")
        ) from None
    if violated:
        granted = exceptions.grant_exceptions(
            rules=[violation.rule for violation in violated],
            instance=instance,
            actor=actor,
            until=until,
            reason=reason,
        )
        override.exceptions.set(granted)
    _record(override, "override.created", actor, after=_values(override))
    _stamp(override)
    return override


@transaction.atomic
def end_override(*, override: Override, actor: User) -> Override:
    """End an override before its time.

    Raises:
        PermissionDenied: The actor may not change the instance.
        OverrideError: It has ended already.
    """
    if not can_edit(actor, override.instance.owner):
        raise PermissionDenied(_("You can view this instance but not change it."))
    now = timezone.now()
    for locked in _locked(Override.objects.filter(pk=override.pk)):
        if locked.is_in_effect(now):
            _record_end(locked, actor, now, "override.ended")
            _stamp(locked)
            return locked
    raise OverrideError(_("This override has already ended."))


def expire_overrides() -> int:
    """End the overrides whose time has come; return how many.

    An override stops counting at its end whether or not it is marked. One whose author
    may no longer change the instance ends, too.
    """
    now = timezone.now()
    ended = 0
    for override in open_overrides().order_by("pk"):
        at, reason = override.until, None
        action = "override.expired"
        if override.until > now:
            if can_edit(override.created_by, override.instance.owner):
                continue
            at, reason = now, messages.AUTHOR_WITHOUT_RIGHT()
            action = "override.ended"
        ended += _end_by_itself(override, at, action, reason)
    return ended


def record_end_announced(announced: Iterable[Override], now: datetime) -> None:
    """Store that the end of some overrides was announced."""
    keys = [override.pk for override in announced]
    Override.objects.filter(pk__in=keys).update(reminded_at=now)


def open_overrides() -> QuerySet[Override]:
    """Return the overrides that have not ended, the next end first."""
    overrides = Override.objects.filter(ended_at=None).order_by("until", "pk")
    return overrides.select_related("instance__cloud", "created_by")


def in_effect(now: datetime) -> QuerySet[Override]:
    """Return the overrides in effect, the next end first."""
    return open_overrides().filter(until__gt=now)


def overrides_of(
    instances: Iterable[Instance | int], now: datetime
) -> dict[int, Override]:
    """Return the override in effect of each instance that has one, by key.

    One query; each comes with its author, not with its instance.
    """
    rows = Override.objects.filter(
        instance__in=_pks(instances), ended_at=None, until__gt=now
    )
    return {row.instance_id: row for row in rows.select_related("created_by")}


def covered(
    instances: Iterable[Instance | int], moment: datetime, kind: str = MomentKind.STOP
) -> set[int]:
    """Return the instances, by key, on which a schedule must not act at a moment.

    Overrides that have ended since count, too: a schedule may be late. One query.

    Args:
        instances: Those on which it would act.
        moment: A moment of the schedule, now or a little earlier.
        kind: One of ``MomentKind``.
    """
    rows = Override.objects.filter(
        Q(ended_at=None) | Q(ended_at__gt=moment), instance__in=_pks(instances)
    )
    return {row.instance_id for row in rows if row.covers(moment, kind)}


def latest_keep(instance: Instance, now: datetime) -> datetime | None:
    """Return until when policies allow a run to be kept; None if any end will do."""
    limits = policies.limits_of_end(instance, now)
    return limits[0].latest if limits else None


def _is_same(
    override: Override,
    kind: str,
    until: datetime,
    actor: User,
    starts_again: bool,
    reason: str,
) -> bool:
    end = override.skips or override.until
    return (override.kind, end, override.created_by_id, override.reason) == (
        kind,
        until,
        actor.pk,
        reason,
    ) and override.starts_again == (
        starts_again
        and kind == Override.Kind.KEEP
        and override.instance.capabilities.has_auto_stop_setting
    )


def _pks(instances: Iterable[Instance | int]) -> Collection[int]:
    return [item if isinstance(item, int) else item.pk for item in instances]


def _violated(instance: Instance, until: datetime, now: datetime) -> list[Violation]:
    refused = end_refusals(policies.enforced(), instance, until, now)
    # An exception must last as long as the override.
    exempt = policies.exempt(until - _MINUTE, [instance.pk])
    return policies.without_exempt(refused, instance, exempt)


def _latest(instance: Instance, until: datetime, now: datetime) -> datetime:
    exempt = policies.exempt(until - _MINUTE, [instance.pk])
    return min(
        limit.latest
        for limit in end_limits(policies.enforced(), instance, now)
        if (limit.rule.pk, instance.pk) not in exempt
    )


def _locked(overrides: QuerySet[Override]) -> QuerySet[Override]:
    rows = overrides.filter(ended_at=None).select_for_update(of=("self",), no_key=True)
    return rows.select_related("instance__cloud", "created_by")


@transaction.atomic
def _end_by_itself(
    override: Override, now: datetime, action: str, reason: Message | None = None
) -> bool:
    for locked in _locked(Override.objects.filter(pk=override.pk)):
        _record_end(locked, None, now, action, reason)
        _stamp(locked)
        return True
    return False


def _record_end(
    override: Override,
    actor: User | None,
    now: datetime,
    action: str,
    reason: Message | None = None,
) -> None:
    override.ended_at, override.ended_by = now, actor
    override.save(update_fields=["ended_at", "ended_by"])
    exceptions.end_exceptions(
        exceptions=override.exceptions.all(), actor=actor, now=timezone.now()
    )
    _record(override, action, actor, before=_values(override), reason=reason)


def _stamp(override: Override) -> None:
    FleetVersion.stamp(
        Instance.objects.filter(pk=override.instance_id), only_shown=True
    )


def _values(override: Override) -> dict[str, Any]:
    end = override.skips or override.until
    values: dict[str, Any] = {"kind": str(override.kind), "until": end.isoformat()}
    if override.starts_again:
        values["starts_again"] = True
    return values


def _record(
    override: Override,
    action: str,
    actor: User | None,
    *,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
    reason: Message | str | None = None,
) -> None:
    record_event(
        actor=actor,
        action=action,
        target=override,
        target_label=str(override.instance),
        instance=override.instance.reference,
        before=before or {},
        after=after or {},
        reason=override.reason if reason is None else reason,
    )
