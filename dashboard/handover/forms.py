import unicodedata
import zoneinfo
from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.text import format_lazy
from django.utils.translation import gettext, gettext_lazy

from dashboard.saved.models import SavedView

from .models import Handover, Note, WallLink
from .services import SaveToken

LONGEST_SHIFT = timedelta(days=14)
LARGEST = 2**31 - 1


class SaveTokenForm(forms.Form):
    """The source of typed text; see ``services.SaveToken``.

    Attributes:
        over: The revision that someone has seen and wants to replace.
    """

    revision = forms.IntegerField(min_value=0, max_value=LARGEST)
    over = forms.IntegerField(min_value=0, max_value=LARGEST, required=False)
    page = forms.CharField(max_length=32, required=False)
    turn = forms.IntegerField(min_value=0, max_value=LARGEST, required=False)

    @property
    def save_token(self) -> SaveToken:
        data = self.cleaned_data
        return SaveToken(
            data["revision"] if data["over"] is None else data["over"],
            data["page"],
            data["turn"] or 0,
        )


class WindowForm(forms.Form):
    since = forms.DateTimeField(
        label=gettext_lazy("Shift started"),
        widget=forms.DateTimeInput(
            attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"
        ),
    )
    ahead_hours = forms.TypedChoiceField(
        label=gettext_lazy("Stops due in the next"),
        choices=[
            (hours, format_lazy("{} {}", hours, gettext_lazy("hours")))
            for hours in Handover.AHEAD_HOURS
        ],
        coerce=int,
    )

    def clean_since(self) -> datetime:
        """Return the moment in the person's time zone.

        Raises:
            ValidationError: It is in the future, or too long ago.
        """
        since: datetime = self.cleaned_data["since"]
        now = timezone.now()
        if since > now:
            raise forms.ValidationError(gettext("The shift must have started already."))
        if since < now - LONGEST_SHIFT:
            raise forms.ValidationError(gettext("At most two weeks ago."))
        return since


class ChosenWindowForm(WindowForm):
    """The window of a draft; ``seen`` is ``Handover.window`` as it was shown."""

    seen = forms.CharField(max_length=64, widget=forms.HiddenInput)


class SummaryForm(SaveTokenForm):
    summary = forms.CharField(
        max_length=Handover.SUMMARY_LENGTH, required=False, strip=False
    )


class NoteForm(SaveTokenForm):
    text = forms.CharField(max_length=Note.TEXT_LENGTH, required=False, strip=False)
    owner = forms.CharField(max_length=Note.LINE_LENGTH, required=False, strip=False)
    next_action = forms.CharField(
        max_length=Note.LINE_LENGTH, required=False, strip=False
    )

    @property
    def words(self) -> dict[str, Any]:
        return {
            name: self.cleaned_data[name] for name in ("text", "owner", "next_action")
        }


class PublishForm(forms.Form):
    version = forms.IntegerField(min_value=0, max_value=LARGEST)


class WallNameForm(forms.Form):
    name = forms.CharField(label=gettext_lazy("Name"), max_length=WallLink.NAME_LENGTH)

    def clean_name(self) -> str:
        name = " ".join(str(self.cleaned_data["name"]).split())
        if any(unicodedata.category(letter) in {"Cc", "Cf"} for letter in name):
            raise forms.ValidationError(
                gettext("A name cannot contain invisible characters.")
            )
        return name


class WallForm(WallNameForm):
    view = forms.ModelChoiceField(
        queryset=SavedView.objects.none(),
        required=False,
        label=gettext_lazy("Shows"),
        empty_label=gettext_lazy("All instances"),
    )
    zone = forms.CharField(max_length=64, label=gettext_lazy("Time zone"))
    scheme = forms.ChoiceField(choices=WallLink.Scheme, label=gettext_lazy("Theme"))
    masked = forms.BooleanField(required=False, label=gettext_lazy("Hide names"))

    def __init__(self, *args: Any, views: QuerySet[SavedView], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["view"].queryset = views  # type: ignore[attr-defined]

    def clean_zone(self) -> str:
        name: str = self.cleaned_data["zone"]
        if name not in zoneinfo.available_timezones():
            raise forms.ValidationError(
                gettext("Unknown time zone. Enter one such as Europe/Berlin.")
            )
        return name
