"""The filters of the list of edits."""

from typing import ClassVar

import django_filters
from django import forms
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from dashboard.instances.models import Cloud
from dashboard.instances.search import with_words
from dashboard.schedules.models import Schedule

from .models import Edit
from .selectors import actors

OPEN = "open"
"""The value of ``state`` that stands for every state of an open edit."""

PER_PAGE = (25, 50, 100)


class EditFilter(django_filters.FilterSet):  # type: ignore[misc]  # untyped library
    """Filter edits; an invalid value filters nothing."""

    q = django_filters.CharFilter(method="search", max_length=512, label=_("Instance"))
    state = django_filters.ChoiceFilter(
        choices=[(OPEN, _("In progress")), *Edit.State.choices],
        method="by_state",
        label=_("State"),
        empty_label=_("Any"),
    )
    actor = django_filters.ModelChoiceFilter(
        queryset=lambda request: actors(request.user),
        to_field_name="username",
        label=_("By"),
        empty_label=_("Anyone"),
    )
    cloud = django_filters.ModelChoiceFilter(
        "instance__cloud",
        queryset=Cloud.objects.all(),
        to_field_name="name",
        label=_("Cloud"),
        empty_label=_("Any"),
    )
    schedule = django_filters.ModelChoiceFilter(
        queryset=Schedule.objects.all(),
        to_field_name="name",
        label=_("Schedule"),
        empty_label=_("Any"),
    )
    mine = django_filters.BooleanFilter(
        method="by_me",
        label=_("Only my changes"),
        widget=forms.CheckboxInput,
    )

    class Meta:
        model = Edit
        fields: ClassVar[list[str]] = []

    def search(self, queryset: QuerySet[Edit], name: str, value: str) -> QuerySet[Edit]:
        """Filter by words in the name, description, owner or id of the instance."""
        return with_words(queryset, value, column="instance__search_text")

    def by_state(
        self, queryset: QuerySet[Edit], name: str, value: str
    ) -> QuerySet[Edit]:
        return queryset.filter(state__in=Edit.OPEN if value == OPEN else [value])

    def by_me(self, queryset: QuerySet[Edit], name: str, value: bool) -> QuerySet[Edit]:
        return queryset.filter(actor=self.request.user) if value else queryset
