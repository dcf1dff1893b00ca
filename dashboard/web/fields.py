import unicodedata

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
