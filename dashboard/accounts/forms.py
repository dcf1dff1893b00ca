"""Forms of people."""

import re
from typing import Any

from django import forms
from django.utils.translation import gettext, gettext_lazy

from .models import User
from .selectors import SeenOwner

_IDENTIFIERS = 50


class SearchForm(forms.Form):
    q = forms.CharField(max_length=200, required=False)


class RoleForm(forms.Form):
    role = forms.ChoiceField(
        choices=User.Role.choices,
        widget=forms.RadioSelect,
        error_messages={"invalid_choice": gettext_lazy("Unknown role.")},
    )


class EmailForm(forms.Form):
    email = forms.EmailField(max_length=254, required=False)


class CloudUsersForm(forms.Form):
    """ModelArts users: checkboxes for owners in the mirror, a text field for others.

    Attributes:
        owners: The owners, for the page.
    """

    seen = forms.MultipleChoiceField(
        required=False, widget=forms.CheckboxSelectMultiple
    )
    others = forms.CharField(
        required=False,
        max_length=8_000,
        widget=forms.Textarea(attrs={"rows": 3}),
    )

    def __init__(
        self, data: Any = None, *, owners: list[SeenOwner], mapped: frozenset[str]
    ) -> None:
        self.owners = owners
        names = {owner.identifier for owner in owners}
        initial = {
            "seen": sorted(mapped & names),
            "others": "\n".join(sorted(mapped - names)),
        }
        super().__init__(data, initial=initial)
        field = self.fields["seen"]
        assert isinstance(field, forms.MultipleChoiceField)  # noqa: S101
        field.choices = [(name, name) for name in sorted(names | mapped)]

    def clean_others(self) -> list[str]:
        """Return one name or ID for each line."""
        lines = re.split(r"[\r\n]+", self.cleaned_data["others"])
        names = [line.strip() for line in lines if line.strip()]
        if len(names) > _IDENTIFIERS:
            raise forms.ValidationError(
                gettext("A person can have at most %(identifiers)s ModelArts users.")
                % {"identifiers": _IDENTIFIERS}
            )
        for name in names:
            if len(name) > 255 or not name.isprintable():
                raise forms.ValidationError(
                    gettext("Enter names or IDs of at most 255 visible characters.")
                )
        return names

    @property
    def chosen(self) -> list[str]:
        """All names and IDs; only after validation."""
        return [*self.cleaned_data["seen"], *self.cleaned_data["others"]]


class AddForm(RoleForm):
    """A new account, without a password yet."""

    class SignIn:
        PASSWORD = "password"  # noqa: S105
        SSO = "sso"

    username = forms.CharField(max_length=150)
    email = forms.EmailField(max_length=254, required=False)
    sign_in = forms.ChoiceField(
        choices=[
            (
                SignIn.PASSWORD,
                gettext_lazy("One-time password"),
            ),
            (SignIn.SSO, gettext_lazy("Single sign-on only")),
        ],
        widget=forms.RadioSelect,
        initial=SignIn.PASSWORD,
        required=False,
    )
    cloud_user = forms.CharField(max_length=255, required=False)

    def __init__(self, data: Any = None, *, has_sso: bool) -> None:
        super().__init__(data, initial={"role": User.Role.SCIENTIST})
        if not has_sso:
            del self.fields["sign_in"]

    @property
    def wants_password(self) -> bool:
        """Whether to create a one-time password; only after validation."""
        return self.cleaned_data.get("sign_in") != self.SignIn.SSO
