"""The form of a budget."""

from typing import Any, ClassVar

from django import forms
from django.core.validators import RegexValidator
from django.utils.translation import gettext, gettext_lazy as _

from dashboard.web.fields import NameField

from .models import Budget

Kind = Budget.Kind

_CHOSEN = (Kind.CLOUD, Kind.WORKSPACE, Kind.OWNER)
"""Kinds whose value is one of those in the fleet."""


class BudgetForm(forms.ModelForm):  # type: ignore[type-arg]  # generic at check time only
    """A budget. Each kind but ``all`` has a field of its name.

    Args:
        choices: The values in the fleet, by kind.
        currencies: Those of the price list, to suggest.
    """

    name = NameField(max_length=80, label=_("Name"))
    tag = forms.CharField(max_length=512, required=False, label=_("Tag"))
    currency = forms.CharField(
        label=_("Currency"),
        min_length=3,
        max_length=3,
        validators=[
            RegexValidator("^[A-Z]{3}$", _("Enter a currency such as EUR or USD."))
        ],
    )

    class Meta:
        model = Budget
        fields: ClassVar = ["name", "kind", "team", "amount", "currency"]
        labels: ClassVar = {
            "kind": _("Applies to"),
            "team": _("Team"),
            "amount": _("Amount a month"),
        }
        widgets: ClassVar = {"kind": forms.RadioSelect}

    def __init__(
        self,
        *args: Any,
        choices: dict[str, list[str]],
        currencies: list[str],
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        budget = self.instance
        for kind in _CHOSEN:
            values = choices.get(kind, [])
            if budget.kind == kind and budget.value not in ("", *values):
                # It may come back.
                values = [*values, budget.value]
            self.fields[kind.value] = forms.ChoiceField(
                choices=[
                    ("", gettext("Choose …")),
                    *((value, value) for value in values),
                ],
                required=False,
                label=kind.label,
            )
        if budget.kind in {*_CHOSEN, Kind.TAG}:
            self.initial[budget.kind] = budget.value
        team = self.fields["team"]
        team.empty_label = gettext("Choose …")  # type: ignore[attr-defined]
        absent = set() if team.queryset.exists() else {Kind.TEAM}  # type: ignore[attr-defined]
        if absent:
            del self.fields["team"]
        self.fields["kind"].choices = [  # type: ignore[attr-defined]
            choice for choice in Kind.choices if choice[0] not in absent
        ]
        if budget.pk is None:
            self.initial["kind"] = Kind.ALL
            if len(currencies) == 1:
                self.initial["currency"] = currencies[0]
        self.currencies = currencies

    @property
    def currency_hint(self) -> str:
        """Say which currencies prices have: costs in others do not count."""
        if not self.currencies:
            return gettext("There are no prices yet.")
        names = gettext(", ").join(self.currencies)
        return gettext("Prices are in %(currencies)s.") % {"currencies": names}

    def clean_tag(self) -> str:
        tag: str = self.cleaned_data["tag"].strip()
        if '"' in tag or "\\" in tag:
            raise forms.ValidationError(
                gettext("A tag has no quotation marks or backslashes.")
            )
        return tag

    def clean(self) -> dict[str, Any]:
        """Require the field of the chosen kind."""
        values: dict[str, Any] = super().clean() or {}
        kind = values.get("kind")
        if kind in self.fields and not values.get(kind) and kind not in self.errors:
            self.add_error(kind, gettext("Say what the budget is for."))
        return values

    def build(self) -> Budget:
        """Return the budget of a valid form, unsaved, without fields of other kinds."""
        budget: Budget = self.save(commit=False)
        values = self.cleaned_data
        budget.value = (
            values[budget.kind] if budget.kind in {*_CHOSEN, Kind.TAG} else ""
        )
        if budget.kind != Kind.TEAM:
            budget.team = None
        return budget
