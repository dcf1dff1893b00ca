from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any, ClassVar

from django import forms
from django.db.models import Q
from django.utils import timezone
from django.utils.dates import WEEKDAYS_ABBR
from django.utils.translation import gettext, gettext_lazy as _

from dashboard.instances.models import Instance
from dashboard.web.calendar_files import CalendarError, text_of
from dashboard.web.fields import NameField
from dashboard.web.time_zones import validate_time_zone
from dashboard.web.widgets import ClockInput, TimeZoneInput

from . import holiday_files
from .models import HolidayCalendar, Schedule, WorkingTime

MAX_ROWS = 14
SPARE_ROWS = 2
_SCOPE = ("cloud", "workspace_id", "flavor_type", "owner")
_ANY_DAY = forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")


class ScheduleForm(forms.ModelForm):  # type: ignore[type-arg]  # generic at check time only
    """A schedule, without its working times.

    Args:
        scopes: The values in the fleet, by field of the scope.
    """

    name = NameField(max_length=80, label=_("Name"))
    only_instance = forms.CharField(
        required=False, max_length=512, label=_("One instance")
    )

    class Meta:
        model = Schedule
        fields: ClassVar = [
            *("name", "reason", "time_zone", "first_day", "last_day", "starts"),
            *(*_SCOPE, "tag", "team", "holidays"),
        ]
        labels: ClassVar = {
            "reason": _("Why"),
            "time_zone": _("Time zone"),
            "first_day": _("First day"),
            "last_day": _("Last day"),
            "starts": _("Also start instances"),
            "cloud": _("Cloud"),
            "workspace_id": _("Workspace"),
            "flavor_type": _("Flavor type"),
            "owner": _("Owner"),
            "tag": _("Tag"),
            "team": _("Team"),
            "holidays": _("Holidays"),
        }
        widgets: ClassVar = {
            "time_zone": TimeZoneInput,
            "first_day": _ANY_DAY,
            "last_day": _ANY_DAY,
            "holidays": forms.CheckboxSelectMultiple,
        }

    def __init__(self, *args: Any, scopes: dict[str, list[str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in _SCOPE:
            values = scopes.get(name, [])
            current = getattr(self.instance, name)
            if current not in ("", *values):
                values = [*values, current]
            self.fields[name] = forms.ChoiceField(
                choices=[("", gettext("Any")), *((value, value) for value in values)],
                required=False,
                label=self.fields[name].label,
            )
        team = self.fields["team"]
        team.empty_label = gettext("Any")  # type: ignore[attr-defined]
        if not team.queryset.exists():  # type: ignore[attr-defined]
            del self.fields["team"]
        if self.instance.instance:
            self.initial["only_instance"] = self.instance.instance.instance_id
        if not self.instance.time_zone:
            self.initial["time_zone"] = timezone.get_current_timezone_name()

    def clean_time_zone(self) -> str:
        name: str = self.cleaned_data["time_zone"]
        validate_time_zone(name)
        return name

    def clean_tag(self) -> str:
        tag: str = self.cleaned_data["tag"]
        if '"' in tag or "\\" in tag:
            raise forms.ValidationError(
                gettext("A tag has no quotation marks or backslashes.")
            )
        return tag

    def clean_only_instance(self) -> Instance | None:
        typed = self.cleaned_data["only_instance"].strip()
        if not typed:
            return None
        known = Instance.objects.filter(Q(instance_id=typed) | Q(name=typed))
        found = list(known.select_related("cloud")[:2])
        if not found:
            raise forms.ValidationError(gettext("No instance has this name or ID."))
        if len(found) > 1:
            raise forms.ValidationError(
                gettext("Several instances have this name. Enter the ID of one.")
            )
        return found[0]

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        first, last = data.get("first_day"), data.get("last_day")
        if first and last and last < first:
            self.add_error("last_day", gettext("It is before the first day."))
        return data

    def build(self) -> Schedule:
        """Return the schedule of a valid form, unsaved."""
        schedule: Schedule = self.save(commit=False)
        schedule.instance = self.cleaned_data["only_instance"]
        return schedule


class WorkingTimeForm(forms.Form):
    """One row of working times; an empty row is ignored."""

    weekdays = forms.TypedMultipleChoiceField(
        choices=list(WEEKDAYS_ABBR.items()),
        coerce=int,
        required=False,
        widget=forms.CheckboxSelectMultiple,
        label=_("Days"),
    )
    start = forms.TimeField(required=False, widget=ClockInput(), label=_("From"))
    stop = forms.TimeField(required=False, widget=ClockInput(), label=_("Stop at"))
    remove = forms.BooleanField(required=False, label=_("Remove"))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("start", "stop"):
            # In an empty row it would look like a time that was entered.
            self.fields[name].widget.attrs.pop("placeholder")

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        if data.get("remove"):
            self.errors.clear()
            return data
        if self.errors or self.is_empty:
            return data
        if not data["weekdays"]:
            self.add_error("weekdays", gettext("Choose at least one day."))
        if data["stop"] is None:
            self.add_error("stop", gettext("Enter a time, such as 19:00."))
        elif data["start"] == data["stop"]:
            self.add_error("stop", gettext("Start and stop must differ."))
        return data

    @property
    def is_empty(self) -> bool:
        """Whether a clean row says nothing, or is to be removed."""
        data = self.cleaned_data
        is_filled = data.get("weekdays") or data.get("start") or data.get("stop")
        return bool(data.get("remove")) or not is_filled


class WorkingTimes(forms.BaseFormSet):  # type: ignore[type-arg]  # generic at check time only
    """The working times of a schedule, in rows."""

    def clean(self) -> None:
        if any(self.errors):
            return
        if not self.rows():
            raise forms.ValidationError(gettext("Enter at least one working time."))

    def rows(self) -> list[WorkingTime]:
        """Return the working times of a valid form, unsaved."""
        return [
            WorkingTime(
                weekdays=sorted(form.cleaned_data["weekdays"]),
                start=form.cleaned_data["start"],
                stop=form.cleaned_data["stop"],
            )
            for form in self.forms
            if not form.is_empty
        ]


_FormSet: type[WorkingTimes] = forms.formset_factory(  # type: ignore[assignment]  # a subclass
    WorkingTimeForm,
    formset=WorkingTimes,
    extra=SPARE_ROWS,
    max_num=MAX_ROWS,
    absolute_max=MAX_ROWS,
    validate_max=True,
)


def working_times_of(rows: Sequence[Mapping[str, Any]]) -> WorkingTimes:
    """Return the form of working times with these values, bound.

    Args:
        rows: ``weekdays``, ``start`` and ``stop`` of each, as typed.
    """
    data: dict[str, Any] = {
        f"times-{number}-{name}": value
        for number, row in enumerate(rows)
        for name, value in row.items()
    }
    counts = {"times-TOTAL_FORMS": len(rows), "times-INITIAL_FORMS": 0}
    return _FormSet(data | counts, prefix="times")


def working_times(data: Any, rows: Iterable[WorkingTime]) -> WorkingTimes:
    """Return the form of working times, with spare rows.

    Args:
        data: What was sent; None for an unbound form.
        rows: The stored ones; without any, the first row has office hours.
    """
    initial: list[dict[str, Any]] = [
        {"weekdays": row.weekdays, "start": row.start, "stop": row.stop} for row in rows
    ] or [{"weekdays": [0, 1, 2, 3, 4], "start": "08:00", "stop": "19:00"}]
    return _FormSet(data, initial=initial, prefix="times")


class CalendarForm(forms.ModelForm):  # type: ignore[type-arg]  # generic at check time only
    """The name of a holiday calendar."""

    name = NameField(max_length=80, label=_("Name"))

    class Meta:
        model = HolidayCalendar
        fields: ClassVar = ["name"]


class DaysForm(forms.Form):
    """Days as lines of text."""

    days = forms.CharField(
        label=_("Days, one per line"),
        max_length=200_000,
        widget=forms.Textarea(attrs={"rows": 8, "placeholder": "2026-12-25 …"}),
    )

    def clean_days(self) -> dict[date, str]:
        try:
            return holiday_files.parse_days(self.cleaned_data["days"])
        except holiday_files.DaysError as error:
            raise forms.ValidationError(error.errors) from None


class HolidayFileForm(forms.Form):
    """An iCalendar file with holidays."""

    file = forms.FileField(
        label=_("Calendar file (.ics)"),
        widget=forms.FileInput(attrs={"accept": ".ics,text/calendar"}),
    )

    def clean_file(self) -> holiday_files.HolidayFile:
        try:
            found = holiday_files.read_holidays(
                text_of(self.cleaned_data["file"]), timezone.localdate()
            )
        except CalendarError as error:
            raise forms.ValidationError(str(error)) from None
        if not found.days:
            raise forms.ValidationError(
                gettext("The file has no all-day events from this year on.")
            )
        return found


class DaysToDeleteForm(forms.Form):
    """The days of a calendar to delete."""

    day = forms.TypedMultipleChoiceField(coerce=date.fromisoformat)

    def __init__(self, data: Any, *, days: Iterable[date]) -> None:
        super().__init__(data)
        field = self.fields["day"]
        field.choices = [(day.isoformat(), day.isoformat()) for day in days]  # type: ignore[attr-defined]
