from collections.abc import Collection
from typing import Any

from django import forms
from django.conf import settings
from django.utils.translation import get_language, gettext, gettext_lazy as _

from dashboard.web.fields import NameField

from .known_clouds import can_be_chosen

_PLAIN = {"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}


class AdminForm(forms.Form):
    """The account of the first admin."""

    username = forms.CharField(
        label=_("Username"),
        max_length=150,
        widget=forms.TextInput(
            attrs=_PLAIN | {"autocomplete": "username", "autofocus": True}
        ),
    )
    password1 = forms.CharField(
        label=_("Password"),
        max_length=1_000,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )
    password2 = forms.CharField(
        label=_("Confirm password"),
        max_length=1_000,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )
    language = forms.ChoiceField(label=_("Language"), choices=settings.LANGUAGES)

    def __init__(self, data: Any = None) -> None:
        super().__init__(data, initial={"language": get_language()})

    def clean_password2(self) -> str:
        password: str = self.cleaned_data["password2"]
        if password != self.cleaned_data.get("password1", password):
            raise forms.ValidationError(gettext("The two passwords differ."))
        return password


class ChoiceForm(forms.Form):
    """The clouds that form the fleet."""

    clouds = forms.MultipleChoiceField(
        error_messages={
            "required": _("Choose at least one cloud."),
            "invalid_choice": _("One of the clouds is no longer in the file."),
        }
    )

    def __init__(self, data: Any = None, *, names: Collection[str]) -> None:
        super().__init__(data)
        field = self.fields["clouds"]
        assert isinstance(field, forms.MultipleChoiceField)  # noqa: S101
        field.choices = [(name, name) for name in names if can_be_chosen(name)]


class CloudForm(forms.Form):
    """A cloud, with credentials, for a clouds.yaml of ours."""

    name = NameField(
        label=_("Name of the cloud in Curfew"),
        max_length=255,
        widget=forms.TextInput(attrs=_PLAIN),
    )
    auth_url = forms.CharField(
        label=_("Address of IAM"),
        max_length=500,
        widget=forms.TextInput(
            attrs=_PLAIN
            | {
                "inputmode": "url",
                "placeholder": "https://iam.eu-de.otc.t-systems.com/v3",
            }
        ),
    )
    region_name = forms.CharField(
        label=_("Region"),
        max_length=100,
        required=False,
        widget=forms.TextInput(attrs=_PLAIN | {"placeholder": "eu-de"}),
    )
    project_name = forms.CharField(
        label=_("Project name"),
        max_length=255,
        required=False,
        widget=forms.TextInput(attrs=_PLAIN),
    )
    project_id = forms.CharField(
        label=_("Project ID"),
        max_length=255,
        required=False,
        widget=forms.TextInput(attrs=_PLAIN),
    )
    method = forms.ChoiceField(
        label=_("Sign in with"),
        choices=[("password", _("User and password")), ("key", _("Access key"))],
        widget=forms.RadioSelect,
        initial="password",
    )
    username = forms.CharField(
        label=_("User"),
        max_length=255,
        required=False,
        widget=forms.TextInput(attrs=_PLAIN),
    )
    user_domain_name = forms.CharField(
        label=_("Domain"),
        max_length=255,
        required=False,
        widget=forms.TextInput(attrs=_PLAIN),
    )
    # No page ever contains what was entered here.
    password = forms.CharField(
        label=_("Password"),
        max_length=1_000,
        required=False,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
    )
    ak = forms.CharField(
        label=_("Access key (AK)"),
        max_length=255,
        required=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
    )
    sk = forms.CharField(
        label=_("Secret key (SK)"),
        max_length=1_000,
        required=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
    )
    endpoint = forms.CharField(
        label=_("Address of ModelArts"),
        max_length=500,
        required=False,
        widget=forms.TextInput(attrs=_PLAIN | {"inputmode": "url"}),
    )

    SECRETS = ("password", "ak", "sk")
    NEEDED = {
        "password": ("username", "user_domain_name", "password"),
        "key": ("ak", "sk", "project_id"),
    }

    def __init__(
        self, data: Any = None, *, taken: Collection[str], initial: Any = None
    ) -> None:
        super().__init__(data, initial=initial)
        self._taken = taken

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        if name in self._taken:
            raise forms.ValidationError(gettext("There is a cloud of this name."))
        if not can_be_chosen(name):
            raise forms.ValidationError(
                gettext("A name cannot contain a comma or a dollar sign.")
            )
        return name

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        method = values.get("method", "")
        for name in self.NEEDED.get(method, ()):
            if not values.get(name) and name not in self.errors:
                self.add_error(name, gettext("This field is required."))
        is_named = values.get("project_name") or values.get("project_id")
        if method == "password" and not is_named:
            self.add_error("project_name", gettext("Enter the project's name or ID."))
        return values

    @property
    def shareable(self) -> dict[str, str]:
        """What may be shown again; only after validation."""
        return {
            name: value
            for name, value in self.cleaned_data.items()
            if name not in self.SECRETS
        }
