"""The parameters of the list's URL. Source: ``docs/contract.md``, "URLs"."""

from collections.abc import Callable
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, cast

import django_filters
from django import forms
from django.db.models import Expression, F, OrderBy, Q, QuerySet
from django.db.models.functions import Lower, Upper
from django.db.models.lookups import Exact, IsNull
from django.http import QueryDict
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from dashboard.accounts.selectors import identifiers_of_team
from dashboard.livepoll.pages import PollForm
from dashboard.modelarts.generations import Generation
from dashboard.modelarts.statuses import FAILED as FAILED_STATUSES, InstanceStatus
from dashboard.web.process_cache import ProcessCache

from . import prices, run_state, search
from .capabilities import WITH_LEASE, capabilities_of
from .filter_fields import EXCLUDED, MomentFilter, ValuesFilter
from .models import Instance
from .run_state import PRESENT
from .tag_lookups import has_tag

if TYPE_CHECKING:
    from dashboard.accounts.permissions import UserOrAnonymous

MISSING = "MISSING"
"""A ``status`` of ours: the cloud no longer lists the instance."""

OWN_PAGE = "mine"
"""In the query of ``/``: show the person's own page, not their default view."""

ME = "@me"
"""An ``owner``: all ModelArts users that are mapped to the person who looks."""

_HAS_SETTING = PRESENT & (
    ~Q(generation__in=WITH_LEASE) | Q(status=InstanceStatus.RUNNING)
)
"""A notebook has no setting, only the lease of its run. (SQLite covers no query with an
index that contains a computed column, such as ``is_running``.)"""

AUTO_STOP_OFF = _HAS_SETTING & Q(auto_stop_enable=False)
"""By the setting, which counts from the next start; they need not be running."""

FAILED = PRESENT & Q(status__in=[str(status) for status in FAILED_STATUSES])
UNKNOWN = PRESENT & ~Q(status__in=[str(status) for status in InstanceStatus])
"""With a status that Curfew does not know."""


def _by_status(value: str) -> Q:
    """Match a status; the last status of a missing instance does not count."""
    if value == MISSING:
        return ~PRESENT
    if value == InstanceStatus.RUNNING:
        return run_state.RUNNING
    return Q(Exact(Upper("status"), value)) & PRESENT


def _by_auto_stop(value: str) -> Q:
    """Match by the setting (on, off) or by this run (the other values)."""
    now = timezone.now()
    return {
        "on": _HAS_SETTING & Q(auto_stop_enable=True),
        "off": AUTO_STOP_OFF,
        "due": run_state.ends_within_hour(now),
        "overdue": run_state.overdue(now),
        "late": run_state.late_stop(now),
        "never": run_state.WITHOUT_END,
        "idle": run_state.WHEN_IDLE,
    }[value]


def _by_owner(value: str) -> Q:
    return Q(owner_name=value) | Q(owner_id=value)


def _by_team(name: str) -> Q:
    owners, workspaces = identifiers_of_team(name)
    condition = Q(workspace_id__in=workspaces)
    for identifiers in owners:
        condition |= Q(owner_name__in=identifiers) | Q(owner_id__in=identifiers)
    return condition


def _by_column(name: str) -> Callable[[str], Q]:
    return lambda value: Q(**{name: value})


