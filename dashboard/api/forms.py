from typing import Any

from django import forms
from django.conf import settings
from django.utils.translation import gettext, gettext_lazy as _

from .models import ApiToken

USUAL_DAYS = 30


class TokenForm(forms.Form):
    name = forms.CharField(
        max_length=60, error_messages={"required": _("Enter a name.")}
    )
    scopes = forms.MultipleChoiceField(
        choices=ApiToken.Scope.choices,
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": _("Choose at least one scope.")},
    )
    days = forms.IntegerField(min_value=1)

    def __init__(self, data: Any = None) -> None:
        self.most_days: int = settings.CURFEW.token_days
        initial = {
            "scopes": [ApiToken.Scope.READ],
            "days": min(USUAL_DAYS, self.most_days),
        }
        super().__init__(data, initial=initial)

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        if not name.isprintable():
            raise forms.ValidationError(gettext("Use visible characters only."))
        return name

    def clean_days(self) -> int:
        days: int = self.cleaned_data["days"]
        if days > self.most_days:
            raise forms.ValidationError(
                gettext("The maximum lifetime is %(days)s days.")
                % {"days": self.most_days}
            )
        return days
