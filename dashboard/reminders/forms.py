"""What a person may type about reminders."""

import unicodedata
import zoneinfo
from datetime import time
from typing import Any, ClassVar

from django import forms
from django.utils import timezone
from django.utils.translation import gettext, gettext_lazy

from dashboard.accounts.permissions import can_remind_of_others
from dashboard.instances.models import Cloud
from dashboard.web.widgets import ClockInput

from . import webhooks
from .models import Channel, NotificationSettings, Preferences
from .recipients import may_mail

LEAD_TIMES = (
    (5, gettext_lazy("5 minutes")),
    (15, gettext_lazy("15 minutes")),
    (30, gettext_lazy("30 minutes")),
    (60, gettext_lazy("1 hour")),
    (120, gettext_lazy("2 hours")),
    (240, gettext_lazy("4 hours")),
    (480, gettext_lazy("8 hours")),
    (1440, gettext_lazy("1 day")),
)
_WANTED: tuple[str, ...] = (
    *("on_failure", "on_failed_edit", "scope", "owner", "cloud"),
    *("quiet_from", "quiet_until", "time_zone"),
)
_LABELS = {
    "on_failure": gettext_lazy("When an instance fails"),
    "on_failed_edit": gettext_lazy("When a change fails or conflicts"),
    "on_stopped": gettext_lazy("When someone else stops one of my instances"),
    "scope": gettext_lazy("Which instances"),
    "owner": gettext_lazy("Owner"),
    "cloud": gettext_lazy("Cloud"),
    "quiet_from": gettext_lazy("Quiet from"),
    "quiet_until": gettext_lazy("until"),
    "time_zone": gettext_lazy("Time zone"),
}
_WIDGETS: dict[str, forms.Widget] = {
    "scope": forms.RadioSelect(),
    "quiet_from": ClockInput(),
    "quiet_until": ClockInput(),
}


class NotificationSettingsForm(forms.ModelForm):  # type: ignore[type-arg]  # generic at check time only
    """Of what, how long before, and when not.

    Args:
        owners: Owners seen in the fleet, to choose from.
    """

    lead_times = forms.TypedMultipleChoiceField(
        choices=LEAD_TIMES,
        coerce=int,
        required=False,
        widget=forms.CheckboxSelectMultiple,
        label=gettext_lazy("Before an auto-stop"),
    )
    # Unticked, no time is kept.
    quiet = forms.BooleanField(required=False, label=gettext_lazy("Use quiet hours"))

    SCOPES: ClassVar[tuple[str, ...]] = tuple(NotificationSettings.Scope.values)

    def __init__(self, *args: Any, owners: list[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        now = self.instance.owner
        known = owners if now in ("", *owners) else [*owners, now]
        self.fields["owner"] = forms.ChoiceField(
            choices=[("", gettext("Choose …")), *((name, name) for name in known)],
            required=False,
            label=_LABELS["owner"],
        )
        self.fields["cloud"] = forms.ModelChoiceField(
            Cloud.objects.filter(retired_at=None),
            required=False,
            empty_label=gettext("Choose …"),
            label=_LABELS["cloud"],
        )
        scope = self.fields["scope"]
        assert isinstance(scope, forms.ChoiceField)  # noqa: S101
        scope.choices = [
            one for one in NotificationSettings.Scope.choices if one[0] in self.SCOPES
        ]
        self.initial["lead_times"] = self.instance.lead_times
        self.initial["quiet"] = self.instance.quiet_from is not None
        if self.instance.quiet_from is None:
            self.initial["quiet_from"], self.initial["quiet_until"] = time(20), time(7)
        if self.instance.pk is None:
            self.initial["time_zone"] = timezone.get_current_timezone_name()
        for name in ("quiet_from", "quiet_until"):
            self.fields[name].required = False

    def clean_time_zone(self) -> str:
        """A zone of the tz database.

        Raises:
            ValidationError: There is none of this name.
        """
        name = str(self.cleaned_data["time_zone"])
        if name not in zoneinfo.available_timezones():
            raise forms.ValidationError(
                gettext("Unknown time zone. Enter one such as Europe/Berlin, or UTC.")
            )
        return name

    def clean(self) -> dict[str, Any]:
        """What belongs together, together."""
        values = super().clean() or {}
        scope = values.get("scope")
        if scope == NotificationSettings.Scope.OWNER and not values.get("owner"):
            self.add_error("owner", gettext("Choose an owner."))
        if scope == NotificationSettings.Scope.CLOUD and not values.get("cloud"):
            self.add_error("cloud", gettext("Choose a cloud."))
        if scope != NotificationSettings.Scope.OWNER:
            values["owner"] = ""
        if scope != NotificationSettings.Scope.CLOUD:
            values["cloud"] = None
        start, end = values.get("quiet_from"), values.get("quiet_until")
        if not values.get("quiet"):
            values["quiet_from"] = values["quiet_until"] = None
        elif start is None or end is None or start == end:
            self.add_error("quiet_from", gettext("Enter a start and an end time."))
        return values

    def _post_clean(self) -> None:
        super()._post_clean()  # type: ignore[misc]  # unknown to the stubs
        self.instance.lead_times = sorted(
            self.cleaned_data.get("lead_times") or [], reverse=True
        )


class PreferencesForm(NotificationSettingsForm):
    """What one person wants."""

    class Meta:
        model = Preferences
        fields: ClassVar = ["in_page", "by_mail", "on_stopped", *_WANTED]
        labels: ClassVar = _LABELS | {
            "in_page": gettext_lazy("In Curfew"),
            "by_mail": gettext_lazy("By email"),
        }
        widgets: ClassVar = _WIDGETS

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not can_remind_of_others(self.instance.user):
            for name in ("scope", "owner", "cloud"):
                del self.fields[name]
        if not may_mail(self.instance.user):
            self.fields["by_mail"].disabled = True


class ChannelForm(NotificationSettingsForm):
    """A team's webhook."""

    SCOPES: ClassVar = (
        NotificationSettings.Scope.ALL,
        NotificationSettings.Scope.CLOUD,
        NotificationSettings.Scope.OWNER,
    )

    address = forms.CharField(
        max_length=webhooks.LONGEST,
        label=gettext_lazy("Webhook address"),
        # Nothing that a browser keeps, or that stands there for a neighbour to read.
        widget=forms.TextInput(
            attrs={"type": "url", "autocomplete": "off", "spellcheck": "false"}
        ),
    )

    class Meta:
        model = Channel
        fields: ClassVar = ["name", "active", *_WANTED]
        labels: ClassVar = _LABELS | {
            "name": gettext_lazy("Name"),
            "active": gettext_lazy("Send notifications there"),
        }
        widgets: ClassVar = _WIDGETS

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk is None:
            self.initial["scope"] = NotificationSettings.Scope.ALL
        else:
            self.fields["address"].required = False

    def clean_name(self) -> str:
        """One line without anything invisible."""
        name = " ".join(str(self.cleaned_data["name"]).split())
        if any(unicodedata.category(letter) in {"Cc", "Cf"} for letter in name):
            raise forms.ValidationError(
                gettext("A name cannot contain invisible characters.")
            )
        return name

    def clean_address(self) -> str:
        """One that something may be sent to.

        Raises:
            ValidationError: It is not; says why.
        """
        address = str(self.cleaned_data["address"])
        if address:
            try:
                webhooks.recognise(address)
            except webhooks.WebhookError as error:
                raise forms.ValidationError(str(error)) from None
        return address


class ReadForm(forms.Form):
    """Which entry was read; empty for all of them."""

    reminder = forms.IntegerField(min_value=1, max_value=2**63 - 1, required=False)