class InstanceFilter(django_filters.FilterSet):  # type: ignore[misc]  # untyped library
    """The filters of the list.

    An invalid value is in ``form.errors`` and filters nothing. Status, owner, team,
    cloud and workspace take any text and may match nothing; ``ListQuery`` ignores a
    status that is neither documented nor in use.
    """

    q = django_filters.CharFilter(method="search", max_length=512)
    status = ValuesFilter(_by_status, max_length=64, is_upper=True)
    autostop = ValuesFilter(
        _by_auto_stop,
        choices=[
            ("on", _("on (setting)")),
            ("off", _("off (setting)")),
            ("due", _("stopping within 1 hour")),
            ("overdue", _("overdue")),
            ("late", _("late stop")),
            ("never", _("running, no auto-stop")),
            ("idle", _("running, stops when idle")),
        ],
    )
    flavor_type = ValuesFilter(
        _by_column("flavor_type"),
        choices=[("CPU", "CPU"), ("GPU", "GPU"), ("ASCEND", _("Ascend"))],
        is_upper=True,
    )
    owner = ValuesFilter(_by_owner, max_length=255)
    team = ValuesFilter(_by_team, max_length=80)
    cloud = ValuesFilter(_by_column("cloud__name"), max_length=255)
    workspace = ValuesFilter(_by_column("workspace_id"), max_length=255)
    generation = ValuesFilter(
        _by_column("generation"),
        choices=[(str(value), capabilities_of(value).label) for value in Generation],
    )
    tag = ValuesFilter(has_tag, max_length=512)
    flavor = ValuesFilter(_by_column("flavor"), max_length=255)
    stops_from = MomentFilter(method="by_stop")
    stops_before = MomentFilter(method="by_stop")

    class Meta:
        model = Instance
        fields: ClassVar[list[str]] = []

    def search(
        self, queryset: QuerySet[Instance], name: str, value: str
    ) -> QuerySet[Instance]:
        """Require every word to occur in name, description, owner or id."""
        return search.with_words(queryset, value)

    def by_stop(
        self, queryset: QuerySet[Instance], name: str, value: datetime
    ) -> QuerySet[Instance]:
        lookup = {"stops_from": "gte", "stops_before": "lt"}[name]
        return queryset.filter(run_state.WITH_END, **{f"run_ends_at__{lookup}": value})


