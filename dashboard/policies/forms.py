import zoneinfo
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, ClassVar

from django import forms
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext, gettext_lazy as _, ngettext

from dashboard.instances.countdown import status_badge
from dashboard.web.widgets import ClockInput, TimeZoneInput

from .models import Rule

MAX_EXCEPTION_LENGTH = timedelta(days=366)
_QUESTION = ("ask_hours", "answer_minutes", "again_hours")
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
        label=_("Maximum run time, in hours"),
    )

    ask_hours = forms.DecimalField(
        required=False,
        min_value=1,
        max_value=168,
        step_size=Decimal("0.5"),
        label=_("Ask after, in hours"),
    )
    answer_minutes = forms.IntegerField(
        required=False,
        min_value=5,
        max_value=24 * 60,
        label=_("Time to answer, in minutes"),
    )
    again_hours = forms.DecimalField(
        required=False,
        min_value=1,
        max_value=168,
        step_size=Decimal("0.5"),
        label=_("Ask again after, in hours"),
    )

    class Meta:
        model = Rule
        fields: ClassVar = [
            *("name", "reason", "kind", "quiet_from", "quiet_until", "time_zone"),
            *(*_SCOPE, "tag", "team", "mode"),
        ]
        labels: ClassVar = {
            "name": _("Name"),
            "reason": _("Why"),
            "kind": _("Requirement"),
            "quiet_from": _("Quiet from"),
            "quiet_until": _("Until"),
            "time_zone": _("Time zone"),
            "cloud": _("Cloud"),
            "workspace_id": _("Workspace"),
            "owner": _("Owner"),
            "tag": _("Tag"),
            "team": _("Team"),
            "status": _("Status"),
            "mode": _("Mode"),
            "flavor_type": _("Flavor type"),
        }
        widgets: ClassVar = {
            "kind": forms.RadioSelect,
            "mode": forms.RadioSelect,
            "quiet_from": ClockInput(),
            "quiet_until": ClockInput(),
            "time_zone": TimeZoneInput,
        }

    def __init__(self, *args: Any, scopes: dict[str, list[str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("kind", "mode"):
            field = self.fields[name]
            # Leave out the empty choice.
            field.choices = [choice for choice in field.choices if choice[0]]  # type: ignore[attr-defined]
        for name in _SCOPE:
            values = scopes.get(name, [])
            current = getattr(self.instance, name)
            if current not in ("", *values):
                values = [*values, current]
            self.fields[name] = forms.ChoiceField(
                choices=[
                    ("", gettext("Any")),
                    *((value, _scope_label(name, value)) for value in values),
                ],
                required=False,
                label=self.fields[name].label,
            )
        team = self.fields["team"]
        team.empty_label = gettext("Any")  # type: ignore[attr-defined]
        if not team.queryset.exists():  # type: ignore[attr-defined]
            del self.fields["team"]
        for name in ("quiet_from", "quiet_until"):
            self.fields[name].required = False
        rule = self.instance
        if rule.max_seconds:
            asks = rule.kind == Rule.Kind.STILL_NEEDED
            name = "ask_hours" if asks else "max_hours"
            self.initial[name] = f"{rule.max_seconds / 3600:g}"
        if rule.answer_seconds:
            self.initial["answer_minutes"] = rule.answer_seconds // 60
            self.initial["again_hours"] = f"{(rule.again_seconds or 0) / 3600:g}"
        if self.instance.quiet_from is None:
            self.initial["quiet_from"], self.initial["quiet_until"] = time(22), time(6)
            self.initial["time_zone"] = timezone.get_current_timezone_name()

    def clean_tag(self) -> str:
        tag: str = self.cleaned_data["tag"].strip()
        if '"' in tag or "\\" in tag:
            raise forms.ValidationError(
                gettext("A tag contains no quotation marks and no backslashes.")
            )
        return tag

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
        if kind == Rule.Kind.STILL_NEEDED:
            for name in _QUESTION:
                if data.get(name) is None and name not in self.errors:
                    self.add_error(name, gettext("Required for the question."))
            answer, again = data.get("answer_minutes"), data.get("again_hours")
            if answer and again and answer > again * 60:
                text = gettext("Ask again only after the time to answer is over.")
                self.add_error("again_hours", text)
        if kind == Rule.Kind.QUIET_HOURS:
            for name in ("quiet_from", "quiet_until", "time_zone"):
                if not data.get(name) and name not in self.errors:
                    self.add_error(name, gettext("Required for quiet hours."))
            if data.get("quiet_from") and data["quiet_from"] == data.get("quiet_until"):
                self.add_error("quiet_until", gettext("Start and end must differ."))
        return data

    def build_rule(self) -> Rule:
        """Return the rule of a valid form, unsaved, without fields of other kinds."""
        rule: Rule = self.save(commit=False)
        has_limit = rule.kind == Rule.Kind.MAX_HOURS
        hours = self.cleaned_data["max_hours"]
        rule.max_seconds = int(hours * 3600) if has_limit else None
        rule.answer_seconds = rule.again_seconds = None
        if rule.kind == Rule.Kind.STILL_NEEDED:
            rule.max_seconds = int(self.cleaned_data["ask_hours"] * 3600)
            rule.answer_seconds = self.cleaned_data["answer_minutes"] * 60
            rule.again_seconds = int(self.cleaned_data["again_hours"] * 3600)
        if rule.kind != Rule.Kind.QUIET_HOURS:
            rule.quiet_from = rule.quiet_until = None
            rule.time_zone = ""
        return rule


def _scope_label(field: str, value: str) -> str:
    return status_badge(value).label if field == "status" else value


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
        label=_("Or choose a last day"),
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}),
    )
    reason = forms.CharField(
        label=_("Why"),
        max_length=300,
        widget=forms.Textarea(attrs={"rows": 3}),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        today = timezone.localdate()
        field = self.fields["days"]
        assert isinstance(field, forms.TypedChoiceField)  # noqa: S101 (declared above)
        choices = []
        for number in self.DAYS:
            day = date_format(today + timedelta(days=number), gettext("D j M Y"))
            label = ngettext(
                "%(number)s day, through %(day)s",
                "%(number)s days, through %(day)s",
                number,
            )
            choices.append((number, label % {"number": number, "day": day}))
        field.choices = choices

    def clean_until(self) -> date | None:
        day: date | None = self.cleaned_data["until"]
        today = timezone.localdate()
        if day and day < today:
            raise forms.ValidationError(gettext("Choose a day in the future."))
        if day and day > today + MAX_EXCEPTION_LENGTH:
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
        choices=[("approve", _("Approve")), ("deny", _("Deny"))]
    )
    answer = forms.CharField(max_length=300, required=False)
