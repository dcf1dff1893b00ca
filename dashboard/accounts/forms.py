import re
from typing import Any

from django import forms
from django.utils.translation import gettext, gettext_lazy as _

from dashboard.web.csv_files import UnreadableError, decode
from dashboard.web.fields import NameField

from . import people_import
from .models import Team, User
from .selectors import SeenOwner


class SearchForm(forms.Form):
    q = forms.CharField(max_length=200, required=False)


class RoleForm(forms.Form):
    role = forms.ChoiceField(
        choices=User.Role.choices,
        widget=forms.RadioSelect,
        error_messages={"invalid_choice": _("Unknown role.")},
    )


class EmailForm(forms.Form):
    name = NameField(max_length=255, required=False)
    email = forms.EmailField(max_length=254, required=False)


def names_in_lines(text: str) -> list[str]:
    """Return one name or ID for each line.

    Raises:
        ValidationError: A name is too long or cannot be shown.
    """
    lines = re.split(r"[\r\n]+", text)
    names = [line.strip() for line in lines if line.strip()]
    for name in names:
        if len(name) > 255 or not name.isprintable():
            raise forms.ValidationError(
                gettext("Enter names or IDs of at most 255 visible characters.")
            )
    return names


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
        names = names_in_lines(self.cleaned_data["others"])
        if len(names) > people_import.MAX_OWNERS:
            raise forms.ValidationError(
                gettext("A person can have at most %(identifiers)s ModelArts users.")
                % {"identifiers": people_import.MAX_OWNERS}
            )
        return names

    @property
    def chosen(self) -> list[str]:
        """All names and IDs; only after validation."""
        return [*self.cleaned_data["seen"], *self.cleaned_data["others"]]


class AddForm(RoleForm):
    """A new account, without a password yet."""

    username = forms.CharField(max_length=150)
    email = forms.EmailField(max_length=254, required=False)
    sign_in = forms.ChoiceField(
        choices=[
            ("password", _("One-time password")),
            ("sso", _("Single sign-on only")),
        ],
        widget=forms.RadioSelect,
        initial="password",
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
        return self.cleaned_data.get("sign_in") != "sso"


class PersonField(forms.ModelMultipleChoiceField):  # type: ignore[type-arg]  # not generic at run time
    def label_from_instance(self, user: User) -> str:
        return str(user) if str(user) == user.username else f"{user} ({user.username})"


class TeamForm(forms.Form):
    """Everything about a team."""

    name = NameField(label=_("Name"), max_length=Team.NAME_LENGTH)
    cost_center = NameField(label=_("Cost center"), max_length=80, required=False)
    deputy = forms.ModelChoiceField(
        label=_("Deputy"),
        queryset=User.objects.filter(is_active=True).order_by("username"),
        required=False,
        empty_label=_("none"),
    )
    members = PersonField(
        label=_("Members"),
        queryset=User.objects.order_by("-is_active", "username"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )
    owners = forms.CharField(
        label=_("More ModelArts users"),
        required=False,
        max_length=8_000,
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false"}),
    )
    workspaces = forms.CharField(
        label=_("Workspaces"),
        required=False,
        max_length=8_000,
        widget=forms.Textarea(attrs={"rows": 2, "spellcheck": "false"}),
    )

    def __init__(self, data: Any = None, *, team: Team | None = None) -> None:
        self.team = team
        initial = {}
        if team:
            initial = {
                "name": team.name,
                "cost_center": team.cost_center,
                "deputy": team.deputy_id,
                "members": [user.pk for user in team.members.all()],
                "owners": "\n".join(sorted(map(str, team.owners.all()))),
                "workspaces": "\n".join(sorted(map(str, team.workspaces.all()))),
            }
        super().__init__(data, initial=initial)

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        others = Team.objects.filter(name__iexact=name)
        if self.team:
            others = others.exclude(pk=self.team.pk)
        if others.exists():
            raise forms.ValidationError(gettext("Another team has this name."))
        return name

    def clean_owners(self) -> list[str]:
        return names_in_lines(self.cleaned_data["owners"])

    def clean_workspaces(self) -> list[str]:
        return names_in_lines(self.cleaned_data["workspaces"])


class ImportForm(forms.Form):
    """People as a CSV file, or pasted."""

    file = forms.FileField(label=_("CSV file"), required=False, allow_empty_file=True)
    text = forms.CharField(
        label=_("Or paste the lines"),
        required=False,
        strip=False,
        widget=forms.Textarea(
            attrs={"rows": 10, "spellcheck": "false", "autocapitalize": "none"}
        ),
    )
    invite = forms.BooleanField(label=_("Invite new people by email"), required=False)

    def clean(self) -> dict[str, Any]:
        """Put the text of the file or of the field into ``text``."""
        cleaned: dict[str, Any] = super().clean() or {}
        if file := cleaned.get("file"):
            try:
                cleaned["text"] = decode(file.read())
            except UnreadableError as error:
                raise forms.ValidationError(str(error)) from None
        if not (cleaned.get("text") or "").strip():
            raise forms.ValidationError(gettext("Choose a file or paste the lines."))
        return cleaned
