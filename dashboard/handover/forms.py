from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.text import Truncator, format_lazy
from django.utils.translation import gettext, gettext_lazy as _

from dashboard.saved.models import SavedView
from dashboard.web.fields import LocalTimeField, NameField
from dashboard.web.time_zones import validate_time_zone

from .models import Handover, Note, WallLink
from .services import SaveToken

MAX_SHIFT_LENGTH = timedelta(days=14)
LARGEST = 2**31 - 1
_GONE = {"invalid_choice": _("This view no longer exists. Choose another.")}


class SaveTokenForm(forms.Form):
    """The fields of a ``SaveToken``; ``over`` is a newer revision to overwrite."""

    revision = forms.IntegerField(min_value=0, max_value=LARGEST)
    over = forms.IntegerField(min_value=0, max_value=LARGEST, required=False)
    client_id = forms.CharField(max_length=32, required=False)
    client_seq = forms.IntegerField(min_value=0, max_value=LARGEST, required=False)

    @property
    def save_token(self) -> SaveToken:
        data = self.cleaned_data
        return SaveToken(
            data["revision"] if data["over"] is None else data["over"],
            data["client_id"],
            data["client_seq"] or 0,
        )


class WindowForm(forms.Form):
    since = LocalTimeField(
        label=_("Shift started"),
        widget=forms.DateTimeInput(
            attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"
        ),
    )
    ahead_hours = forms.TypedChoiceField(
        label=_("Stops due in the next"),
        choices=[
            (hours, format_lazy("{} {}", hours, _("hours")))
            for hours in Handover.AHEAD_HOURS
        ],
        coerce=int,
    )
    view = forms.ModelChoiceField(
        queryset=SavedView.objects.none(),
        required=False,
        label=_("Covers"),
        empty_label=_("All instances"),
        error_messages=_GONE,
    )

    def __init__(self, *args: Any, views: QuerySet[SavedView], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["view"].queryset = views  # type: ignore[attr-defined]

    def clean_since(self) -> datetime:
        since: datetime = self.cleaned_data["since"]
        now = timezone.now()
        if since > now:
            raise forms.ValidationError(gettext("The shift must have started already."))
        if since < now - MAX_SHIFT_LENGTH:
            raise forms.ValidationError(gettext("At most two weeks ago."))
        return since


class DraftWindowForm(WindowForm):
    """The window of a draft; ``window`` is the ``Handover.window`` of the open page."""

    window = forms.CharField(max_length=64, widget=forms.HiddenInput)


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


class FactForm(forms.Form):
    """A line of the report that becomes a note (``Item.fact``)."""

    fact = forms.JSONField(required=False)

    def clean_fact(self) -> dict[str, str]:
        fact = self.cleaned_data["fact"]
        if not isinstance(fact, dict):
            return {"text": "", "cloud": "", "instance_id": ""}
        names = ("text", "cloud", "instance_id")
        values = {name: str(fact.get(name, "")) for name in names}
        if "\0" in "".join(values.values()):
            raise forms.ValidationError(
                gettext("The report has no such line. Reload the page.")
            )
        return values | {"text": Truncator(values["text"]).chars(Note.TEXT_LENGTH)}


class ActionForm(forms.Form):
    done = forms.BooleanField(required=False)


class PublishForm(forms.Form):
    version = forms.IntegerField(min_value=0, max_value=LARGEST)


class WallNameForm(forms.Form):
    name = NameField(label=_("Name"), max_length=WallLink.NAME_LENGTH)


class WallForm(WallNameForm):
    view = forms.ModelChoiceField(
        queryset=SavedView.objects.none(),
        required=False,
        label=_("Shows"),
        empty_label=_("All instances"),
        error_messages=_GONE,
    )
    zone = forms.CharField(
        max_length=64, label=_("Time zone"), validators=[validate_time_zone]
    )
    scheme = forms.ChoiceField(choices=WallLink.Scheme, label=_("Theme"))
    masked = forms.BooleanField(required=False, label=_("Hide names"))

    def __init__(self, *args: Any, views: QuerySet[SavedView], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["view"].queryset = views  # type: ignore[attr-defined]
