"""Keep instances running for overrides: extend their leases, or start them again.

A notebook's run is extended as far as the cloud and the policies allow, and again when
little of it is left, never beyond the end of the override. An instance of the old
generation has runs whose end cannot be moved; it is started again after such an end if
the override says so.

The edits are delivered like all others, in the name of the override's author. Locks are
taken in the order queue, override, instance.
"""

from datetime import datetime, timedelta

import structlog
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from dashboard.accounts.models import User
from dashboard.instances import availability
from dashboard.instances.models import Instance, InstanceEvent
from dashboard.instances.run_state import is_running
from dashboard.modelarts.instance_state import IDLE
from dashboard.modelarts.statuses import InstanceStatus
from dashboard.schedules import overrides, selectors
from dashboard.schedules.models import Override
from dashboard.web.templatetags.pages import moment_text

from . import extension, services, states
from .models import Edit

log = structlog.get_logger(__name__)

AGAIN_AFTER = timedelta(minutes=5)
"""How long no extension follows another; twice as long after each that failed."""

AGAIN_AFTER_AT_MOST = timedelta(hours=4)

LEAST_LEFT = timedelta(hours=1)
"""When a run is extended that cannot yet last until the override ends: when less is
left than this, or than a third of what the cloud allows."""

STARTS_WITHIN = timedelta(minutes=30)
"""How long after the end of a run it is started again, if Curfew comes to it late."""

LEAST_RUN = timedelta(minutes=10)
"""A run is not started again for less than this."""

_MINUTE = timedelta(minutes=1)
_FAILED = frozenset({Edit.State.FAILED, Edit.State.CONFLICT, Edit.State.CANCELLED})


def keep_instances() -> None:
    """End the overrides that are over, and create the edits that others need now."""
    overrides.expire_overrides()
    now = timezone.now()
    for override in overrides.in_effect(now).filter(kind=Override.Kind.KEEP):
        try:
            if _may_need_edit(override, now):
                keep(override)
        except Exception:
            # The next look tries again; the other instances must not wait for it.
            log.exception("override failed", override=override.pk)


@transaction.atomic
def keep(override: Override) -> Edit | None:
    """Create the edit that an override needs now, if any, and return it.

    At most one is open for an instance; one that failed is not repeated at once.
    """
    states.lock_queues([override.instance_id])
    rows = Override.objects.select_for_update(of=("self",), no_key=True)
    override = rows.select_related("instance__cloud", "created_by").get(pk=override.pk)
    now = timezone.now()
    if not _may_need_edit(override, now):
        return None
    open_edits = override.instance.edits.filter(state__in=Edit.OPEN)
    if open_edits.exclude(kind=Edit.Kind.UPDATE).exists():
        return None
    try:
        if is_running(override.instance):
            return _extend(override, now)
        return _start_again(override, now)
    except (
        services.EditConflictError,
        services.RuleRefusedError,
        PermissionDenied,
        ValidationError,
    ) as error:
        log.info("not kept", override=override.pk, reason=str(error)[:200])
        return None


def start_override(
    *,
    instance: Instance,
    actor: User,
    kind: str,
    until: datetime | None = None,
    starts_again: bool = False,
    reason: str = "",
) -> tuple[Override, Edit | None]:
    """Create an override, and the edit that it needs at once, if any.

    Args:
        instance: With its cloud.
        actor: See ``overrides.create_override``; so ``kind``, ``starts_again`` and
            ``reason``.
        until: When it ends. None is for ``SKIP``: the next stop of a schedule.

    Raises:
        PermissionDenied, BeyondPoliciesError, OverrideError: As of
            ``create_override``; also if there is no such stop, or the end is too near.
    """
    now = timezone.now()
    if kind == Override.Kind.SKIP:
        until = _next_stop(instance, until, now)
    elif until is None:
        raise overrides.OverrideError(_("Choose until when."))
    elif kind == Override.Kind.KEEP and (too_soon := _why_too_soon(instance, until)):
        raise overrides.OverrideError(too_soon)
    override = overrides.create_override(
        instance=instance,
        actor=actor,
        kind=kind,
        until=until,
        starts_again=starts_again,
        reason=reason,
    )
    # In a transaction of its own: the regular step does the same.
    return override, keep(override)


