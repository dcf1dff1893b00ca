"""The parameters of the list's URL. Source: ``docs/contract.md``, "URLs"."""

from datetime import UTC, datetime
from functools import cached_property
from typing import Any, ClassVar

import django_filters
from django import forms
from django.db.models import Expression, F, OrderBy, Q, QuerySet
from django.db.models.functions import Lower, Upper
from django.db.models.lookups import Exact, IsNull
from django.http import QueryDict
from django.utils import timezone
from django.utils.translation import gettext_lazy
from django_filters.fields import IsoDateTimeField

from dashboard.livepoll.pages import PollForm
from dashboard.modelarts.statuses import FAILED as FAILED_STATUSES
from dashboard.modelarts.statuses import InstanceStatus
from dashboard.web.process_cache import ProcessCache

from . import run_state
from .models import Instance
from .run_state import PRESENT

MISSING = "MISSING"
"""The one value of ``status`` that is ours: no longer in the cloud's listing."""

OWN_PAGE = "mine"
"""In the query of ``/``: show one's own page, whatever opens first."""

_SEARCH_WORDS = 8

AUTO_STOP_OFF = PRESENT & Q(auto_stop_enable=False)
"""The setting, which counts from the next start: these need not run."""

FAILED = PRESENT & Q(status__in=[str(one) for one in FAILED_STATUSES])
UNKNOWN = PRESENT & ~Q(status__in=[str(one) for one in InstanceStatus])
"""With a status that Curfew does not know."""


class UpperCaseChoiceField(forms.ChoiceField):
    """Choices whose case does not matter."""

    def to_python(self, value: object) -> str:
        """Compare in upper case."""
        return str(super().to_python(value)).upper()


class UpperCaseChoiceFilter(django_filters.Filter):  # type: ignore[misc]  # untyped
    """Filter by such a choice."""

    field_class = UpperCaseChoiceField


class MomentField(IsoDateTimeField):  # type: ignore[misc]  # untyped
    """A moment in ISO 8601 that can be compared with those of the database."""

    def to_python(self, value: object) -> datetime | None:
        """Read it.

        Raises:
            ValidationError: It is none, or no calendar holds it in UTC.
        """
        moment: datetime | None = super().to_python(value)
        try:
            return moment and moment.astimezone(UTC)
        except OverflowError:
            raise forms.ValidationError(self.error_messages["invalid"]) from None


class MomentFilter(django_filters.Filter):  # type: ignore[misc]  # untyped
    """Filter by such a moment."""

    field_class = MomentField