class ListForm(forms.Form):
    SORTS: ClassVar = (
        *("stops_in", "name", "owner", "status", "updated"),
        prices.SORT,
    )
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
        pinned: Primary keys of the rows whose order must stay, as ``3,1,2``, because
            the pointer or the focus is there. Empty when rows may move.
        displayed: Otherwise the rows of the page in their order, as ``3,g5f,1``: keys
            of instances, and ``g`` with the key of a ``GroupHead``.
        columns: Keys of the columns of the table on the page, with commas.
    """

    pinned = forms.RegexField(
        r"\A\d{1,18}(,\d{1,18})*\Z",
        max_length=ListForm.PER_PAGE[-1] * 20,
        required=False,
    )
    displayed = forms.RegexField(
        r"\A(g[0-9a-f]{12}|\d{1,18})(,(g[0-9a-f]{12}|\d{1,18}))*\Z",
        max_length=ListForm.PER_PAGE[-1] * 34,
        required=False,
    )
    columns = forms.CharField(max_length=128, required=False)

    def clean_displayed(self) -> list[str]:
        return [row for row in self.cleaned_data["displayed"].split(",") if row]

    def clean_pinned(self) -> list[int]:
        return [int(pk) for pk in self.cleaned_data["pinned"].split(",") if pk]


class ListQuery:
    """The parameters of the list in a URL.

    Attributes:
        filters: The bound filters.
        sort: A key of ``ListForm.SORTS``, perhaps with a minus.
        page: From 1; may be past the end.
        ignored: The invalid parameters, such as ``sort=upwards``.
        kept: The valid ones, for links from the page.
    """

    @classmethod
    def of(cls, data: QueryDict) -> "ListQuery":
        """Return the query of a URL. All requests share it: never change it.

        Parsing one takes longer than the rest of a poll without news.
        """
        if _unusual_statuses(data):
            # Whether an instance has this status changes with the fleet.
            return cls(data)
        key = tuple((name, *data.getlist(name)) for name in _NAMES if name in data)
        return _queries.get_or_compute(key, lambda: cls(data))

    def __init__(self, data: QueryDict) -> None:
        self.ignored: list[str] = []
        unknown = [text for text in _unusual_statuses(data) if not _occurs(text)]
        if unknown:
            self.ignored += [f"status={text}" for text in unknown]
            statuses = data.getlist("status")
            data = data.copy()
            data.setlist("status", [text for text in statuses if text not in unknown])
        self.filters = InstanceFilter(data, queryset=Instance.objects.none())
        form = ListForm(data)
        errors = {**self.filters.form.errors, **form.errors}
        known = [*self.filters.form.fields, *form.fields]
        self.sort: str = form.cleaned_data.get("sort") or "stops_in"
        self.page: int = form.cleaned_data.get("page") or 1
        self.per_page: int = form.cleaned_data.get("per_page") or ListForm.PER_PAGE[0]
        self.ignored += [
            f"{name}={text}"
            for name in known
            if name in errors
            for text in data.getlist(name)
        ]
        self.kept = QueryDict(mutable=True)
        for name in known:
            if name in errors:
                continue
            cleaned = self.filters.form.cleaned_data.get(name)
            # As the choices of the page spell them.
            values = cleaned if isinstance(cleaned, list) else [data.get(name, "")]
            if values := [text for text in values if text]:
                self.kept.setlist(name, values)
        self.kept._mutable = False

    @cached_property
    def narrowed(self) -> tuple[tuple[str, str], ...]:
        """Names and values of the active filters, a name once for each value."""
        return tuple(
            (name, str(value))
            for name in self.active_filters
            for value in self.kept.getlist(name)
        )

    @cached_property
    def address(self) -> str:
        """The valid parameters as the query string of an address."""
        return self.kept.urlencode()

    @property
    def is_plain(self) -> bool:
        """Whether ``sync.ONLY_SHOWN`` changes nothing about which rows it lists."""
        return (
            {"q", "tag"}.isdisjoint(self.active_filters)
            and "late" not in ",".join(self.kept.getlist("autostop"))
            and self.sort.removeprefix("-") != "updated"
        )

    @property
    def is_fixed(self) -> bool:
        """Whether it asks the database the same at each moment.

        Teams are read from it, and some filters compare with the time.
        """
        autostop = ",".join(self.kept.getlist("autostop"))
        asks_clock = any(value in autostop for value in ("due", "late"))
        return "team" not in self.active_filters and not asks_clock

    @property
    def lists(self) -> dict[str, list[str]]:
        """The valid parameters, for the query of another address."""
        return {name: list(map(str, values)) for name, values in self.kept.lists()}

    @property
    def linked(self) -> dict[str, datetime]:
        """Values of the active filters that have no field, only links."""
        cleaned = self.filters.form.cleaned_data
        return {name: cleaned[name] for name in _LINKED if name in self.kept}

    @property
    def active_filters(self) -> list[str]:
        return [name for name in self.filters.form.fields if name in self.kept]

    def without(self, *names: str) -> "ListQuery":
        rest = self.kept.copy()
        for name in names:
            rest.pop(name, None)
        return ListQuery.of(rest)

    def seen_by(self, user: "UserOrAnonymous") -> "ListQuery":
        """Return the query with the names of the person's owners in place of ``ME``."""
        owners = self.kept.getlist("owner")
        if not {ME, EXCLUDED + ME} & {*owners}:
            return self
        # Without any the list is empty: no one in the cloud has the name "@me".
        own = sorted(user.cloud_identifiers if user.is_authenticated else ()) or [ME]
        rest = self.kept.copy()
        rest.setlist("owner", [])
        for owner in owners:
            mark = EXCLUDED if owner.startswith(EXCLUDED) else ""
            named = own if owner.removeprefix(EXCLUDED) == ME else [owner[len(mark) :]]
            for name in named:
                rest.appendlist("owner", mark + name)
        found = ListQuery.of(rest)
        if "owner" in found.filters.form.errors:
            # So many ModelArts users are mapped to the person that they are no valid
            # filter. Without it the list would be everyone's.
            rest.setlist("owner", [ME])
            return ListQuery.of(rest)
        return found

    @property
    def asks_for_own(self) -> bool:
        return ME in self.kept.getlist("owner")

    def narrow(
        self, instances: QuerySet[Instance], *, user: "UserOrAnonymous"
    ) -> QuerySet[Instance]:
        """Filter, without an order.

        Args:
            instances: Those that the person may see.
            user: Whom ``ME`` stands for.
        """
        filters = self.seen_by(user).filters
        return cast("QuerySet[Instance]", filters.filter_queryset(instances))

    def apply(
        self,
        instances: QuerySet[Instance],
        *,
        user: "UserOrAnonymous",
        group: Expression | F | None = None,
    ) -> QuerySet[Instance]:
        """Filter and order. Ties are broken, so that pages never overlap."""
        return ordered(self.narrow(instances, user=user), self.sort, group)


