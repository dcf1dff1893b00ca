"""Query parameters, validated strictly by the forms of the pages.

A page ignores an invalid filter and says so. A program would not notice that its list
is too long, so the API returns 422.
"""

import inspect
import json
import zoneinfo
from collections.abc import Callable, Iterable
from copy import deepcopy
from datetime import date, datetime
from functools import wraps
from typing import Any

import django_filters
from django import forms
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, QueryDict
from django.utils.dateparse import parse_date, parse_datetime
from ninja import Schema
from ninja.operation import Operation
from ninja.utils import contribute_operation_callback

from dashboard.instances.filter_fields import EXCLUDED, ValuesField
from dashboard.instances.filters import ListForm
from dashboard.web.limits import READS

from .http import TokenRequest
from .known import unknown
from .problems import invalid, of_form

type Source = Any
"""A form or filter set; django-filter publishes no types."""

type View = Callable[..., Any]


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

    def __call__[V: View](self, view: V) -> V:
        """Mark and document a view that reads this query; others accept none."""
        view.query = self  # type: ignore[attr-defined]  # for the document
        contribute_operation_callback(view, self._document)
        return view

    def _document(self, operation: Operation) -> None:
        operation.openapi_extra = {
            "parameters": [
                {"in": "query", "name": name, "required": False, "schema": schema}
                for name, schema in self._known.items()
            ]
        }

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
            name: [error]
            for name, values in data.lists()
            if (error := self._error(name, values))
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

    def _error(self, name: str, values: list[str]) -> str:
        """Return what is wrong with values that a form would accept.

        A form takes the last of several values, and any text for a checkbox.
        """
        if name not in self._known:
            return "There is no such parameter."
        if len(values) > 1 and self._known[name].get("type") != "array":
            return "This parameter is given twice."
        is_boolean = self._known[name].get("type") == "boolean"
        if is_boolean and values[0] not in {"", "true", "false"}:
            return "Send true or false."
        return ""


NOTHING = Query()


def reject_unread(view: View) -> View:
    """Reject requests that send something the view does not read.

    Otherwise ``POST …/start`` with a run time would start the instance and silently
    ignore the run time.
    """
    reads_query = hasattr(view, "query")
    reads_body = any(
        _is_schema(parameter.annotation)
        for parameter in inspect.signature(view).parameters.values()
    )

    @wraps(view)
    def checked(request: TokenRequest, *args: Any, **kwargs: Any) -> Any:
        if not reads_query:
            NOTHING.read(request)
        if not reads_body and request.method not in READS and not _is_empty(request):
            raise invalid({"": ["This endpoint takes no body; send none."]})
        return view(request, *args, **kwargs)

    return checked


def _is_schema(annotation: Any) -> bool:
    # ``Annotated[Schema, …]`` is a body, too.
    kind = getattr(annotation, "__origin__", annotation)
    return isinstance(kind, type) and issubclass(kind, Schema)


def _is_empty(request: HttpRequest) -> bool:
    if not request.body.strip():
        return True
    try:
        return bool(json.loads(request.body) == {})
    except ValueError:
        return False


class Page:
    """A page of a list. Pages past the end are empty, so that a client's loop ends.

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

    def response(self, items: Iterable[Any]) -> dict[str, Any]:
        return {
            "count": self.count,
            "page": self.number,
            "pages": self.pages,
            "per_page": self.per_page,
            "items": list(items),
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


def _value_schema(field: ValuesField) -> dict[str, Any]:
    if field.choices is None:
        return {"type": "string", "maxLength": field.max_length}
    values = [value for value, _label in field.choices]
    return {
        "type": "string",
        "enum": [*values, *(f"{EXCLUDED}{value}" for value in values), ""],
    }


def _schema(field: forms.Field) -> dict[str, Any]:
    described: dict[str, Any]
    if isinstance(field, ValuesField):
        described = {"type": "array", "items": _value_schema(field)}
    elif isinstance(field, forms.ChoiceField):
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
    elif isinstance(field, forms.DateField):
        described = {"type": "string", "anyOf": [{"format": "date"}, {"maxLength": 0}]}
    else:
        described = {"type": "string"}
        if (most := getattr(field, "max_length", None)) is not None:
            described["maxLength"] = most
    return described
