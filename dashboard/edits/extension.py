"""Extensions: what a person may ask for, and the patch of the edit that asks for it.

An extension stores the absolute end that the person asked for, by the cloud's clock.
The duration is worked out when it is sent (``delivery.extend``), so that an extension
that is sent late or twice does not extend the run twice. See
``docs/decisions/0021-extend.md``.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from django.core.exceptions import ValidationError
from django.utils import timezone

from dashboard.accounts.models import User
from dashboard.instances.countdown import unix_ms
from dashboard.instances.edit_states import EditKind, EditState
from dashboard.instances.mapping import SAME_RUN_MS
from dashboard.instances.models import Cloud, Instance
from dashboard.modelarts.instance_state import IDLE, TIMING
from dashboard.modelarts.limits import MIN_RUN_SECONDS
from dashboard.modelarts.statuses import STOPPABLE
from dashboard.policies import selectors as policies
from dashboard.web.stored_messages import Message, sentences

from . import leases, messages
from .merge import OUR_OWN_FOR, Difference

SHORTEST = timedelta(seconds=MIN_RUN_SECONDS)
"""The cloud's minimum, from the moment at which it gets the request."""

SHORTEST_RUN = {"auto_stop_enable": True, "auto_stop_duration": MIN_RUN_SECONDS}
"""The patch of a start for which no run time was chosen."""

MARGIN = timedelta(minutes=2)
"""How much later than the cloud's minimum an end must be: the time for delivery."""

PATIENCE = timedelta(minutes=15)
"""How long a person may look at the earliest end that a page offers."""


class ExtensionLimits(NamedTuple):
    """Which ends may be asked for, by our clock.

    Attributes:
        reasons: Why ``latest`` is not later.
    """

    earliest: datetime
    latest: datetime
    reasons: tuple[Message, ...]

    @property
    def is_empty(self) -> bool:
        """Whether no end may be asked for."""
        return self.latest < self.earliest


def limits_of(instance: Instance, now: datetime) -> ExtensionLimits:
    """Return which ends of the current run may be asked for, policies considered."""
    cloud = limits_of_cloud(instance, now)
    limits = [(cloud.latest, cloud.reasons[0])]
    for limit in policies.limits_of_end(instance, now):
        name, sentence = limit.rule.name, limit.sentence
        reason = messages.VIOLATES(policy=name, sentence=sentence)
        limits.append((limit.latest, reason))
    latest = min(end for end, _reason in limits)
    reasons = tuple(reason for end, reason in limits if end == latest)
    return ExtensionLimits(cloud.earliest, latest, reasons)


def limits_of_cloud(
    instance: Instance, now: datetime, margin: timedelta = MARGIN
) -> ExtensionLimits:
    """Return which ends the cloud allows if delivery takes ``margin``; no query."""
    hours = instance.cloud.max_run_hours
    return ExtensionLimits(
        now + SHORTEST + margin,
        now + timedelta(hours=hours),
        (messages.CLOUD_MAXIMUM(hours=hours),),
    )


def why_not_until(until: datetime, limits: ExtensionLimits) -> Message:
    """Return why a moment is outside the limits; empty if it is not."""
    if limits.is_empty:
        return sentences(messages.NO_END_POSSIBLE(), *limits.reasons)
    if until < limits.earliest:
        return messages.END_TOO_SOON()
    return sentences(*limits.reasons) if until > limits.latest else Message()


def patch_until(
    instance: Instance,
    until: datetime,
    now: datetime,
    patience: timedelta = timedelta(0),
) -> dict[str, Any]:
    """Return the patch of an extension to a moment.

    The end is at least ``ExtensionLimits.earliest``.

    Args:
        instance: A running instance with a lease.
        until: Aware, by our clock.
        now: By our clock.
        patience: How long ago the moment may have been possible. A page offers the
            earliest end, which is too early when someone chooses it later.

    Raises:
        ValidationError: The moment is outside ``limits_of``.
    """
    limits = limits_of(instance, now)
    if now + SHORTEST - patience <= until < limits.earliest:
        until = limits.earliest
    if why_not := why_not_until(until, limits):
        raise ValidationError(str(why_not))
    return unchecked_patch(instance, until)


