"""The form of an override: until when, and what will happen."""

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from functools import cached_property
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext as _

from dashboard.accounts.models import User
from dashboard.accounts.permissions import can_decide_exceptions
from dashboard.instances import countdown
from dashboard.instances.filter_fields import MomentField
from dashboard.instances.models import Instance
from dashboard.instances.run_state import is_running
from dashboard.modelarts.instance_state import IDLE
from dashboard.schedules import overrides
from dashboard.schedules.models import Override
from dashboard.schedules.moments import at_clock_time
from dashboard.web.fields import LocalTimeField
from dashboard.web.templatetags.pages import moment_text

from . import keeping
from .run_forms import Preset

KEEP, SKIP, IGNORE = Override.Kind.KEEP, Override.Kind.SKIP, Override.Kind.IGNORE

NIGHT, EVENING, MORNING = time(22), time(18), time(8)
FRIDAY, MONDAY = 4, 0
_DAY, _HOUR, _SHORTEST = timedelta(days=1), timedelta(hours=1), timedelta(minutes=10)


class OverrideForm(forms.Form):
    """Asks for an override.

    Without ``until``, the date and time that a person typed count, in their time zone.
    """

    kind = forms.ChoiceField(choices=Override.Kind.choices)
    until = MomentField(required=False)
    own = LocalTimeField(
        required=False,
        widget=forms.DateTimeInput(
            attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"
        ),
    )
    starts_again = forms.BooleanField(required=False)
    reason = forms.CharField(required=False, max_length=300)

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        data["until"] = data.get("until") or data.get("own")
        if not self.errors and not data["until"]:
            self.add_error("own", _("Choose a date and a time."))
        return data


class OverrideOptions:
    """What an override of one kind can be, and what it does.

    Attributes:
        current: The override in effect, if any.
        latest: Until when the policies allow to keep the run; None for no limit.
        may_exceed: Whether the person may go beyond that with a reason.
    """

    def __init__(
        self, instance: Instance, kind: str, user: User, now: datetime
    ) -> None:
        self.kind, self.now = kind, now
        self.current = overrides.overrides_of([instance], now).get(instance.pk)
        self.latest = overrides.latest_keep(instance, now) if kind == KEEP else None
        self.may_exceed = can_decide_exceptions(user)
        self._instance = instance

    @cached_property
    def next_stop(self) -> datetime | None:
        """The next stop of a schedule, which ``SKIP`` skips."""
        return keeping.next_stop_of(self._instance, self.now)

    @property
    def skip_value(self) -> str:
        return self.next_stop.isoformat(timespec="seconds") if self.next_stop else ""

    @cached_property
    def presets(self) -> list[Preset]:
        offers = [offer for offer in self._offers() if self._is_possible(offer.until)]
        offers.sort(key=lambda offer: offer.until)
        if not offers and self.latest and self._is_possible(self.latest):
            offers = [Preset(_("As long as policies allow"), self.latest)]
        return offers

    @property
    def can_start_again(self) -> bool:
        """Whether the run has an end that cannot be moved."""
        instance = self._instance
        return self.kind == KEEP and instance.capabilities.has_auto_stop_setting

    @property
    def effects(self) -> list[str]:
        """What will happen, in sentences."""
        if self.kind == IGNORE:
            return [
                _("Until then, no schedule starts or stops this instance."),
                _("Auto-stop and policies still apply."),
            ]
        if self.kind == SKIP:
            return [
                _("Only this stop is skipped. The schedule's next stop is not."),
                _("Auto-stop and policies still apply."),
            ]
        return [*self._effects_of_keep(), _("Afterwards, schedules apply again.")]

    def _effects_of_keep(self) -> Iterator[str]:
        instance, cloud = self._instance, self._instance.cloud
        yield _("Until then, no schedule stops this instance.")
        if not is_running(instance):
            yield _("It is not running. An override does not start it.")
            return
        end = instance.stops_at
        if instance.capabilities.has_auto_stop_setting:
            if end is None:
                yield _("This run has no end.")
            else:
                yield _(
                    "This run still stops %(end)s: ModelArts cannot move its end."
                ) % {"end": moment_text(end, "stop")}
        elif instance.lease_type == IDLE:
            yield _(
                "The run would stop once nobody uses it. It gets a fixed end instead, "
                "and keeps that."
            )
        elif instance.auto_stop_enable is False:
            yield _("This run has no end.")
        if instance.capabilities.has_lease and instance.auto_stop_enable is not False:
            yield _(
                "The run is extended as far as ModelArts allows, %(hours)s hours at a "
                "time, and again when needed, but never beyond."
            ) % {"hours": cloud.max_run_hours}

    @property
    def next_run(self) -> str:
        return countdown.next_run(self._instance)

    def _offers(self) -> Iterator[Preset]:
        now = timezone.localtime(self.now).replace(second=0, microsecond=0)
        yield Preset(_("In %(h)s h") % {"h": 4}, now + 4 * _HOUR)
        tonight = self._at(now.date(), NIGHT)
        if tonight > self.now:
            yield Preset(_("Tonight 22:00"), tonight)
        else:
            tomorrow = self._at(now.date() + _DAY, NIGHT)
            yield Preset(_("Tomorrow 22:00"), tomorrow)
        yield Preset(_("In a day"), now + _DAY)
        yield Preset(_("Friday 18:00"), self._next(FRIDAY, EVENING))
        yield Preset(_("Monday 8:00"), self._next(MONDAY, MORNING))

    def _next(self, weekday: int, clock: time) -> datetime:
        today = timezone.localtime(self.now).date()
        day = today + (weekday - today.weekday()) % 7 * _DAY
        moment = self._at(day, clock)
        return moment if moment > self.now else self._at(day + 7 * _DAY, clock)

    def _at(self, day: date, clock: time) -> datetime:
        return at_clock_time(day, clock, timezone.get_current_timezone())

    def _is_possible(self, until: datetime) -> bool:
        if until < self.now + _SHORTEST:
            return False
        if self.latest and until > self.latest and not self.may_exceed:
            return False
        earliest = keeping.earliest_keep(self._instance, self.now)
        if self.kind != KEEP or earliest is None or until >= earliest:
            return True
        end = self._instance.stops_at
        return end is not None and until <= end
