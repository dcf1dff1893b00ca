"""What a digest says, in the active language and time zone."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import urlencode

from django.conf import settings
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from dashboard.accounts.models import Team, User
from dashboard.accounts.permissions import cost_scope
from dashboard.costs import periods, savings, usage
from dashboard.costs.models import Run
from dashboard.costs.templatetags.costs import amounts, hours
from dashboard.costs.usage import Dimension, Reading, Report, Scope, Usage
from dashboard.instances.models import Instance
from dashboard.instances.run_state import PRESENT, RUNNING, WITHOUT_END
from dashboard.reminders.notification import escape_for_mail

from . import lists
from .lists import List
from .weeks import Week

MOST_RUNS = 2_000
"""Own runs that are looked at one by one."""


@dataclass(frozen=True)
class Part:
    """What a digest says about a person's own instances, a team or the fleet.

    Attributes:
        name: Of the team; empty for the others.
        facts: Labels and values.
        path: Of the report with the same numbers; empty for none.
    """

    title: str
    facts: list[tuple[str, str]]
    lists: list[List]
    path: str
    name: str = ""


@dataclass(frozen=True)
class Content:
    """A digest.

    Attributes:
        subject: One line; of our words and numbers only.
        days: First and last day of the week.
        zone: The time zone of these days, if it is not the person's.
    """

    subject: str
    days: str
    parts: list[Part] = field(default_factory=list)
    zone: str = ""


def build(person: User, week: Week, now: datetime) -> Content | None:
    """Return what the digest of a week says; None if nothing ran."""
    parts = [part for part in _parts(person, week, now) if part]
    if not parts:
        return None
    days = week.period.label
    return Content(
        subject=_("Your week in Curfew: %(days)s") % {"days": days},
        days=days,
        parts=parts,
        zone=_other_zone(week),
    )


def _parts(person: User, week: Week, now: datetime) -> Iterable[Part | None]:
    if person.cloud_identifiers:
        yield _own_part(person, week, now)
    sees_all = cost_scope(person) == "all"
    for team in person.deputy_of.order_by("name"):
        # The report of a scientist has their own costs only.
        path = _report_path(team=team.name) if sees_all else ""
        scope = Scope(team=team)
        yield _group_part(_("Team"), scope, week, now, team=team, path=path)
    if sees_fleet(person):
        yield _group_part(_("All instances"), Scope(), week, now, path=_report_path())


def sees_fleet(person: User) -> bool:
    """Return whether the digest of a person has a part about the whole fleet."""
    leads = {User.Role.OPERATOR, User.Role.ADMIN, User.Role.MANAGER}
    return person.role in leads and cost_scope(person) == "all"


def _own_part(person: User, week: Week, now: datetime) -> Part | None:
    scope = Scope(owners=person.cloud_identifiers)
    oldest = usage.runs(week.period, scope, now).order_by("started_at", "pk")
    runs = list(oldest[:MOST_RUNS])
    running = Instance.objects.filter(PRESENT, RUNNING).owned_by(person)
    if not runs and not running.exists():
        return None
    reading = Reading(week.period, scope, now)
    is_narrowed = cost_scope(person) == "all"
    owner = {"owner": min(person.cloud_identifiers)} if is_narrowed else {}
    found = [
        lists.longest(runs, week, now),
        lists.nights(runs, week, now),
        lists.to_stop(running, now),
    ]
    return Part(
        title=_("Your instances"),
        facts=_facts(_by_owner(reading), reading, week),
        lists=[item for item in found if item.lines],
        path=_report_path(**owner),
    )


def _group_part(
    title: str,
    scope: Scope,
    week: Week,
    now: datetime,
    *,
    team: Team | None = None,
    path: str,
) -> Part | None:
    runs = usage.runs(week.period, scope, now)
    if not runs.exists():
        return None
    reading = Reading(week.period, scope, now)
    report = _by_owner(reading)
    running = Instance.objects.filter(PRESENT, WITHOUT_END, scope.q())
    found = [
        lists.owners(report),
        lists.without_auto_stop(scope, week, now),
        lists.to_stop(running, now),
        lists.of_budgets(team, now),
    ]
    nights = lists.number_of_nights(runs, week, now)
    return Part(
        title=title,
        name=escape_for_mail(team.name) if team else "",
        facts=[
            *_facts(report, reading, week),
            *([(_("Runs through a night"), f"{nights}")] if nights else []),
        ],
        lists=[item for item in found if item.lines],
        path=path,
    )


def _by_owner(reading: Reading) -> Report:
    return usage.report(reading, Dimension.OWNER)


def _facts(report: Report, reading: Reading, week: Week) -> list[tuple[str, str]]:
    scope, now, total = reading.scope, reading.now, report.total
    before = _by_owner(Reading(week.before, scope, now)).total
    saved = savings.savings(reading).total
    number = usage.runs(week.period, scope, now).count()
    facts = [
        (_("Runs"), f"{number}"),
        (_("Hours"), _compared(hours(total.running), before.running, hours)),
    ]
    if total.cost:
        cost = _compared(amounts(total.cost), before.cost, amounts)
        facts.append((_("Cost"), cost))
    if total.unpriced:
        facts.append((_("No price"), hours(total.unpriced)))
    if total.unknown:
        facts.append((_("Unknown"), hours(total.unknown)))
    if ended := _ended_text(total):
        facts.append((_("Ended by"), ended))
    if saved.seconds:
        parts = [hours(saved.seconds), *([amounts(saved.money)] if saved.money else [])]
        facts.append((_("Saved by stops"), _(", ").join(parts)))
    return facts


def _compared[Value](value: str, before: Value, show: Callable[[Value], str]) -> str:
    """Return a value and, if there was one, that of the week before."""
    if not before:
        return value
    values = {"value": value, "before": show(before)}
    return _("%(value)s (week before: %(before)s)") % values


def _ended_text(total: Usage) -> str:
    counts = sorted(total.ended.items(), key=lambda item: (-item[1], item[0]))
    return _(", ").join(
        f"{Run.EndedBy(kind).label} {number}" for kind, number in counts
    )


def _report_path(**filters: str) -> str:
    query = urlencode({"period": "last_week"} | filters)
    return reverse("costs:report") + f"?{query}"


def _other_zone(week: Week) -> str:
    """Return the time zone of the days of a week; empty if it is the active one."""
    ours, theirs = periods.report_zone(), timezone.get_current_timezone()
    period = week.period
    is_same = all(
        at.astimezone(ours).utcoffset() == at.astimezone(theirs).utcoffset()
        for at in (period.since, period.until)
    )
    return "" if is_same else settings.CURFEW.report_time_zone