def _why_too_soon(instance: Instance, until: datetime) -> str:
    earliest = earliest_keep(instance, timezone.now())
    if earliest is None or until >= earliest:
        return ""
    if instance.stops_at is not None and until <= instance.stops_at:
        return ""
    end = moment_text(earliest + _MINUTE, "stop")
    return _(
        "ModelArts extends a run by an hour at least. Choose %(end)s or later."
    ) % {"end": end}


def earliest_keep(instance: Instance, now: datetime) -> datetime | None:
    """Return the earliest end to which a run can be extended; None if it cannot be."""
    if availability.why_not_extendable(instance):
        return None
    return extension.limits_of_cloud(instance, now).earliest


def next_stop_of(instance: Instance, now: datetime) -> datetime | None:
    """Return the next stop of the schedule of an instance; a few queries."""
    matched = selectors.for_instances([instance], now).get(instance.pk)
    return matched.next_stop.at if matched and matched.next_stop else None


def _next_stop(
    instance: Instance, expected: datetime | None, now: datetime
) -> datetime:
    next_stop = next_stop_of(instance, now)
    if next_stop is None:
        raise overrides.OverrideError(_("No schedule stops this instance."))
    if expected is not None and abs(next_stop - expected) > _MINUTE:
        raise overrides.OverrideError(
            _("The next stop is now %(stop)s. Check it, and try again.")
            % {"stop": moment_text(next_stop, "stop")}
        )
    return next_stop


def refill_at(instance: Instance) -> timedelta:
    """Return with how much left a run is extended again."""
    return max(LEAST_LEFT, timedelta(hours=instance.cloud.max_run_hours) / 3)


def _may_need_edit(override: Override, now: datetime) -> bool:
    """Return whether an override may need an edit; without a query."""
    instance = override.instance
    if override.kind != Override.Kind.KEEP or not override.is_in_effect(now):
        return False
    if availability.why_not_editable(instance):
        return False
    if instance.status == InstanceStatus.STOPPED:
        return override.starts_again and override.until - now >= LEAST_RUN
    if availability.why_not_extendable(instance):
        return False
    limits = extension.limits_of_cloud(instance, now)
    return _is_due(instance, min(override.until, limits.latest), override.until, now)


def _is_due(
    instance: Instance, target: datetime, until: datetime, now: datetime
) -> bool:
    """Return whether to extend a run to ``target`` now."""
    if target < extension.limits_of_cloud(instance, now).earliest:
        return False
    if instance.lease_type == IDLE:
        return True
    end = instance.stops_at
    if end is None or target - end <= _MINUTE:
        return False
    return target == until or end - now <= refill_at(instance)


def _extend(override: Override, now: datetime) -> Edit | None:
    instance, until = override.instance, override.until
    target = min(until, extension.limits_of(instance, now).latest)
    if not _is_due(instance, target, until, now) or _rests(override, now):
        return None
    number = override.edits.count()
    return services.submit_extension(
        instance=instance,
        actor=override.created_by,
        patch=extension.unchecked_patch(instance, target),
        base=extension.base_of(instance),
        key=f"override {override.pk}:{number}",
        override=override,
    )


def _rests(override: Override, now: datetime) -> bool:
    """Return whether the last extension was a short time ago, or was refused."""
    edits = override.edits.filter(kind=Edit.Kind.EXTEND).order_by("-seq")
    latest = list(edits.values_list("state", "finished_at")[:8])
    finished_at: datetime | None = latest[0][1] if latest else None
    if finished_at is None:
        return False
    failures = 0
    for state, _at in latest:
        if state not in _FAILED:
            break
        failures += 1
    wait: timedelta = min(AGAIN_AFTER * 2**failures, AGAIN_AFTER_AT_MOST)
    return now < finished_at + wait


def _start_again(override: Override, now: datetime) -> Edit | None:
    instance = override.instance
    stopped = instance.events.first()
    if stopped is None or stopped.reason != InstanceEvent.Reason.AUTO_STOP:
        return None
    if stopped.at < max(override.created_at, now - STARTS_WITHIN):
        return None
    # Once for each end of a run, even if a person has tried it, too.
    starts = instance.edits.filter(kind=Edit.Kind.START, created_at__gte=stopped.at)
    if starts.exists():
        return None
    return services.submit_power(
        instance=instance,
        actor=override.created_by,
        kind=Edit.Kind.START,
        key=f"override {override.pk}:{stopped.pk}",
        override=override,
    )
