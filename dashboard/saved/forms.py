"""Forms of saved views."""

import unicodedata
from typing import Any

from django import forms
from django.utils.translation import gettext

from dashboard.accounts.models import User

from .models import SavedView
from .permissions import can_share
from .queries import canonical, read


class ViewForm(forms.Form):
    name = forms.CharField(max_length=SavedView.NAME_LENGTH)
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
        """Return the name on one line; it must differ from the owner's other views."""
        name = " ".join(str(self.cleaned_data["name"]).split())
        if any(unicodedata.category(letter) in {"Cc", "Cf"} for letter in name):
            raise forms.ValidationError(gettext("Use visible characters only."))
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
        """Return the canonical query, without the invalid parts."""
        query = canonical(read(self.cleaned_data["query"]))
        if len(query) > SavedView.QUERY_LENGTH:
            raise forms.ValidationError(gettext("This filter is too long to save."))
        return query


class FirstForm(forms.Form):
    """The default view; empty for none."""

    view = forms.IntegerField(min_value=1, max_value=2**63 - 1, required=False)