def unchecked_patch(instance: Instance, until: datetime) -> dict[str, Any]:
    """Return the patch of an extension to a moment within ``limits_of``."""
    patch: dict[str, Any] = {"stop_timestamp_ms": cloud_ms(instance.cloud, until)}
    if instance.lease_type == IDLE:
        patch["lease_type"] = TIMING
    return patch


def patch_hours(instance: Instance, hours: float, now: datetime) -> dict[str, Any]:
    """Return the patch of an extension to so many hours from now.

    Raises:
        ValidationError: The end is outside ``limits_of``.
    """
    return patch_until(instance, now + _hours(hours), now)


def patch_longer(instance: Instance, hours: float, now: datetime) -> dict[str, Any]:
    """Return the patch that moves the end of the run by so many hours.

    The new end is at least ``ExtensionLimits.earliest``.

    Raises:
        ValidationError: The end would be too late.
    """
    earliest = limits_of_cloud(instance, now).earliest
    until = later_by(instance, hours, now, earliest)
    return patch_until(instance, until, now)


def later_by(
    instance: Instance, hours: float, now: datetime, earliest: datetime
) -> datetime:
    """Return the end of the run moved by so many hours, or the earliest possible."""
    return max(max(instance.stops_at or now, now) + _hours(hours), earliest)


def idle_patch(instance: Instance, hours: float) -> dict[str, Any]:
    """Return the patch with which a run ends after so many hours without use.

    Raises:
        ValidationError: The cloud does not allow so many hours.
    """
    idle = _hours(hours)
    if not SHORTEST <= idle <= timedelta(hours=instance.cloud.max_run_hours):
        limits = {
            "least": MIN_RUN_SECONDS // 3600,
            "most": instance.cloud.max_run_hours,
        }
        raise ValidationError(str(messages.IDLE_HOURS(**limits)))
    return {"lease_type": IDLE, "idle_seconds": round(idle.total_seconds())}


def base_of(instance: Instance) -> dict[str, Any]:
    """Return the lease as the mirror shows it, for ``Edit.base``."""
    names = (*leases.FIELDS, "lease_updated_ms")
    return {name: getattr(instance, name) for name in names}


