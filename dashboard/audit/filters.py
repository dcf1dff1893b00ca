from datetime import date, datetime, time, timedelta
from typing import ClassVar

import django_filters
from django import forms
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from .labels import action_label
from .models import AuditEvent


def _day_input() -> forms.DateInput:
    return forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")


def _action_choices() -> list[tuple[str, str]]:
    names = AuditEvent.objects.order_by().values_list("action", flat=True)
    choices = [(name, action_label(name)) for name in names.distinct()]
    return sorted(choices, key=lambda choice: choice[1].casefold())


class AuditFilter(django_filters.FilterSet):  # type: ignore[misc]  # untyped library
    """Filters of the audit page; ignores invalid values.

    Days are in the current time zone.
    """

    person = django_filters.CharFilter(
        "actor_label", "icontains", max_length=150, label=_("Person")
    )
    action = django_filters.ChoiceFilter(
        choices=_action_choices,
        label=_("Action"),
        empty_label=_("Any"),
    )
    target = django_filters.CharFilter(
        method="by_target", max_length=255, label=_("Target")
    )
    outcome = django_filters.ChoiceFilter(
        choices=AuditEvent.Outcome.choices,
        label=_("Outcome"),
        empty_label=_("Any"),
    )
    since = django_filters.DateFilter(
        method="from_day", label=_("From"), widget=_day_input()
    )
    until = django_filters.DateFilter(
        method="to_day", label=_("Until"), widget=_day_input()
    )

    class Meta:
        model = AuditEvent
        fields: ClassVar[list[str]] = []

    def by_target(
        self, queryset: QuerySet[AuditEvent], name: str, value: str
    ) -> QuerySet[AuditEvent]:
        """Match the target's name or ID, or its instance."""
        return queryset.filter(
            Q(target_label__icontains=value)
            | Q(target_id=value)
            | Q(instance__icontains=value)
        )

    def from_day(
        self, queryset: QuerySet[AuditEvent], name: str, value: date
    ) -> QuerySet[AuditEvent]:
        return queryset.filter(at__gte=_midnight(value))

    def to_day(
        self, queryset: QuerySet[AuditEvent], name: str, value: date
    ) -> QuerySet[AuditEvent]:
        if value == date.max:
            return queryset
        return queryset.filter(at__lt=_midnight(value + timedelta(days=1)))


def _midnight(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time.min))
