"""Query parameters, validated strictly by the forms of the pages.

A page ignores what makes no sense and says so. A program would take the longer list for
what it asked for, so here it is 422.
"""

import inspect
import json
import zoneinfo
from collections.abc import Callable
from copy import deepcopy
from datetime import date, datetime
from functools import wraps
from typing import Any, cast

import django_filters
from django import forms
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, QueryDict
from django.utils.dateparse import parse_date, parse_datetime
from ninja import Schema

from dashboard.instances.filters import ListForm
from dashboard.web.limits import READS

from .http import TokenRequest
from .known import unknown
from .problems import invalid, of_form

type Source = Any
"""A form or filter set; django-filter publishes no types."""

type Operation = Callable[..., Any]


class PageForm(forms.Form):
    page = deepcopy(ListForm.base_fields["page"])
    per_page = deepcopy(ListForm.base_fields["per_page"])


class ZoneForm(forms.Form):
    time_zone = forms.CharField(max_length=64, required=False)

    def clean_time_zone(self) -> zoneinfo.ZoneInfo | None:
        name = self.cleaned_data["time_zone"]
        try:
            return zoneinfo.ZoneInfo(name) if name else None
        except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
            raise forms.ValidationError("There is no such time zone.") from None


class MomentField(forms.CharField):
    """A day, or a timestamp as the API gives it: ``2026-11-25T12:00:00.123Z``."""

    def clean(self, value: Any) -> date | datetime | None:
        """Parse the value.

        Raises:
            ValidationError: It is neither.
        """
        text: str = super().clean(value)
        if not text:
            return None
        try:
            moment = parse_date(text) or parse_datetime(text)
        except ValueError:
            moment = None
        if moment is None or (isinstance(moment, datetime) and moment.tzinfo is None):
            raise forms.ValidationError(
                "Send a day, such as 2026-11-25, or a moment with its offset, such as "
                "2026-11-25T12:00:00Z; a plus sign in an address is written %2B."
            )
        return moment


class Query:
    """The query parameters that an endpoint accepts.

    Args:
        sources: Forms and filter sets; their fields are the parameters.
    """

    def __init__(self, *sources: Source) -> None:
        self._sources = sources
        self._known = {
            name: schema
            for source in sources
            for name, schema in _fields(source).items()
        }

    @property
    def openapi(self) -> dict[str, Any]:
        return {
            "parameters": [
                {"in": "query", "name": name, "required": False, "schema": schema}
                for name, schema in self._known.items()
            ]
        }

    def __call__[O: Operation](self, operation: O) -> O:
        """Mark an operation that reads this query; others accept no parameters."""
        operation.query = self  # type: ignore[attr-defined]
        return operation

    def read(
        self, request: TokenRequest, data: QueryDict | None = None
    ) -> dict[str, Any]:
        """Return the cleaned values by name.

        Args:
            data: Used instead of the query of the request.

        Raises:
            ProblemError: 422 for an invalid value or an unknown parameter.
        """
        data = request.GET if data is None else data
        errors = {
            name: [objection]
            for name, values in data.lists()
            if (objection := self._objection(name, values))
        }
        values: dict[str, Any] = {}
        for source in self._sources:
            form = _bound(source, data, request)
            if not form.is_valid():
                errors |= of_form(form)
            values |= form.cleaned_data
        errors = unknown(values, request.user) | errors
        if errors:
            raise invalid(errors)
        return values

    def _objection(self, name: str, values: list[str]) -> str:
        """Return what is wrong with values that forms would accept.

        Forms take the last of several values, and any text for a checkbox.
        """
        if name not in self._known:
            return "There is no such parameter."
        if len(values) > 1:
            return "This parameter is given twice."
        is_tick = self._known[name].get("type") == "boolean"
        if is_tick and values[0] not in {"", "true", "false"}:
            return "Say true or false."
        return ""


NOTHING = Query()


def refuse_unread(operation: Operation) -> Operation:
    """Reject requests that send something the operation does not read.

    Otherwise ``POST …/start`` with a run time would start the instance and silently
    ignore the run time.
    """
    reads_query = hasattr(operation, "query")
    reads_body = any(
        isinstance(parameter.annotation, type)
        and issubclass(parameter.annotation, Schema)
        for parameter in inspect.signature(operation).parameters.values()
    )

    @wraps(operation)
    def checked(request: TokenRequest, *args: Any, **kwargs: Any) -> Any:
        if not reads_query:
            NOTHING.read(request)
        if not reads_body and request.method not in READS and not _is_empty(request):
            raise invalid({"": ["Nothing is read from the body here; send none."]})
        return operation(request, *args, **kwargs)

    return cast("Operation", checked)


def _is_empty(request: HttpRequest) -> bool:
    if not request.body.strip():
        return True
    try:
        return bool(json.loads(request.body) == {})
    except ValueError:
        return False


class Page:
    """One page of a list; past the end it is empty, so that loops end.

    Args:
        values: What ``Query.read`` returned.
    """

    def __init__(self, queryset: QuerySet[Any], values: dict[str, Any]) -> None:
        self.per_page: int = values.get("per_page") or ListForm.PER_PAGE[0]
        self.number: int = values.get("page") or 1
        paginator = Paginator(queryset, self.per_page)
        self.count, self.pages = paginator.count, paginator.num_pages
        past_end = self.number > self.pages
        self.items: list[Any] = [] if past_end else list(paginator.page(self.number))

    @property
    def head(self) -> dict[str, int]:
        return {
            "count": self.count,
            "page": self.number,
            "pages": self.pages,
            "per_page": self.per_page,
        }


def _bound(source: Source, data: QueryDict, request: HttpRequest) -> forms.Form:
    form: forms.Form
    if issubclass(source, forms.Form):
        form = source(data)
    else:
        form = source(data, request=request).form
    return form


def _fields(source: Source) -> dict[str, dict[str, Any]]:
    """Return the JSON schema of each parameter, as far as known without a request."""
    if issubclass(source, forms.Form):
        return {name: _schema(field) for name, field in source.base_fields.items()}
    return {
        name: {"type": "string"} if _depends(filter_) else _schema(filter_.field)
        for name, filter_ in source.base_filters.items()
    }


def _depends(filter_: django_filters.Filter) -> bool:
    from_database = isinstance(filter_, django_filters.ModelChoiceFilter)
    return from_database or callable(filter_.extra.get("choices"))


def _schema(field: forms.Field) -> dict[str, Any]:
    described: dict[str, Any]
    if isinstance(field, forms.ChoiceField):
        choices: Any = field.choices
        values = [value for value, _ in choices if value != ""]
        whole = all(isinstance(value, int) for value in values)
        described = {"type": "integer" if whole else "string", "enum": values}
    elif isinstance(field, forms.IntegerField):
        described = {"type": "integer"}
        if field.min_value is not None:
            described["minimum"] = field.min_value
        if field.max_value is not None:
            described["maximum"] = field.max_value
    elif isinstance(field, forms.NullBooleanField | forms.BooleanField):
        described = {"type": "boolean"}
    elif isinstance(field, MomentField):
        # An empty value counts as not sent, for all parameters.
        formats = [{"format": "date"}, {"format": "date-time"}, {"maxLength": 0}]
        described = {"type": "string", "anyOf": formats}
    else:
        described = {"type": "string"}
        if (most := getattr(field, "max_length", None)) is not None:
            described["maxLength"] = most
    return described
