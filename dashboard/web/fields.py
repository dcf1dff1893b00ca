import unicodedata
from datetime import datetime
from typing import Any

from django import forms
from django.utils.translation import gettext as _


class NameField(forms.CharField):
    """A field for a name: one line of visible characters."""

    def to_python(self, value: object) -> str:
        return " ".join((super().to_python(value) or "").split())

    def validate(self, value: str) -> None:
        super().validate(value)
        if any(unicodedata.category(letter) in {"Cc", "Cf"} for letter in value):
            raise forms.ValidationError(
                _("A name cannot contain invisible characters.")
            )


class LocalTimeField(forms.DateTimeField):
    """A field for a date and a time in the zone of the person who types them."""

    def to_python(self, value: Any) -> datetime | None:
        try:
            return super().to_python(value)
        except forms.ValidationError as error:
            if error.code != "ambiguous_timezone":
                raise
            raise forms.ValidationError(
                _(
                    "The clocks change that night: this time does not exist, or it "
                    "comes twice. Choose another."
                )
            ) from None
