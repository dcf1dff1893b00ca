from datetime import time
from typing import Any, ClassVar

from django import forms
from django.utils import timezone
from django.utils.translation import gettext, gettext_lazy as _

from dashboard.accounts.models import Team
from dashboard.accounts.permissions import can_remind_of_others
from dashboard.instances.models import Cloud
from dashboard.web.calendar_files import CalendarError, text_of
from dashboard.web.fields import NameField
from dashboard.web.time_zones import validate_time_zone
from dashboard.web.widgets import ClockInput, TimeZoneInput

from . import ics, webhooks
from .models import Channel, NotificationSettings, Preferences
from .recipients import may_mail

LEAD_TIMES = (
    (5, _("5 minutes")),
    (15, _("15 minutes")),
    (30, _("30 minutes")),
    (60, _("1 hour")),
    (120, _("2 hours")),
    (240, _("4 hours")),
    (480, _("8 hours")),
    (1440, _("1 day")),
)
_SETTINGS: tuple[str, ...] = (
    *("lead_times", "on_failure", "on_failed_edit", "scope", "owner", "cloud", "team"),
    *("on_overdue", "on_no_end", "on_cloud", "on_handover", "on_budget"),
    *("quiet_from", "quiet_until", "time_zone"),
)
_LABELS = {
    "on_failure": _("An instance fails"),
    "on_failed_edit": _("A change fails or conflicts"),
    "on_others": _("Someone else changes, starts or stops one of my instances"),
    "on_overdue": _("An instance that should have stopped is still running"),
    "on_no_end": _("A GPU instance has been running for an hour without auto-stop"),
    "on_cloud": _("A cloud can't be read"),
    "on_handover": _("A handover is published"),
    "on_budget": _("A budget reaches 50, 85 or 100 percent"),
    "on_request": _("An exception or a bulk change waits for a decision"),
    "stops_only_mine": _("Only before my own instances stop"),
    "only_on_call": _("Not while someone else is on call"),
    "scope": _("Which instances"),
    "owner": _("Owner"),
    "cloud": _("Cloud"),
    "team": _("Team"),
    "quiet_from": _("Quiet from"),
    "quiet_until": _("Until"),
}
_WIDGETS: dict[str, forms.Widget] = {
    "scope": forms.RadioSelect(),
    "quiet_from": ClockInput(),
    "quiet_until": ClockInput(),
}


TEAM_EVENT_FIELDS = ("on_overdue", "on_no_end", "on_cloud", "on_handover", "on_request")
TEAM_FIELDS = (
    *TEAM_EVENT_FIELDS,
    *("scope", "owner", "cloud", "team", "stops_only_mine", "only_on_call"),
)
"""What only those who look after the fleet choose."""


