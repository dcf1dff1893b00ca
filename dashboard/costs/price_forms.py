"""Forms of prices: one, a file of them, and those of a proposal."""

import re
from decimal import Decimal
from typing import Any

from django import forms
from django.utils.translation import gettext, gettext_lazy as _

from dashboard.web.csv_files import UnreadableError, decode
from dashboard.web.fields import NameField

from .amounts import plain
from .models import Price
from .price_overview import changes_the_past, today
from .price_services import key_of, stored_prices, why_not_settable

MAX_BYTES = 60_000
"""Largest file; the preview sends it back in a field, whose size Django limits."""

_AMOUNT = re.compile(r"[0-9]{1,8}([.,][0-9]{1,6})?")
_GROUPED = re.compile(r"[1-9][0-9]{0,2},[0-9]{3}")
_CURRENCY = re.compile(r"[A-Z]{3}")


class AmountField(forms.CharField):
    """An amount an hour, with a decimal point or comma."""

    def __init__(self, **options: Any) -> None:
        attrs = {"inputmode": "decimal", "autocomplete": "off", "maxlength": "20"}
        super().__init__(widget=forms.TextInput(attrs=attrs), **options)

    def prepare_value(self, value: object) -> object:
        return plain(value) if isinstance(value, Decimal) else value

    def to_python(self, value: object) -> Decimal | None:  # type: ignore[override]
        text = super().to_python(value)
        if not text:
            return None
        if _GROUPED.fullmatch(text):
            raise forms.ValidationError(
                gettext("Is this “%(point)s” or “%(whole)s”? Write it that way.")
                % {"point": text.replace(",", "."), "whole": text.replace(",", "")}
            )
        if not _AMOUNT.fullmatch(text):
            raise forms.ValidationError(
                gettext(
                    "“%(text)s” is no price. Write an amount such as 4.20, with at "
                    "most 6 decimal places."
                )
                % {"text": text[:40]}
            )
        return Decimal(text.replace(",", "."))


class CurrencyField(forms.CharField):
    """A code of three letters."""

    def to_python(self, value: object) -> str:
        return (super().to_python(value) or "").upper()

    def validate(self, value: str) -> None:
        super().validate(value)
        if not _CURRENCY.fullmatch(value):
            raise forms.ValidationError(gettext("Enter three letters such as EUR."))


class DayField(forms.DateField):
    """A day such as 2026-12-01, or 01.12.2026."""

    def __init__(self, **options: Any) -> None:
        super().__init__(
            widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
            input_formats=["%Y-%m-%d", "%d.%m.%Y"],
            error_messages={"invalid": _("Enter a date such as 2026-12-01.")},
            **options,
        )


class PriceForm(forms.Form):
    """A price of a flavor from a day on."""

    cloud = forms.ChoiceField(
        label=_("Cloud"),
        error_messages={
            "invalid_choice": _("There is no cloud “%(value)s”. Use * for all clouds.")
        },
    )
    flavor = NameField(label=_("Flavor"), max_length=255)
    running = AmountField(label=_("An hour while running"))
    stopped = AmountField(label=_("An hour while stopped"), required=False)
    currency = CurrencyField(label=_("Currency"))
    valid_from = DayField(label=_("First day"))

    past = forms.BooleanField(label=_("Change the costs of past days"), required=False)

    def __init__(
        self, data: Any = None, *, clouds: list[str], initial: Any = None
    ) -> None:
        super().__init__(data, initial=initial)
        field = self.fields["cloud"]
        assert isinstance(field, forms.ChoiceField)  # noqa: S101 (declared above)
        field.choices = [
            (Price.ANY_CLOUD, gettext("All clouds")),
            *((name, name) for name in clouds),
        ]
        for name, listed in (("flavor", "flavors"), ("currency", "currencies")):
            widget = self.fields[name].widget
            widget.attrs |= {"list": listed, "autocomplete": "off"}
            widget.attrs |= {"spellcheck": "false", "autocapitalize": "none"}

    @property
    def asks_about_past(self) -> bool:
        """Whether to show the question that ``clean`` asks."""
        return "past" in self.errors or bool(self.is_bound and self.data.get("past"))

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if self.errors:
            return cleaned
        price = self.build()
        stored = stored_prices([price]).get(key_of(price))
        if reason := why_not_settable(price, stored):
            self.add_error("valid_from", reason)
        elif not stored and not cleaned["past"] and changes_the_past(price):
            self.add_error(
                "past",
                gettext(
                    "This day is over, and instances had another price. Reports of "
                    "past days will show other costs. Confirm it, or choose a later "
                    "day."
                ),
            )
        return cleaned

    def build(self) -> Price:
        """Return the price of a valid form, unsaved."""
        values = {name: self.cleaned_data[name] for name in PRICE_FIELDS}
        return Price(source=Price.Source.FORM, **values)


PRICE_FIELDS = ("cloud", "flavor", "running", "stopped", "currency", "valid_from")


class ImportForm(forms.Form):
    """Prices as a CSV file, or pasted."""

    file = forms.FileField(label=_("CSV file"), required=False, allow_empty_file=True)
    text = forms.CharField(
        label=_("Or paste the lines"),
        required=False,
        strip=False,
        widget=forms.Textarea(
            attrs={"rows": 10, "spellcheck": "false", "autocapitalize": "none"}
        ),
    )

    def clean(self) -> dict[str, Any]:
        """Put the text of the file or of the field into ``text``."""
        cleaned: dict[str, Any] = super().clean() or {}
        if file := cleaned.get("file"):
            if file.size > MAX_BYTES:
                raise forms.ValidationError(_too_large())
            try:
                cleaned["text"] = decode(file.read())
            except UnreadableError as error:
                raise forms.ValidationError(str(error)) from None
            # A browser does not keep the file, but the page has its lines.
            self.data = {"text": cleaned["text"]}
        text = cleaned.get("text") or ""
        if not text.strip():
            raise forms.ValidationError(gettext("Choose a file or paste the lines."))
        # In UTF-8 it can be larger than the file was.
        if len(text.encode()) > MAX_BYTES:
            raise forms.ValidationError(_too_large())
        return cleaned


class FetchForm(forms.Form):
    cloud = forms.ChoiceField()

    def __init__(self, data: Any, *, clouds: list[str]) -> None:
        super().__init__(data)
        field = self.fields["cloud"]
        assert isinstance(field, forms.ChoiceField)  # noqa: S101 (declared above)
        field.choices = [(name, name) for name in clouds]


class ProposalForm(forms.Form):
    """From which day on prices of a proposal count; today without a day."""

    valid_from = DayField(label=_("First day"))

    def __init__(self, data: Any = None) -> None:
        super().__init__(data, initial={"valid_from": today()})


def _too_large() -> str:
    return gettext("The file is larger than %(size)s kB. Split it.") % {
        "size": MAX_BYTES // 1000
    }