class InstanceFilter(django_filters.FilterSet):  # type: ignore[misc]  # untyped library
    """Which instances are listed.

    A value that cannot be meant is in ``form.errors`` and filters nothing. The open
    sets (status, owner, cloud, workspace) take any text and may match nothing; a status
    that is neither documented nor in use is dropped by ``ListQuery``.
    """

    q = django_filters.CharFilter(method="search", max_length=512)
    status = django_filters.CharFilter(method="by_status", max_length=64)
    autostop = django_filters.ChoiceFilter(
        choices=[
            ("on", gettext_lazy("on (setting)")),
            ("off", gettext_lazy("off (setting)")),
            ("due", gettext_lazy("stopping within 1 hour")),
            ("overdue", gettext_lazy("overdue")),
            ("never", gettext_lazy("running, no auto-stop")),
        ],
        method="by_auto_stop",
    )
    flavor_type = UpperCaseChoiceFilter(
        choices=[("CPU", "CPU"), ("GPU", "GPU"), ("ASCEND", gettext_lazy("Ascend"))],
    )
    owner = django_filters.CharFilter(method="by_owner", max_length=255)
    cloud = django_filters.CharFilter("cloud__name", max_length=255)
    workspace = django_filters.CharFilter("workspace_id", max_length=255)
    flavor = django_filters.CharFilter(max_length=255)
    stops_from = MomentFilter(method="by_stop")
    stops_before = MomentFilter(method="by_stop")

    class Meta:
        model = Instance
        fields: ClassVar[list[str]] = []

    def search(
        self, queryset: QuerySet[Instance], name: str, value: str
    ) -> QuerySet[Instance]:
        """Every word must occur somewhere in name, description, owner or id."""
        for word in value.casefold().split()[:_SEARCH_WORDS]:
            queryset = queryset.filter(search_text__contains=word)
        return queryset

    def by_status(
        self, queryset: QuerySet[Instance], name: str, value: str
    ) -> QuerySet[Instance]:
        """By the present status; a vanished instance's last one says nothing."""
        if value.upper() == MISSING:
            return queryset.exclude(PRESENT)
        if value.upper() == InstanceStatus.RUNNING:
            return queryset.filter(run_state.RUNNING)
        return queryset.filter(Exact(Upper("status"), value.upper()), PRESENT)

    def by_auto_stop(
        self, queryset: QuerySet[Instance], name: str, value: str
    ) -> QuerySet[Instance]:
        """On and off are the setting; the others are about this run."""
        now = timezone.now()
        condition = {
            "on": PRESENT & Q(auto_stop_enable=True),
            "off": AUTO_STOP_OFF,
            "due": run_state.due(now),
            "overdue": run_state.overdue(now),
            "never": run_state.WITHOUT_END,
        }[value]
        return queryset.filter(condition)

    def by_stop(
        self, queryset: QuerySet[Instance], name: str, value: datetime
    ) -> QuerySet[Instance]:
        """By the end of this run: from one moment on, until just before another."""
        lookup = {"stops_from": "gte", "stops_before": "lt"}[name]
        return queryset.filter(run_state.WITH_END, **{f"run_ends_at__{lookup}": value})

    def by_owner(
        self, queryset: QuerySet[Instance], name: str, value: str
    ) -> QuerySet[Instance]:
        """By the upstream user's name or id."""
        return queryset.filter(Q(owner_name=value) | Q(owner_id=value))


class ListForm(forms.Form):
    """How the list is ordered and cut into pages."""

    SORTS: ClassVar = ("stops_in", "name", "owner", "status", "updated")
    PER_PAGE: ClassVar = (25, 50, 100)

    sort = forms.ChoiceField(
        choices=[(s, s) for key in SORTS for s in (key, f"-{key}")], required=False
    )
    page = forms.IntegerField(min_value=1, max_value=1_000_000, required=False)
    per_page = forms.TypedChoiceField(
        choices=[(size, size) for size in PER_PAGE], coerce=int, required=False
    )


class ListPollForm(PollForm):
    """What a poll adds to the list's query.

    Attributes:
        held: Keys of the rows whose order must stay, as ``3,1,2``: somebody has the
            pointer or the focus there. Empty when the order may follow.
    """

    held = forms.RegexField(
        r"\A\d{1,18}(,\d{1,18})*\Z",
        max_length=ListForm.PER_PAGE[-1] * 20,
        required=False,
    )

    def clean_held(self) -> list[int]:
        """Its keys as numbers."""
        return [int(pk) for pk in self.cleaned_data["held"].split(",") if pk]


