"""Query parameters of costs: a period, and what is counted in it."""

from dataclasses import replace
from datetime import date, datetime
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import QuerySet

from dashboard.accounts.models import Team, User
from dashboard.costs import periods, usage
from dashboard.costs.models import Run
from dashboard.costs.periods import Period
from dashboard.costs.usage import Scope
from dashboard.instances.filter_fields import EXCLUDED
from dashboard.instances.filters import ME
from dashboard.instances.models import Instance

PERIODS = {
    "this_week": periods.this_week,
    "last_week": periods.last_week,
    "this_month": periods.this_month,
    "last_month": periods.last_month,
}
MOST_DAYS = 366
FIRST_DAY, LAST_DAY = date(2000, 1, 1), date(9000, 1, 1)


class CostPeriodForm(forms.Form):
    """A named period, or the days ``since`` to ``until``; without any, this month."""

    period = forms.ChoiceField(
        choices=[(name, name) for name in PERIODS], required=False
    )
    since = forms.DateField(input_formats=["%Y-%m-%d"], required=False)
    until = forms.DateField(input_formats=["%Y-%m-%d"], required=False)

    def clean(self) -> dict[str, Any]:
        values = self.cleaned_data
        first, last = values.get("since"), values.get("until")
        days = {"since": first, "until": last}
        if values.get("period") and (first or last):
            self.add_error("period", "Send either a period, or since and until.")
        for name, day in days.items():
            if day is None and any(days.values()) and name not in self.errors:
                self.add_error(name, "Send both since and until.")
            elif day and not FIRST_DAY <= day < LAST_DAY:
                self.add_error(name, "There are no costs of this day.")
        if self.errors or first is None or last is None:
            return values
        if last < first:
            self.add_error("until", "“until” is before “since”.")
        elif (last - first).days >= MOST_DAYS:
            self.add_error("until", f"A period has at most {MOST_DAYS} days.")
        return values


class ScopeForm(forms.Form):
    """What instances must be, all of it."""

    cloud = forms.CharField(max_length=255, required=False)
    owner = forms.CharField(max_length=255, required=False)
    workspace = forms.CharField(max_length=255, required=False)
    flavor = forms.CharField(max_length=255, required=False)
    tag = forms.CharField(max_length=512, required=False)
    team = forms.CharField(max_length=Team.NAME_LENGTH, required=False)

    def clean(self) -> dict[str, Any]:
        for name, value in [*self.cleaned_data.items()]:
            if value.startswith(EXCLUDED):
                self.add_error(name, "Costs cannot be filtered by what is not there.")
        return self.cleaned_data


class CostForm(forms.Form):
    """How costs are split up."""

    by = forms.ChoiceField(choices=usage.Dimension.choices, required=False)
    tag_key = forms.CharField(max_length=128, required=False)
    step = forms.ChoiceField(choices=[("day", "day"), ("week", "week")], required=False)

    def clean(self) -> dict[str, Any]:
        is_by_tag = self.cleaned_data.get("by") == usage.Dimension.TAG
        if is_by_tag != bool(self.cleaned_data.get("tag_key")):
            raise ValidationError(
                {"tag_key": "Send “tag_key” with by=tag, and only then."}
            )
        return self.cleaned_data


class RunForm(forms.Form):
    """Which runs are listed."""

    instance = forms.CharField(max_length=255, required=False)
    ended_by = forms.ChoiceField(choices=Run.EndedBy.choices, required=False)

    def clean_instance(self) -> str:
        instance_id: str = self.cleaned_data["instance"]
        known = Instance.objects.filter(instance_id=instance_id)
        if instance_id and not known.exists():
            raise ValidationError(f"Unknown instance “{instance_id}”.")
        return instance_id


def period_of(values: dict[str, Any], now: datetime) -> Period:
    """Return the period of cleaned parameters."""
    if values["since"]:
        return periods.custom(values["since"], values["until"])
    return PERIODS[values["period"] or "this_month"](now)


def scope_of(values: dict[str, Any], user: User) -> Scope:
    """Return what the user sees and asks for."""
    scope = usage.scope_for(user)
    owner = values["owner"]
    if owner == ME:
        scope, owner = replace(scope, owners=user.cloud_identifiers), ""
    return replace(
        scope,
        cloud=values["cloud"],
        workspace=values["workspace"],
        flavor=values["flavor"],
        tag=values["tag"],
        team=Team.objects.get(name=values["team"]) if values["team"] else None,
        owner=owner,
    )


def runs_of(
    values: dict[str, Any], period: Period, scope: Scope, now: datetime
) -> QuerySet[Run]:
    """Return the runs of a period that the parameters ask for, the latest first."""
    found = usage.runs(period, scope, now)
    if values["instance"]:
        found = found.filter(instance__instance_id=values["instance"])
    if values["ended_by"]:
        found = found.filter(
            ended_by=values["ended_by"],
            ended_at__gte=period.since,
            ended_at__lt=min(period.until, now),
        )
    return found
