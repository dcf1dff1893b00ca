"""The forms of a run: another end of the current one, and the length of a new one."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from functools import cached_property
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext

from dashboard.costs import estimates
from dashboard.costs.estimates import Estimate
from dashboard.instances.filter_fields import MomentField
from dashboard.instances.models import Instance
from dashboard.modelarts.instance_state import IDLE
from dashboard.policies import selectors as policies
from dashboard.policies.rules import requirement
from dashboard.web.stored_messages import Message

from . import extension, messages
from .hours import STEP_SECONDS, hours_text
from .snapshot import LeaseSnapshot

LONGER_HOURS = (1, 2, 4)
START_HOURS = (1, 2, 4, 8)
USUAL_START_HOURS = 4
EVENING, MORNING = 18, 9
"""Hours of the day in the zone of the person who looks."""

BY_IDLE = "idle"
"""The value of the button that asks for an idle lease."""

_STEP = timedelta(seconds=STEP_SECONDS)
_HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Preset:
    """An end that one button asks for; it is later than the present one.

    Attributes:
        cost: What the time until then costs in addition; None without a price.
    """

    label: str
    until: datetime
    cost: Estimate | None = None

    @property
    def value(self) -> str:
        return self.until.isoformat(timespec="milliseconds")


class ExtensionOptions:
    """The ends that can be asked for now.

    Attributes:
        is_idle: Whether the run has no fixed end because its lease is idle.
        ends_at: The present end; None if the lease is idle or its end unknown.
        limits: See ``extension.limits_of``.
        price: Of an hour; None if unknown.
    """

    def __init__(self, instance: Instance, now: datetime) -> None:
        self.now = now
        self.limits = extension.limits_of(instance, now)
        self.is_idle = instance.lease_type == IDLE
        self.ends_at = None if self.is_idle else instance.stops_at
        self._instance = instance
        self._cloud_max_hours = instance.cloud.max_run_hours
        self.price = estimates.price_now(instance)

    @cached_property
    def presets(self) -> list[Preset]:
        """The offers; the latest possible end if nothing else fits."""
        offers = [offer for offer in self._offers() if self._is_possible(offer.until)]
        latest = self.limits.latest.replace(second=0, microsecond=0)
        if not offers and self._is_possible(latest):
            offers = [Preset(gettext("As long as possible"), latest)]
        return [replace(offer, cost=self._cost_until(offer.until)) for offer in offers]

    @property
    def hours(self) -> tuple[str, str] | None:
        """The least and most hours from now of the slider; None if there are none."""
        # In whole steps: the least is rounded up, the most down. One hour counts as the
        # earliest end, see ``extension.patch_until``.
        span = max((self.ends_at or self.now) - self.now, _HOUR)
        least = -(-span // _STEP) * STEP_SECONDS
        most = (self.limits.latest - self.now) // _STEP * STEP_SECONDS
        return (hours_text(least), hours_text(most)) if least <= most else None

    @property
    def shortest(self) -> Estimate | None:
        """What the least hours from now cost in addition; None without a price."""
        if self.hours is None:
            return None
        until = self.now + timedelta(hours=float(self.hours[0]))
        return self._cost_until(max(until, self.limits.earliest))

    @property
    def least_seconds(self) -> int:
        """How far from now the earliest possible end is."""
        return round((self.limits.earliest - self.now).total_seconds())

    @property
    def idle_hours(self) -> tuple[int, int]:
        """The least and most hours without use of an idle lease."""
        return 1, self._cloud_max_hours

    @cached_property
    def why_not_idle(self) -> list[Message]:
        """Why policies refuse an idle lease now; empty if they do not."""
        patch = {"lease_type": IDLE}
        refused = policies.refused(self._instance, {}, patch, self.now, starts=False)
        return [
            messages.VIOLATES(policy=rule.name, sentence=sentence)
            for rule, sentence in refused
        ]

    def _cost_until(self, until: datetime) -> Estimate | None:
        if self.price is None:
            return None
        present = max(self.ends_at or self.now, self.now)
        seconds = max(0, round((until - present).total_seconds()))
        return Estimate(self.price, seconds, self.price.running)

    def _offers(self) -> Iterator[Preset]:
        for hours in LONGER_HOURS:
            until = max(self.ends_at or self.now, self.now) + hours * _HOUR
            until = max(until, self.limits.earliest)
            # With an end, it is so much later; without one, so much from now.
            label = gettext("+%(h)s h") if self.ends_at else gettext("in %(h)s h")
            yield Preset(label % {"h": hours}, until)
        today = timezone.localtime(self.now).replace(minute=0, second=0, microsecond=0)
        tomorrow = today + timedelta(days=1)
        yield Preset(gettext("until 18:00"), today.replace(hour=EVENING))
        yield Preset(gettext("until tomorrow 09:00"), tomorrow.replace(hour=MORNING))

    def _is_possible(self, until: datetime) -> bool:
        is_later = self.ends_at is None or until > self.ends_at
        return is_later and self.limits.earliest <= until <= self.limits.latest


class ExtensionForm(forms.Form):
    """Asks for another end: ``until``, else ``hours`` from now, or an idle lease.

    Args:
        data: The posted fields; None for a form that is opened.
        instance: A running instance with a lease.
        snapshot: The lease that the form showed first.
        now: Aware.
        patience: As of ``extension.patch_until``.
    """

    until = MomentField(required=False)
    hours = forms.CharField(required=False, max_length=20)
    idle_hours = forms.CharField(required=False, max_length=20)
    by = forms.CharField(required=False, max_length=20)

    def __init__(
        self,
        data: Any = None,
        *,
        instance: Instance,
        snapshot: LeaseSnapshot,
        now: datetime,
        patience: timedelta = timedelta(0),
    ) -> None:
        super().__init__(data)
        self.snapshot = snapshot
        self._instance, self._now, self._patience = instance, now, patience

    def clean(self) -> dict[str, Any]:
        """Add the ``patch`` of the edit, or say why there is none."""
        data = super().clean() or {}
        field = self._asked_by(data)
        if not self.errors:
            try:
                data["patch"] = self._patch(field, data.get(field))
            except forms.ValidationError as error:
                self.add_error(None if field == "until" else field, error)
        return data

    def _asked_by(self, data: dict[str, Any]) -> str:
        # A page posts all its fields, whichever button was pressed.
        if data.get("until"):
            return "until"
        is_idle_only = data.get("idle_hours") and not data.get("hours")
        is_idle = data.get("by") == BY_IDLE or (is_idle_only and not data.get("by"))
        return "idle_hours" if is_idle else "hours"

    def _patch(self, field: str, value: Any) -> dict[str, Any]:
        if field == "idle_hours":
            return extension.idle_patch(self._instance, parse_hours(value))
        if field == "until":
            patch = extension.patch_until(
                self._instance, value, self._now, self._patience
            )
        else:
            hours = parse_hours(value)
            patch = extension.patch_hours(self._instance, hours, self._now)
        seen_end_ms = self.snapshot.base["stop_timestamp_ms"]
        if seen_end_ms is not None and patch["stop_timestamp_ms"] < seen_end_ms:
            raise forms.ValidationError(
                gettext("This run already lasts longer. Choose a later end.")
            )
        return patch


class StartForm(forms.Form):
    """Asks how long a run is to last, where each start says so.

    Args:
        data: The posted fields; None for a form that is opened.
        instance: Which is to be started.
        now: Aware.

    Attributes:
        reasons: How policies limit the run time.
    """

    hours = forms.CharField(required=False, max_length=20)
    no_auto_stop = forms.BooleanField(required=False)

    def __init__(self, data: Any = None, *, instance: Instance, now: datetime) -> None:
        cloud, limits = instance.cloud, policies.limits_of_start(instance, now)
        most = cloud.max_run_hours * 3600
        longest = min([most, *(limit.seconds or most for limit in limits)])
        # In whole steps, as the slider has them.
        self._longest = longest // STEP_SECONDS * STEP_SECONDS
        self.allows_no_auto_stop = cloud.allows_no_auto_stop and not limits
        self.reasons = [
            messages.VIOLATES(policy=rule.name, sentence=requirement(rule))
            for rule, seconds in limits
            if cloud.allows_no_auto_stop or (seconds == longest and longest < most)
        ]
        usual = hours_text(min(USUAL_START_HOURS * 3600, self._longest))
        super().__init__(data, initial={"hours": usual})
        self._instance = instance

    @property
    def max_hours(self) -> str:
        return hours_text(self._longest)

    @property
    def preset_hours(self) -> list[int]:
        return [hours for hours in START_HOURS if hours * 3600 <= self._longest]

    def clean(self) -> dict[str, Any]:
        """Add the ``patch`` of the edit, or say why there is none."""
        data = super().clean() or {}
        if self.errors:
            return data
        try:
            patch: dict[str, Any] | None = {"auto_stop_enable": False}
            if not data["no_auto_stop"] and "hours" not in self.data:
                patch = None  # posted without the page: the shortest run
            elif not data["no_auto_stop"]:
                seconds = round(parse_hours(data["hours"]) * 3600)
                patch = {"auto_stop_enable": True, "auto_stop_duration": seconds}
            data["patch"] = extension.start_patch(self._instance, patch)
        except forms.ValidationError as error:
            self.add_error("hours", error)
        return data


def cost_of_start(instance: Instance, form: StartForm | None) -> Estimate | None:
    """Return what the run of a start costs; None without a price.

    Args:
        instance: Which is to be started.
        form: With the run time, where each start has its own.
    """
    seconds = instance.auto_stop_duration if instance.auto_stop_enable else None
    if form:
        try:
            seconds = round(parse_hours(str(form["hours"].value() or "")) * 3600)
        except forms.ValidationError:
            seconds = round(parse_hours(form.initial["hours"]) * 3600)
    return estimates.new_run(instance, seconds)


def parse_hours(text: str) -> float:
    """Return typed hours.

    Raises:
        ValidationError: The text is no number of hours.
    """
    try:
        hours = Decimal(text.strip().replace(",", "."))
    except InvalidOperation:
        hours = Decimal("NaN")
    # Far more than any cloud allows, and less than what a moment cannot hold.
    if not (hours.is_finite() and 0 < hours < 10_000):
        raise forms.ValidationError(
            gettext("Enter a number of hours, such as 4 or 4.5.")
        )
    return float(hours)