_queries = ProcessCache(max_size=512, seconds=600)
_LINKED = ("stops_from", "stops_before")
_NAMES = (*InstanceFilter.base_filters, *ListForm.base_fields)
_STATUSES = {"", MISSING, *map(str, InstanceStatus)}


def _unusual_statuses(data: QueryDict) -> list[str]:
    return [
        text
        for text in data.getlist("status")
        if text.upper().removeprefix(EXCLUDED) not in _STATUSES
    ]


def _occurs(status: str) -> bool:
    """Return whether an instance has this status, which may be new in the cloud."""
    if len(status) > InstanceFilter.base_filters["status"].extra["max_length"]:
        return False
    status = status.strip().upper().removeprefix(EXCLUDED)
    # PostgreSQL refuses to compare with a NUL.
    return "\0" not in status and (
        Instance.objects.filter(Exact(Upper("status"), status)).exists()
    )


def ordered(
    instances: QuerySet[Instance], sort: str, group: Expression | F | None = None
) -> QuerySet[Instance]:
    """Order by a sort key; instances without a value come last in both directions.

    Ordered by stop, runs without an end come after those with one, or before them in
    reverse; instances that do not run come last. Each order but that by price (see
    ``page_by_price``) is that of an index (``Instance.Meta``), in one direction of it.

    Args:
        instances: What to order.
        sort: A key of ``ListForm.SORTS``, perhaps with a minus.
        group: Instances with the same value of it follow each other.
    """
    key = sort.removeprefix("-")
    name, pk = Lower("name"), F("pk")
    keys: dict[str, list[Expression | F]] = {
        "stops_in": [IsNull(F("run_ends_at"), True), F("run_ends_at"), name, pk],
        "name": [name, pk],
        "owner": [Lower("owner_name"), name, pk],
        "status": [F("status"), name, pk],
        "updated": [F("updated_at"), name, pk],
        prices.SORT: [name, pk],
    }
    down = sort.startswith("-")
    order = [OrderBy(expression, descending=down) for expression in keys[key]]
    if key == "stops_in":
        order.insert(0, F("is_running").desc())
    if key == prices.SORT:
        order = [*prices.by_price(descending=down), *order]
    if key == "updated":
        order.insert(0, OrderBy(IsNull(F("updated_at"), True)))
    if group is not None:
        order = [OrderBy(Lower(group)), OrderBy(group), *order]
    return instances.order_by(*order)


def page_by_price(
    instances: QuerySet[Instance], sort: str, first: int, end: int
) -> QuerySet[Instance]:
    """Return the instances at some places of the list that is ordered by price.

    Args:
        instances: What to order.
        sort: ``prices.SORT``, perhaps with a minus.
        first: The first place, from 0.
        end: Behind the last one.
    """
    down = sort.startswith("-")
    ranked = prices.near(instances, first, end, descending=down)
    ties = [OrderBy(tie, descending=down) for tie in (Lower("name"), F("pk"))]
    order = [*ranked.order, *ties]
    near = ranked.instances.order_by(*order).values("pk")
    # An index has all that the order needs; the rest is read of this page only.
    places = near[first - ranked.skipped : end - ranked.skipped]
    return instances.filter(pk__in=places).order_by(*order)