class NotificationSettingsForm(forms.ModelForm):  # type: ignore[type-arg]  # generic at check time only
    """What a recipient is notified about, and their quiet hours.

    Args:
        owners: Owners in the fleet, to choose from.
    """

    lead_times = forms.TypedMultipleChoiceField(
        choices=LEAD_TIMES,
        coerce=int,
        required=False,
        widget=forms.CheckboxSelectMultiple,
        label=_("Before an auto-stop"),
    )
    # If it is off, the times are cleared.
    quiet = forms.BooleanField(required=False, label=_("Use quiet hours"))

    time_zone = forms.CharField(
        max_length=64,
        label=_("Time zone"),
        validators=[validate_time_zone],
        widget=TimeZoneInput,
    )

    SCOPES: ClassVar[tuple[str, ...]] = tuple(NotificationSettings.Scope.values)

    def __init__(self, *args: Any, owners: list[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        current = self.instance.owner
        names = owners if current in ("", *owners) else [*owners, current]
        self.fields["owner"] = forms.ChoiceField(
            choices=[("", gettext("Choose …")), *((name, name) for name in names)],
            required=False,
            label=_LABELS["owner"],
        )
        self.fields["cloud"] = forms.ModelChoiceField(
            Cloud.objects.filter(retired_at=None),
            required=False,
            empty_label=gettext("Choose …"),
            label=_LABELS["cloud"],
        )
        teams = Team.objects.order_by("name")
        self.fields["team"] = forms.ModelChoiceField(
            teams,
            required=False,
            empty_label=gettext("Choose …"),
            label=_LABELS["team"],
        )
        absent = set() if teams.exists() else {NotificationSettings.Scope.TEAM}
        self.fields["scope"].choices = [  # type: ignore[attr-defined]  # has choices
            choice
            for choice in NotificationSettings.Scope.choices
            if choice[0] in {*self.SCOPES} - absent
        ]
        if absent:
            del self.fields["team"]
        self.initial["quiet"] = self.instance.quiet_from is not None
        if self.instance.quiet_from is None:
            self.initial["quiet_from"], self.initial["quiet_until"] = time(20), time(7)
        if self.instance.pk is None:
            self.initial["time_zone"] = timezone.get_current_timezone_name()

    @property
    def team_events(self) -> list[forms.BoundField]:
        """The events that nobody owns, as far as the recipient may choose them."""
        return [self[name] for name in TEAM_EVENT_FIELDS if name in self.fields]

    def clean_lead_times(self) -> list[int]:
        return sorted(self.cleaned_data["lead_times"], reverse=True)

    def clean(self) -> dict[str, Any]:
        """Require the fields that the choices need, and clear the others."""
        values = super().clean() or {}
        scope = values.get("scope")
        if scope == NotificationSettings.Scope.OWNER and not values.get("owner"):
            self.add_error("owner", gettext("Choose an owner."))
        if scope == NotificationSettings.Scope.CLOUD and not values.get("cloud"):
            self.add_error("cloud", gettext("Choose a cloud."))
        if scope == NotificationSettings.Scope.TEAM and not values.get("team"):
            self.add_error("team", gettext("Choose a team."))
        if scope != NotificationSettings.Scope.OWNER:
            values["owner"] = ""
        if scope != NotificationSettings.Scope.CLOUD:
            values["cloud"] = None
        if scope != NotificationSettings.Scope.TEAM:
            values["team"] = None
        start, end = values.get("quiet_from"), values.get("quiet_until")
        if not values.get("quiet"):
            values["quiet_from"] = values["quiet_until"] = None
        elif start is None or end is None or start == end:
            self.add_error("quiet_from", gettext("Enter a start and an end time."))
        return values


class PreferencesForm(NotificationSettingsForm):
    class Meta:
        model = Preferences
        fields: ClassVar = [
            *("in_page", "by_mail", "weekly_digest", "on_others", "on_request"),
            *("stops_only_mine", "only_on_call", *_SETTINGS),
        ]
        labels: ClassVar = _LABELS | {
            "in_page": _("In Curfew"),
            "by_mail": _("By email"),
            "weekly_digest": _("A weekly digest by email"),
        }
        widgets: ClassVar = _WIDGETS

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not can_remind_of_others(self.instance.user):
            for name in TEAM_FIELDS:
                self.fields.pop(name, None)
        if not may_mail(self.instance.user):
            self.fields["by_mail"].disabled = True
            self.fields["weekly_digest"].disabled = True


class ChannelForm(NotificationSettingsForm):
    SCOPES: ClassVar = (
        NotificationSettings.Scope.ALL,
        NotificationSettings.Scope.CLOUD,
        NotificationSettings.Scope.OWNER,
        NotificationSettings.Scope.TEAM,
    )

    name = NameField(max_length=80, label=_("Name"))
    address = forms.CharField(
        max_length=webhooks.MAX_LENGTH,
        label=_("Webhook URL"),
        # Browsers must not store it, and it is never shown again.
        widget=forms.TextInput(
            attrs={"type": "url", "autocomplete": "off", "spellcheck": "false"}
        ),
    )

    class Meta:
        model = Channel
        fields: ClassVar = ["name", "active", *_SETTINGS]
        labels: ClassVar = _LABELS | {
            "active": _("Send notifications there"),
        }
        widgets: ClassVar = _WIDGETS

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk is None:
            self.initial["scope"] = NotificationSettings.Scope.ALL
        else:
            self.fields["address"].required = False

    def clean_address(self) -> str:
        address = str(self.cleaned_data["address"])
        if address:
            try:
                webhooks.recognize(address)
            except webhooks.WebhookError as error:
                raise forms.ValidationError(str(error)) from None
        return address


class RosterForm(forms.Form):
    """An iCalendar file with the shifts of those who are on call."""

    file = forms.FileField(
        label=_("Calendar file (.ics)"),
        widget=forms.FileInput(attrs={"accept": ".ics,text/calendar"}),
    )

    def clean_file(self) -> ics.Roster:
        try:
            return ics.read_roster(
                text_of(self.cleaned_data["file"]),
                now=timezone.now(),
                zone=timezone.get_current_timezone(),
            )
        except CalendarError as error:
            raise forms.ValidationError(str(error)) from None


class ReadForm(forms.Form):
    """The entry to mark as read; empty for all."""

    reminder = forms.IntegerField(min_value=1, max_value=2**63 - 1, required=False)