class ListQuery:
    """The list's part of an address, read with good will.

    Attributes:
        filters: The bound filters.
        sort: A key of ``ListForm.SORTS``, perhaps with a minus.
        page: From 1; may lie past the end.
        ignored: What stood in the address and makes no sense, as ``sort=upwards``.
        kept: The rest, for links from the page.
    """

    @classmethod
    def of(cls, data: QueryDict) -> "ListQuery":
        """Return the query of an address, shared by all requests: never change it.

        Parsing one takes longer than the rest of a poll without news.
        """
        if not _is_documented(data):
            # Whether another status occurs changes with the fleet.
            return cls(data)
        key = tuple((name, data[name]) for name in _NAMES if name in data)
        return _queries.get_or_compute(key, lambda: cls(data))

    def __init__(self, data: QueryDict) -> None:
        self.ignored: list[str] = []
        if not (_is_documented(data) or _occurs(str(data["status"]))):
            self.ignored.append(f"status={data['status']}")
            data = data.copy()
            del data["status"]
        self.filters = InstanceFilter(data, queryset=Instance.objects.none())
        form = ListForm(data)
        errors = {**self.filters.form.errors, **form.errors}
        known = [*self.filters.form.fields, *form.fields]
        self.sort: str = form.cleaned_data.get("sort") or "stops_in"
        self.page: int = form.cleaned_data.get("page") or 1
        self.per_page: int = form.cleaned_data.get("per_page") or ListForm.PER_PAGE[0]
        self.ignored += [f"{name}={data[name]}" for name in known if name in errors]
        self.kept = QueryDict(mutable=True)
        for name in known:
            if name not in errors and data.get(name):
                self.kept[name] = _spelled(name, str(data[name]))
        self.kept._mutable = False

    @cached_property
    def narrowed(self) -> tuple[tuple[str, str], ...]:
        """Names and values of what narrows the list."""
        return tuple((name, str(self.kept[name])) for name in self.active_filters)

    @property
    def linked(self) -> dict[str, Any]:
        """What narrows the list by a link alone: values of filters without a field."""
        cleaned = self.filters.form.cleaned_data
        return {name: cleaned[name] for name in _LINKED if name in self.kept}

    @property
    def linked_fields(self) -> list[tuple[str, str]]:
        """The same as an address spells it."""
        return [(name, str(self.kept[name])) for name in self.linked]

    @property
    def active_filters(self) -> list[str]:
        """Names of what narrows the list."""
        return [name for name in self.filters.form.fields if name in self.kept]

    @property
    def chosen(self) -> list[str]:
        """Names of the filters that are chosen under "Filters and order"."""
        hidden = ("q", *_LINKED)
        return [name for name in self.active_filters if name not in hidden]

    def without(self, *names: str) -> "ListQuery":
        """The same query with some of its parameters left out."""
        rest = self.kept.copy()
        for name in names:
            rest.pop(name, None)
        return ListQuery.of(rest)

    def apply(self, instances: QuerySet[Instance]) -> QuerySet[Instance]:
        """Filter and order; ties are broken, so that pages never overlap."""
        return ordered(self.filters.filter_queryset(instances), self.sort)


_queries = ProcessCache(max_size=512, seconds=600)
_LINKED = ("flavor", "stops_from", "stops_before")
_NAMES = (*InstanceFilter.base_filters, *ListForm.base_fields)


def _is_documented(data: QueryDict) -> bool:
    return data.get("status", "").upper() in {"", MISSING, *map(str, InstanceStatus)}


def _occurs(status: str) -> bool:
    """Whether an instance has this status, which the cloud may have introduced."""
    if len(status) > InstanceFilter.base_filters["status"].extra["max_length"]:
        return False
    status = status.strip().upper()
    # PostgreSQL refuses a NUL even to compare with.
    return "\0" not in status and (
        Instance.objects.filter(Exact(Upper("status"), status)).exists()
    )


def _spelled(name: str, value: str) -> str:
    # As the selects of the page spell them.
    return value.upper() if name in {"status", "flavor_type"} else value


def ordered(instances: QuerySet[Instance], sort: str) -> QuerySet[Instance]:
    """Order by a sort key; what has no value comes last in both directions.

    By their stop, runs without an end come after all that have one, or before them in
    reverse; what does not run comes last. Each order is that of an index
    (``Instance.Meta``), backwards where that will do.
    """
    key = sort.removeprefix("-")
    name, pk = Lower("name"), F("pk")
    keys: dict[str, list[Expression | F]] = {
        "stops_in": [IsNull(F("run_ends_at"), True), F("run_ends_at"), name, pk],
        "name": [name, pk],
        "owner": [Lower("owner_name"), name, pk],
        "status": [F("status"), name, pk],
        "updated": [F("updated_at"), name, pk],
    }
    down = sort.startswith("-")
    order = [OrderBy(expression, descending=down) for expression in keys[key]]
    if key == "stops_in":
        order.insert(0, F("is_running").desc())
    if key == "updated":
        order.insert(0, OrderBy(IsNull(F("updated_at"), True)))
    return instances.order_by(*order)