def start_patch(instance: Instance, patch: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the patch of a start: its run time, if each start has its own.

    Args:
        instance: Which is to be started.
        patch: ``auto_stop_enable`` and ``auto_stop_duration`` (seconds); None for the
            shortest run.

    Raises:
        ValidationError: The cloud does not allow this run time.
    """
    if instance.capabilities.has_auto_stop_setting:
        return {}
    run = dict(patch or SHORTEST_RUN)
    if why_not := why_not_run(instance, run):
        raise ValidationError(str(why_not))
    return run


def run_of(instance: Instance) -> dict[str, Any]:
    """Return the run time of the current run as ``start_patch`` takes it.

    Empty if the run time is a setting, or unknown. It is also empty for a run that ends
    when idle, since no start can ask for that.
    """
    if instance.capabilities.has_auto_stop_setting:
        return {}
    if instance.auto_stop_enable is False:
        return {"auto_stop_enable": False}
    if instance.stops_at is None or instance.run_started_at is None:
        return {}
    length = round((instance.stops_at - instance.run_started_at).total_seconds())
    seconds = min(max(length, MIN_RUN_SECONDS), instance.cloud.max_run_hours * 3600)
    return {"auto_stop_enable": True, "auto_stop_duration": seconds}


def power_base(instance: Instance, kind: EditKind) -> dict[str, Any]:
    """Return the status, and for a stop the run that it ends.

    That is the run time, which its undo needs, and when the run began by our clock,
    Unix ms; None if that is unknown.
    """
    base: dict[str, Any] = {"status": instance.status}
    if kind == EditKind.START:
        return base
    if instance.status in STOPPABLE:
        began_at = instance.run_started_at
        base["run_started_ms"] = None if began_at is None else unix_ms(began_at)
    return base | run_of(instance)


def is_later_run(
    instance: Instance, base: Mapping[str, Any], requested_at: datetime
) -> bool:
    """Whether the last run began after the one that a stop was requested for.

    Args:
        instance: As the mirror shows it now.
        base: Of ``power_base``. A stop of an instance that did not run names no run.
        requested_at: When the run was shown; counts if its start was unknown.
    """
    began_at = instance.run_started_at
    if began_at is None or "run_started_ms" not in base:
        return False
    meant_ms: int | None = base["run_started_ms"]
    if meant_ms is None:
        return began_at > requested_at
    return unix_ms(began_at) - meant_ms > SAME_RUN_MS


def why_not_run(instance: Instance, run: Mapping[str, Any]) -> Message:
    """Return why a start cannot have this run time; empty if it can."""
    cloud = instance.cloud
    if not run["auto_stop_enable"]:
        return Message() if cloud.allows_no_auto_stop else messages.AUTO_STOP_NEEDED()
    if MIN_RUN_SECONDS <= run["auto_stop_duration"] <= cloud.max_run_hours * 3600:
        return Message()
    least = MIN_RUN_SECONDS // 3600
    return messages.RUN_HOURS(least=least, most=cloud.max_run_hours)


def why_too_late(
    instance: Instance, patch: Mapping[str, Any], now: datetime
) -> Message:
    """Return why an extension that was accepted can no longer be sent; else empty."""
    if "stop_timestamp_ms" not in patch:
        return Message()
    if moment(instance.cloud, patch["stop_timestamp_ms"]) < now + SHORTEST:
        return messages.WOULD_OVERSHOOT()
    return Message()


def differences(
    instance: Instance, patch: Mapping[str, Any], base: Mapping[str, Any], actor: User
) -> list[Difference]:
    """Return what has changed since the base, unless the actor changed it.

    A run that already lasts as long as requested is no difference, nor is an unknown
    value.
    """
    current = {name: getattr(instance, name) for name in leases.FIELDS}
    requested = leases.requested_lease(patch)
    seen, now = leases.lease_of(base), leases.lease_of(current)
    if leases.is_met(requested, now) or leases.is_same(seen, now):
        return []
    is_unknown = now is None and instance.auto_stop_enable is not False
    if seen is None or is_unknown:
        return []
    if any(leases.is_effect(own, now) for own in _own(instance, actor)):
        return []
    return lease_differences(patch, base, current)


def lease_differences(
    patch: Mapping[str, Any], base: Mapping[str, Any], current: Mapping[str, Any]
) -> list[Difference]:
    """Return the fields of a lease that differ from the base."""
    return [
        Difference(name, base.get(name), current.get(name), patch.get(name))
        for name in leases.FIELDS
        if base.get(name) != current.get(name)
    ]


def moment(cloud: Cloud, cloud_ms: int) -> datetime:
    """Return a moment by our clock."""
    return datetime.fromtimestamp((cloud_ms - cloud.skew_ms) / 1000, UTC)


def cloud_ms(cloud: Cloud, moment: datetime) -> int:
    """Return a moment of our clock by the cloud's, Unix ms."""
    return round(moment.timestamp() * 1000) + cloud.skew_ms


def _own(instance: Instance, actor: User) -> list[leases.Lease]:
    """Return the leases that the actor has requested lately."""
    patches = instance.edits.filter(
        actor=actor,
        kind=EditKind.EXTEND,
        state=EditState.APPLIED,
        finished_at__gte=timezone.now() - OUR_OWN_FOR,
    )
    return [
        leases.requested_lease(patch)
        for patch in patches.values_list("patch", flat=True)
    ]


def _hours(hours: float) -> timedelta:
    return timedelta(seconds=round(hours * 3600))
