"""The query of the list of edits: what may stand in its address."""

from typing import ClassVar

import django_filters
from django import forms
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy

from dashboard.instances.models import Cloud

from .models import Edit
from .selectors import actors

OPEN = "open"
"""The one value of ``state`` that stands for several: not settled yet."""

PER_PAGE = (25, 50, 100)
_SEARCH_WORDS = 8


class EditFilter(django_filters.FilterSet):  # type: ignore[misc]  # untyped library
    """Which edits are listed; a value that cannot be meant filters nothing."""

    q = django_filters.CharFilter(
        method="search", max_length=512, label=gettext_lazy("Instance")
    )
    state = django_filters.ChoiceFilter(
        choices=[(OPEN, gettext_lazy("In progress")), *Edit.State.choices],
        method="by_state",
        label=gettext_lazy("State"),
        empty_label=gettext_lazy("Any"),
    )
    actor = django_filters.ModelChoiceFilter(
        queryset=lambda request: actors(request.user),
        to_field_name="username",
        label=gettext_lazy("By"),
        empty_label=gettext_lazy("Anybody"),
    )
    cloud = django_filters.ModelChoiceFilter(
        "instance__cloud",
        queryset=Cloud.objects.all(),
        to_field_name="name",
        label=gettext_lazy("Cloud"),
        empty_label=gettext_lazy("Any"),
    )
    mine = django_filters.BooleanFilter(
        method="by_me",
        label=gettext_lazy("Only my changes"),
        widget=forms.CheckboxInput,
    )

    class Meta:
        model = Edit
        fields: ClassVar[list[str]] = []

    def search(self, queryset: QuerySet[Edit], name: str, value: str) -> QuerySet[Edit]:
        """Every word must occur in name, description, owner or id of the instance."""
        for word in value.casefold().split()[:_SEARCH_WORDS]:
            queryset = queryset.filter(instance__search_text__contains=word)
        return queryset

    def by_state(
        self, queryset: QuerySet[Edit], name: str, value: str
    ) -> QuerySet[Edit]:
        """By one state, or by all the unsettled ones."""
        return queryset.filter(state__in=Edit.OPEN if value == OPEN else [value])

    def by_me(self, queryset: QuerySet[Edit], name: str, value: bool) -> QuerySet[Edit]:
        """The viewer's own."""
        return queryset.filter(actor=self.request.user) if value else queryset
