"""The parameters of the pages of costs and of their files."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from typing import Any, ClassVar, NamedTuple

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Q, QuerySet
from django.http import QueryDict
from django.utils.translation import gettext, gettext_lazy as _

from dashboard.accounts import permissions
from dashboard.accounts.models import Team, User
from dashboard.instances.filter_fields import EXCLUDED
from dashboard.instances.models import Instance
from dashboard.instances.tag_lookups import has_tag
from dashboard.web.process_cache import ProcessCache

from . import periods, usage
from .display import days_text
from .models import Allocation, Run
from .periods import Period
from .scopes import Scope, scope_for
from .usage import Dimension

NOTHING = "@none"
"""A value of a filter: what has no owner, workspace or flavor."""

EMPTY_COLUMNS = {
    "owner": ("owner_id", "owner_name"),
    "workspace": ("workspace_id",),
    "flavor": ("flavor",),
}

MOST_DAYS = 366
BY_DAY_UP_TO = 35
MOST_BARS = 100
"""Days that a trend can show one by one, and does unless asked to."""

USUAL_PERIOD = "this_month"
MOST_TAGS = 500

_options = ProcessCache(max_size=256, seconds=60)


class Options(NamedTuple):
    """The values that occur in the runs that a person sees, sorted.

    Attributes:
        tags: As ``key=value``.
    """

    owners: list[str]
    clouds: list[str]
    flavors: list[str]
    workspaces: list[str]
    tag_keys: list[str]
    tags: list[str]
    teams: list[str]


class CostForm(forms.Form):
    """Period, grouping and filters of a report."""

    PERIODS: ClassVar = {
        "this_week": _("This week"),
        "last_week": _("Last week"),
        "this_month": _("This month"),
        "last_month": _("Last month"),
        "custom": _("Custom range"),
    }
    STEPS: ClassVar = {"day": _("By day"), "week": _("By week")}
    MEASURES: ClassVar = {"cost": _("Cost"), "hours": _("Hours")}
    FILTERS: ClassVar = ("team", "cloud", "owner", "flavor", "workspace", "tag")
    LAYOUT: ClassVar = ("by", "tag_key", "step", "measure")

    period = forms.ChoiceField(
        label=_("Period"), choices=list(PERIODS.items()), required=False
    )
    since = forms.DateField(label=_("From"), required=False)
    until = forms.DateField(label=_("Until"), required=False)
    by = forms.ChoiceField(
        label=_("Group by"), choices=Dimension.choices, required=False
    )
    tag_key = forms.CharField(label=_("Tag key"), max_length=128, required=False)
    step = forms.ChoiceField(choices=list(STEPS.items()), required=False)
    measure = forms.ChoiceField(choices=list(MEASURES.items()), required=False)
    team = forms.CharField(label=_("Team"), max_length=Team.NAME_LENGTH, required=False)
    cloud = forms.CharField(label=_("Cloud"), max_length=255, required=False)
    owner = forms.CharField(label=_("Owner"), max_length=255, required=False)
    flavor = forms.CharField(label=_("Flavor"), max_length=255, required=False)
    workspace = forms.CharField(label=_("Workspace"), max_length=255, required=False)
    tag = forms.CharField(label=_("Tag"), max_length=512, required=False)

    def __init__(self, data: QueryDict, options: Options) -> None:
        super().__init__(data)
        self.options = options
        for name in ("since", "until"):
            self.fields[name].widget = forms.DateInput(
                attrs={"type": "date"}, format="%Y-%m-%d"
            )
        self._offer("team", options.teams)
        self._offer("cloud", options.clouds)
        self._offer("owner", options.owners)
        self._offer("flavor", options.flavors)
        self._offer("workspace", options.workspaces)
        self._offer("tag_key", options.tag_keys, may_be_empty=False)
        self.fields["tag"].widget.attrs |= {
            "list": "tags",
            "placeholder": gettext("key or key=value"),
            "autocomplete": "off",
        }

    def _offer(
        self, name: str, values: list[str], *, may_be_empty: bool = True
    ) -> None:
        """Draw a field as a selection; a value from a bookmark stays in it."""
        chosen = self.data.get(name, "")
        choices = [("", gettext("All"))] if may_be_empty else []
        if chosen and chosen not in values:
            choices.append((chosen, _value_text(chosen)))
        choices += [(value, value) for value in values]
        self.fields[name].widget = forms.Select(choices=choices)

    def clean_team(self) -> Team | None:
        name = self.cleaned_data["team"]
        team = Team.objects.filter(name=name).first() if name else None
        if name and team is None:
            raise ValidationError(gettext("There is no such team."))
        return team

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = self.cleaned_data
        if data.get("period") == "custom":
            self._check_range(data.get("since"), data.get("until"))
        if data.get("by") == Dimension.TAG and not data.get("tag_key"):
            keys = self.options.tag_keys
            if not keys:
                self.add_error("by", gettext("No instance has a tag."))
            data["tag_key"] = keys[0] if keys else ""
        return data

    def _check_range(self, first: date | None, last: date | None) -> None:
        missing = gettext("Enter a day.")
        for name, day in (("since", first), ("until", last)):
            if day is None and name not in self.errors:
                self.add_error(name, missing)
        if first is None or last is None:
            return
        if last < first:
            self.add_error("until", gettext("Must not be before the first day."))
        elif (last - first).days >= MOST_DAYS:
            self.add_error(
                "until", gettext("At most %(days)s days.") % {"days": MOST_DAYS}
            )
        elif not date(2000, 1, 1) <= first <= last < date(9000, 1, 1):
            self.add_error("since", gettext("Enter a day."))


class CostQuery:
    """What a page shows.

    Attributes:
        is_own: Whether the person sees only the costs of their own instances.
        is_valid: Otherwise only ``form`` and the links have a meaning.
        kept: The valid parameters, for links from the page.
    """

    def __init__(self, data: QueryDict, user: User, now: datetime) -> None:
        self.now = now
        self.is_own = permissions.cost_scope(user) != "all"
        self.form = CostForm(data, _options_for(user))
        self.is_valid = self.form.is_valid()
        clean = self._clean = self.form.cleaned_data
        usual = Dimension.FLAVOR if self.is_own else Dimension.OWNER
        self.by = Dimension(clean.get("by") or usual)
        self.tag_key: str = clean.get("tag_key", "")
        self.chosen_period: str = clean.get("period") or USUAL_PERIOD
        self.period = self._period()
        self.scope = self._scope(user)
        self.kept = self._kept(data)

    @cached_property
    def reading(self) -> usage.Reading:
        return usage.Reading(self.period, self.scope, self.now)

    @property
    def may_show_days(self) -> bool:
        return len(self.period.days) <= MOST_BARS

    @property
    def step(self) -> str:
        """Of the trend: ``day`` or ``week``."""
        has_few = len(self.period.days) <= BY_DAY_UP_TO
        step = self._clean.get("step") or ("day" if has_few else "week")
        return str(step) if self.may_show_days else "week"

    @property
    def measure(self) -> str:
        """Of the trend; empty if none is chosen."""
        return str(self._clean.get("measure", ""))

    @property
    def period_label(self) -> str:
        return days_text(self.period.first_day, self.period.last_day)

    @property
    def heading(self) -> str:
        """Of the lines."""
        headings = {
            Dimension.OWNER: gettext("By owner"),
            Dimension.FLAVOR: gettext("By flavor"),
            Dimension.WORKSPACE: gettext("By workspace"),
            Dimension.CLOUD: gettext("By cloud"),
        }
        if self.by == Dimension.TAG:
            return gettext("By tag “%(key)s”") % {"key": self.tag_key}
        return headings[self.by]

    @property
    def dimensions(self) -> list[tuple[str, str]]:
        """The groupings that can be chosen, with their labels."""
        has_tags = self.form.options.tag_keys or self.by == Dimension.TAG
        return [
            (value, str(label))
            for value, label in Dimension.choices
            if value != Dimension.TAG or has_tags
        ]

    @property
    def filter_fields(self) -> list[forms.BoundField]:
        """The filters that offer a choice, or have a value."""
        offered = self.form.options
        values: dict[str, list[str]] = {
            "team": offered.teams,
            "cloud": offered.clouds[1:],
            "owner": offered.owners[1:],
            "flavor": offered.flavors[1:],
            "workspace": offered.workspaces[1:],
            "tag": offered.tags,
        }
        return [
            self.form[name]
            for name in CostForm.FILTERS
            if values[name] or self.form.data.get(name)
        ]

    @property
    def filters(self) -> dict[str, str]:
        return {name: self.kept[name] for name in CostForm.FILTERS if name in self.kept}

    @property
    def filter_words(self) -> list[tuple[str, str]]:
        """The active filters, as label and value."""
        return [
            (str(self.form[name].label), _value_text(value))
            for name, value in self.filters.items()
        ]

    @property
    def unfiltered(self) -> dict[str, str]:
        return self._without(*CostForm.FILTERS)

    @property
    def hidden(self) -> dict[str, str]:
        """The parameters that have no field in the form of the filters."""
        names = ("step", "measure")
        return {name: self.kept[name] for name in names if name in self.kept}

    @property
    def kept_for_runs(self) -> dict[str, str]:
        """The parameters for the list of runs."""
        return self._without(*CostForm.LAYOUT)

    @property
    def kept_for_report(self) -> dict[str, str]:
        """The parameters for the report that a list of runs belongs to."""
        return self._without(*RunForm.base_fields)

    def line_query(self, key: str) -> dict[str, str]:
        """Return the parameters that narrow the report to one of its lines."""
        if self.by == Dimension.TAG:
            return {"tag": key or f"{EXCLUDED}{self.tag_key}"}
        return {self.by.value: key or NOTHING}

    def _without(self, *names: str) -> dict[str, str]:
        return {key: text for key, text in self.kept.items() if key not in names}

    def _period(self) -> Period:
        clean = self._clean
        if self.chosen_period == "custom" and self.is_valid:
            return periods.custom(clean["since"], clean["until"])
        named = {
            "this_week": periods.this_week,
            "last_week": periods.last_week,
            "last_month": periods.last_month,
        }
        return named.get(self.chosen_period, periods.this_month)(self.now)

    def _scope(self, user: User) -> Scope:
        names = ("cloud", "workspace", "flavor", "tag", "owner")
        values = {name: self._clean.get(name, "") for name in names}
        values |= {"team": self._clean.get("team"), "owners": scope_for(user).owners}
        without = [
            column
            for name, columns in EMPTY_COLUMNS.items()
            if values[name] == NOTHING
            for column in columns
        ]
        without_tag = values["tag"].removeprefix(EXCLUDED)
        if without_tag == values["tag"]:
            without_tag = ""
        if not without and not without_tag:
            return Scope(**values)
        values |= {name: "" for name in EMPTY_COLUMNS if values[name] == NOTHING}
        values |= {"tag": ""} if without_tag else {}
        return ScopeWithout(**values, without=tuple(without), without_tag=without_tag)

    def _kept(self, data: QueryDict) -> dict[str, str]:
        values = {name: f"{data.get(name, '')}".strip() for name in self.form.fields}
        kept = {
            name: value
            for name, value in values.items()
            if value and name not in self.form.errors
        }
        if kept.get("period") != "custom":
            kept.pop("since", None)
            kept.pop("until", None)
        if kept.get("by") != Dimension.TAG:
            kept.pop("tag_key", None)
        return kept


class RunForm(forms.Form):
    """What narrows the list of runs further.

    Attributes:
        ended_by: Only those that ended in the period, in this way.
        instance: The key of their instance.
    """

    ended_by = forms.ChoiceField(choices=Run.EndedBy.choices, required=False)
    instance = forms.IntegerField(min_value=1, max_value=2**62, required=False)


class RunQuery(CostQuery):
    """What the list of runs shows.

    Attributes:
        ended_by: Of ``Run.EndedBy``; empty for all.
        instance: None for all.
    """

    def __init__(self, data: QueryDict, user: User, now: datetime) -> None:
        super().__init__(data, user, now)
        form = RunForm(data)
        self.is_valid = form.is_valid() and self.is_valid
        self.ended_by: str = form.cleaned_data.get("ended_by", "")
        pk = form.cleaned_data.get("instance")
        self.instance = Instance.objects.filter(pk=pk).first() if pk else None
        if pk and self.instance is None:
            self.is_valid = False
        for name in form.fields:
            if form.cleaned_data.get(name):
                self.kept[name] = f"{form.cleaned_data[name]}"

    @property
    def is_narrowed(self) -> bool:
        """Whether it lists only some of the runs of the report."""
        return bool(self.ended_by or self.instance)

    @property
    def unfiltered(self) -> dict[str, str]:
        return self._without(*CostForm.FILTERS, *RunForm.base_fields)

    @property
    def hidden(self) -> dict[str, str]:
        names = RunForm.base_fields
        return {name: self.kept[name] for name in names if name in self.kept}

    @property
    def filter_words(self) -> list[tuple[str, str]]:
        words = super().filter_words
        if self.ended_by:
            words.append((gettext("Ended by"), str(Run.EndedBy(self.ended_by).label)))
        if self.instance:
            words.append((gettext("Instance"), str(self.instance)))
        return words

    def runs(self) -> QuerySet[Run]:
        found = usage.runs(self.period, self.scope, self.now)
        if self.ended_by:
            found = found.filter(
                ended_by=self.ended_by,
                ended_at__gte=self.period.since,
                ended_at__lt=self.period.until,
            )
        return found.filter(instance=self.instance) if self.instance else found


@dataclass(frozen=True)
class ScopeWithout(Scope):
    """A scope of what has no owner, workspace, flavor or tag.

    Attributes:
        without: Names of columns that are empty.
        without_tag: A key that no tag has.
    """

    without: tuple[str, ...] = ()
    without_tag: str = ""

    def q(self) -> Q:
        condition = super().q() & Q(**dict.fromkeys(self.without, ""))
        return condition & ~has_tag(self.without_tag) if self.without_tag else condition


def day_query(first: date, last: date) -> dict[str, str]:
    """Return the parameters of a range of days."""
    return {"period": "custom", "since": f"{first}", "until": f"{last}"}


def _value_text(value: str) -> str:
    return gettext("none") if value == NOTHING else value


def _options_for(user: User) -> Options:
    scope = permissions.cost_scope(user)
    key = (scope, user.cloud_identifiers if scope == "own" else None)
    return _options.get_or_compute(key, lambda: _read_options(user))


def _read_options(user: User) -> Options:
    rows = Allocation.objects.order_by()
    is_own = permissions.cost_scope(user) != "all"
    if is_own:
        names = user.cloud_identifiers - {""}
        rows = rows.filter(Q(owner_name__in=names) | Q(owner_id__in=names))
    owners = rows.values_list("owner_name", "owner_id").distinct()
    tags = {
        pair
        for (pairs,) in rows.values_list("tags").distinct()
        for pair in pairs.items()
    }
    teams = () if is_own else Team.objects.values_list("name", flat=True)
    return Options(
        owners=_sorted(name or id_ for name, id_ in owners),
        clouds=_sorted(_values(rows, "cloud__name")),
        flavors=_sorted(_values(rows, "flavor")),
        workspaces=_sorted(_values(rows, "workspace_id")),
        tag_keys=_sorted({key for key, _value in tags}),
        tags=_sorted({f"{key}={value}" for key, value in tags})[:MOST_TAGS],
        teams=list(teams),
    )


def _values(rows: QuerySet[Allocation], name: str) -> Iterable[str]:
    return rows.values_list(name, flat=True).distinct()


def _sorted(values: Iterable[str]) -> list[str]:
    return sorted({*values} - {""}, key=str.casefold)
