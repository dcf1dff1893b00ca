"""Fields and filters with several values, and with moments, in the list's URL."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import reduce
from operator import or_
from typing import Any, ClassVar

import django_filters
from django import forms
from django.db.models import Q, QuerySet
from django.utils.translation import gettext_lazy as _
from django_filters.fields import IsoDateTimeField

from dashboard.web.fields import LocalTimeField

from .models import Instance

EXCLUDED = "!"
"""Before a value of a filter: without those that match it."""


class ValuesField(forms.Field):
    """Several values of one filter; instances match any of them.

    A value with ``EXCLUDED`` before it leaves out what matches the rest of it.

    Args:
        choices: The values that are valid; None if any text is.
        max_length: Of each value.
        is_upper: Whether values are compared in upper case.
    """

    widget = forms.MultipleHiddenInput
    MAX_VALUES: ClassVar = 100

    def __init__(
        self,
        *,
        choices: Sequence[tuple[str, Any]] | None = None,
        max_length: int | None = None,
        is_upper: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.choices, self.max_length = choices, max_length
        self._is_upper = is_upper
        self._one = (
            forms.CharField(max_length=max_length)
            if choices is None
            else forms.ChoiceField(choices=list(choices))
        )

    def clean(self, value: Any) -> list[str]:
        """Return each value once; the excluded ones last.

        Raises:
            ValidationError: One is invalid, or there are too many.
        """
        texts = [value] if isinstance(value, str) else value or []
        values = {self._clean_one(text) for text in texts if text}
        if len(values) > self.MAX_VALUES:
            raise forms.ValidationError(_("Too many values. Choose fewer."))
        return sorted(values, key=lambda text: (text.startswith(EXCLUDED), text))

    def _clean_one(self, text: str) -> str:
        if self._is_upper:
            text = text.upper()
        mark = EXCLUDED if text.startswith(EXCLUDED) else ""
        return mark + str(self._one.clean(text.removeprefix(EXCLUDED)))


class ValuesFilter(django_filters.Filter):  # type: ignore[misc]  # untyped
    """Filters by any of several values, and without those of others.

    Args:
        condition: Returns what matches one value.
    """

    field_class = ValuesField

    def __init__(self, condition: Callable[[str], Q], **options: Any) -> None:
        super().__init__(**options)
        self.condition = condition

    def filter(
        self, queryset: QuerySet[Instance], values: Sequence[str]
    ) -> QuerySet[Instance]:
        included = [value for value in values or () if not value.startswith(EXCLUDED)]
        if included:
            queryset = queryset.filter(reduce(or_, map(self.condition, included)))
        for value in values or ():
            if value.startswith(EXCLUDED):
                queryset = queryset.exclude(
                    self.condition(value.removeprefix(EXCLUDED))
                )
        return queryset


class MomentField(LocalTimeField, IsoDateTimeField):  # type: ignore[misc]  # untyped
    """A moment in ISO 8601, as an aware datetime in UTC."""

    def to_python(self, value: object) -> datetime | None:
        moment: datetime | None = super().to_python(value)
        try:
            return moment and moment.astimezone(UTC)
        except OverflowError:
            raise forms.ValidationError(self.error_messages["invalid"]) from None


class MomentFilter(django_filters.Filter):  # type: ignore[misc]  # untyped
    field_class = MomentField
