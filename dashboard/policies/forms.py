"""Forms of policies and exceptions."""

import zoneinfo
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, ClassVar

from django import forms
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext, gettext_lazy, ngettext

from dashboard.instances.countdown import status_badge
from dashboard.web.widgets import ClockInput

from .models import Rule

LONGEST_EXCEPTION = timedelta(days=366)
_QUIET = ("quiet_from", "quiet_until", "time_zone")
_SCOPE = ("cloud", "workspace_id", "flavor_type", "owner", "status")


class RuleForm(forms.ModelForm):  # type: ignore[type-arg]  # generic at check time only
    """A policy.

    Args:
        scopes: The values in the fleet, by field of the scope.
    """

    max_hours = forms.DecimalField(
        required=False,
        min_value=1,
        max_value=24,
        step_size=Decimal("0.5"),
        label=gettext_lazy("Maximum run time, in hours"),
    )

    class Meta:
        model = Rule
        fields: ClassVar = [
            *("name", "reason", "kind", "quiet_from", "quiet_until", "time_zone"),
            *(*_SCOPE, "mode"),
        ]
        labels: ClassVar = {
            "name": gettext_lazy("Name"),
            "reason": gettext_lazy("Why"),
            "kind": gettext_lazy("Requirement"),
            "quiet_from": gettext_lazy("Quiet from"),
            "quiet_until": gettext_lazy("until"),
            "time_zone": gettext_lazy("Time zone"),
            "cloud": gettext_lazy("Cloud"),
            "workspace_id": gettext_lazy("Workspace"),
            "owner": gettext_lazy("Owner"),
            "status": gettext_lazy("Status"),
            "mode": gettext_lazy("Mode"),
            "flavor_type": gettext_lazy("Flavor type"),
        }
        widgets: ClassVar = {
            "kind": forms.RadioSelect,
            "mode": forms.RadioSelect,
            "quiet_from": ClockInput(),
            "quiet_until": ClockInput(),
        }

    def __init__(self, *args: Any, scopes: dict[str, list[str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for number, names in enumerate((("max_hours",), _QUIET), start=1):
            for name in names:
                # Typing beside a requirement chooses it, see static/forms.js.
                self.fields[name].widget.attrs["data-chooses"] = f"id_kind_{number}"
        for name in ("kind", "mode"):
            field = self.fields[name]
            # Leave out the empty choice.
            field.choices = [choice for choice in field.choices if choice[0]]  # type: ignore[attr-defined]
        for name in _SCOPE:
            current = getattr(self.instance, name)
            known = scopes.get(name, [])
            label_of = _status_label if name == "status" else str
            values = known if current in ("", *known) else [*known, current]
            choices = [(value, label_of(value)) for value in values]
            label = self.fields[name].label
            self.fields[name] = forms.ChoiceField(
                choices=[("", gettext("Any")), *choices],
                required=False,
                label=label,
            )
        for name in ("quiet_from", "quiet_until"):
            self.fields[name].required = False
        if self.instance.max_seconds:
            self.initial["max_hours"] = f"{self.instance.max_seconds / 3600:g}"
        if self.instance.quiet_from is None:
            self.initial["quiet_from"], self.initial["quiet_until"] = time(22), time(6)
            self.initial["time_zone"] = timezone.get_current_timezone_name()

    def clean_time_zone(self) -> str:
        name: str = self.cleaned_data["time_zone"]
        if name and name not in zoneinfo.available_timezones():
            raise forms.ValidationError(
                gettext("Unknown time zone. Enter one such as Europe/Berlin.")
            )
        return name

    def clean(self) -> dict[str, Any]:
        """Require the fields of the chosen kind."""
        data: dict[str, Any] = super().clean() or {}
        kind = data.get("kind")
        needs_hours = kind == Rule.Kind.MAX_HOURS and data.get("max_hours") is None
        if needs_hours and "max_hours" not in self.errors:
            self.add_error("max_hours", gettext("Enter the maximum run time."))
        if kind == Rule.Kind.QUIET_HOURS:
            for name in ("quiet_from", "quiet_until", "time_zone"):
                if not data.get(name) and name not in self.errors:
                    self.add_error(name, gettext("Required for quiet hours."))
            if data.get("quiet_from") and data["quiet_from"] == data.get("quiet_until"):
                self.add_error("quiet_until", gettext("Start and end must differ."))
        return data

    def built(self) -> Rule:
        """Return the rule of a valid form, unsaved, without fields of other kinds."""
        rule: Rule = self.save(commit=False)
        hours = self.cleaned_data["max_hours"]
        limited = rule.kind == Rule.Kind.MAX_HOURS
        rule.max_seconds = int(hours * 3600) if limited else None
        if rule.kind != Rule.Kind.QUIET_HOURS:
            rule.quiet_from = rule.quiet_until = None
            rule.time_zone = ""
        return rule


def _status_label(status: str) -> str:
    return status_badge(status).label


class ExceptionForm(forms.Form):
    """A request for an exception.

    A typed day takes precedence over the number of days.
    """

    DAYS: ClassVar = (1, 3, 7, 14, 30)
    USUAL_DAYS: ClassVar = 7

    days = forms.TypedChoiceField(
        coerce=int, required=False, widget=forms.RadioSelect, initial=USUAL_DAYS
    )
    until = forms.DateField(
        label=gettext_lazy("Or choose a last day"),
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}),
    )
    reason = forms.CharField(
        label=gettext_lazy("Why"),
        max_length=300,
        widget=forms.Textarea(attrs={"rows": 3}),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        today = timezone.localdate()
        field = self.fields["days"]
        assert isinstance(field, forms.TypedChoiceField)  # noqa: S101 (declared above)
        field.choices = [
            (
                number,
                ngettext(
                    "%(number)s day, through %(day)s",
                    "%(number)s days, through %(day)s",
                    number,
                )
                % {
                    "number": number,
                    "day": date_format(
                        today + timedelta(days=number), gettext("D j M Y")
                    ),
                },
            )
            for number in self.DAYS
        ]

    def clean_until(self) -> date | None:
        day: date | None = self.cleaned_data["until"]
        today = timezone.localdate()
        if day and day < today:
            raise forms.ValidationError(gettext("Choose a day in the future."))
        if day and day > today + LONGEST_EXCEPTION:
            raise forms.ValidationError(
                gettext("An exception can last at most one year.")
            )
        return day

    @property
    def last_day(self) -> date:
        until: date | None = self.cleaned_data["until"]
        days = timedelta(days=self.cleaned_data["days"] or self.USUAL_DAYS)
        return until or timezone.localdate() + days

    @property
    def ends_at(self) -> datetime:
        """The end of the last day, in the current time zone."""
        midnight = datetime.combine(self.last_day + timedelta(days=1), time())
        return timezone.make_aware(midnight)


class DecisionForm(forms.Form):
    decision = forms.ChoiceField(
        choices=[("approve", gettext_lazy("Approve")), ("deny", gettext_lazy("Deny"))]
    )
    answer = forms.CharField(max_length=300, required=False)
