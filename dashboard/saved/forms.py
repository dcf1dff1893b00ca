from typing import Any

from django import forms
from django.utils.translation import gettext, gettext_lazy as _

from dashboard.accounts.models import User
from dashboard.instances.display import GROUPS, OPTIONAL, Display
from dashboard.web.fields import NameField
from dashboard.web.time_zones import validate_time_zone

from .models import SavedView
from .permissions import can_share
from .queries import normalized, read


class ViewForm(forms.Form):
    name = NameField(max_length=SavedView.NAME_LENGTH)
    shared = forms.BooleanField(required=False)

    def __init__(
        self, *args: Any, user: User, view: SavedView | None = None, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self._owner = view.owner if view else user
        self._view = view
        if not can_share(user):
            del self.fields["shared"]

    def clean_name(self) -> str:
        """Return the name; it must differ from those of the owner's other views."""
        name: str = self.cleaned_data["name"]
        others = SavedView.objects.filter(owner=self._owner, name__iexact=name)
        if self._view:
            others = others.exclude(pk=self._view.pk)
        if others.exists():
            raise forms.ValidationError(
                gettext("A view with this name already exists. Choose another name.")
            )
        return name


class NewViewForm(ViewForm):
    query = forms.CharField(
        max_length=SavedView.QUERY_LENGTH,
        required=False,
        strip=False,
        widget=forms.HiddenInput,
    )

    def clean_query(self) -> str:
        query = normalized(read(self.cleaned_data["query"]))
        if len(query) > SavedView.QUERY_LENGTH:
            raise forms.ValidationError(gettext("This filter is too long to save."))
        return query


class DefaultViewForm(forms.Form):
    """The default view; empty for none."""

    view = forms.IntegerField(min_value=1, max_value=2**63 - 1, required=False)


class DisplayForm(forms.Form):
    """How the person sees the list, in the menu above it.

    Attributes:
        query: The list's, to return to.
    """

    columns = forms.MultipleChoiceField(choices=list(OPTIONAL.items()), required=False)
    density = forms.ChoiceField(
        choices=[("comfortable", _("Comfortable")), ("compact", _("Compact"))]
    )
    group = forms.ChoiceField(
        choices=[("", _("No groups")), *GROUPS.items()], required=False
    )
    time_zone = forms.CharField(
        max_length=64, required=False, validators=[validate_time_zone]
    )
    query = forms.CharField(
        max_length=SavedView.QUERY_LENGTH, required=False, strip=False
    )

    def display(self) -> Display:
        """Return the choice; call it when the form is valid."""
        chosen = self.cleaned_data
        return Display(
            hidden=frozenset(OPTIONAL) - {*chosen["columns"]},
            is_compact=chosen["density"] == "compact",
            group=chosen["group"],
        )
