"""The lists of a digest, in the active language and time zone."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from django.db.models import F, Q, QuerySet
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _, ngettext

from dashboard.accounts.models import Team
from dashboard.costs import budgets, usage
from dashboard.costs.models import Budget, Run
from dashboard.costs.money import Money
from dashboard.costs.price_list import PriceList
from dashboard.costs.templatetags.costs import amounts, hours, money
from dashboard.costs.usage import Report, Scope, Usage
from dashboard.instances.models import Instance
from dashboard.instances.run_state import WITHOUT_END, is_without_end
from dashboard.reminders.notification import escape_for_mail

from .weeks import Week

NIGHT = time(0), time(6)
"""A run that goes on all this time has run through the night."""

LONG_RUN = timedelta(hours=24)
"""A run that is older is worth a look, even if it has an end."""

NAMED = 5
"""How many instances, owners and budgets a list names; the others are counted."""


@dataclass(frozen=True)
class Line:
    """One line of a list.

    Attributes:
        name: What the cloud or a person calls it, without links.
        path: Of its page; empty for none.
    """

    name: str
    text: str
    path: str = ""


@dataclass(frozen=True)
class List:
    """A titled list, and how many more there are."""

    title: str
    lines: list[Line]
    more: int = 0


def longest(runs: Sequence[Run], week: Week, now: datetime) -> List:
    """Return the instances that ran longest, with what their runs cost."""
    prices, gaps = PriceList.load(), usage.gaps_of(runs, now)
    seconds: Counter[int] = Counter()
    numbers: Counter[int] = Counter()
    costs: defaultdict[int, Money] = defaultdict(Money)
    for run in runs:
        part = usage.run_cost(run, prices, now, week.period, gaps)
        seconds[run.instance_id] += part.seconds
        numbers[run.instance_id] += 1
        costs[run.instance_id] += part.cost
    instances = {run.instance_id: run.instance for run in runs}
    lines = []
    for pk, length in seconds.most_common(NAMED):
        number, cost = numbers[pk], costs[pk]
        text = ngettext(
            "%(hours)s in %(number)s run", "%(hours)s in %(number)s runs", number
        )
        text %= {"hours": hours(length), "number": number}
        lines.append(
            _of(instances[pk], _(", ").join([text, amounts(cost)]) if cost else text)
        )
    return List(_("What ran longest"), lines, _more(len(seconds)))


def nights(runs: Sequence[Run], week: Week, now: datetime) -> List:
    """Return the instances that ran through nights of a week."""
    counts: Counter[int] = Counter()
    for begin, end in nights_of(week, now):
        counts.update(
            {run.instance_id for run in runs if _runs_through(run, begin, end, now)}
        )
    instances = {run.instance_id: run.instance for run in runs}
    lines = []
    for pk, number in counts.most_common(NAMED):
        text = ngettext("%(number)s night", "%(number)s nights", number)
        lines.append(_of(instances[pk], text % {"number": number}))
    return List(_("Ran through the night"), lines, _more(len(counts)))


def number_of_nights(runs: QuerySet[Run], week: Week, now: datetime) -> int:
    """Return the number of runs through each night, summed over the nights."""
    return sum(
        runs.filter(
            Q(ended_at=None) | Q(ended_at__gte=end), started_at__lte=begin
        ).count()
        for begin, end in nights_of(week, now)
    )


def nights_of(week: Week, now: datetime) -> list[tuple[datetime, datetime]]:
    """Return begin and end of the seven nights of a week, as far as they are over.

    In the active time zone; the first is the one before Monday.
    """
    days = [week.monday + timedelta(days=number) for number in range(7)]
    found = [_night(day) for day in days]
    return [(begin, end) for begin, end in found if end <= now]


def to_stop(running: QuerySet[Instance], now: datetime) -> List:
    """Return what runs now without an end, or has run for more than a day."""
    is_old = Q(run_started_at__lte=now - LONG_RUN)
    found = running.filter(WITHOUT_END | is_old).select_related("cloud")
    number = found.count()
    oldest = found.order_by(F("run_started_at").asc(nulls_last=True), "pk")
    lines = []
    for instance in oldest.defer("document")[:NAMED]:
        parts = []
        if since := instance.run_started_at or instance.status_since:
            moment = date_format(timezone.localtime(since), _("D j M, H:i"))
            parts.append(_("running since %(moment)s") % {"moment": moment})
        if is_without_end(instance):
            parts.append(_("no auto-stop"))
        lines.append(_of(instance, _(", ").join(parts)))
    return List(_("Running now: still needed?"), lines, _more(number))


def owners(report: Report) -> List:
    """Return the owners whose instances cost most, of a report by owner."""
    spending = [line for line in report.lines if line.usage.cost or line.usage.running]
    lines = [
        Line(escape_for_mail(line.label), _usage_text(line.usage))
        for line in spending[:NAMED]
    ]
    return List(_("By owner"), lines, _more(len(spending)))


def without_auto_stop(scope: Scope, week: Week, now: datetime) -> List:
    """Return the longest runs without auto-stop."""
    runs = usage.longest_without_auto_stop(week.period, scope, now, NAMED)
    lines = []
    for run in runs:
        owner = run.allocation.owner_name or run.allocation.owner_id
        parts = [hours(run.seconds(now)), *([escape_for_mail(owner)] if owner else [])]
        lines.append(_of(run.instance, _(", ").join(parts)))
    return List(_("Longest runs without auto-stop"), lines)


def of_budgets(team: Team | None, now: datetime) -> List:
    """Return the budgets of a team, or all, with what this month has cost."""
    rows = Budget.objects.select_related("team")
    if team is not None:
        rows = rows.filter(kind=Budget.Kind.TEAM, team=team)
    standings = budgets.standings(rows, now)
    standings.sort(key=lambda item: item.percent, reverse=True)
    lines = []
    for item in standings[:NAMED]:
        budget, currency = item.budget, item.budget.currency
        text = _("%(percent)s%%: %(spent)s of %(amount)s") % {
            "percent": item.percent,
            "spent": money(item.spent, currency),
            "amount": money(budget.amount, currency),
        }
        if item.forecast is not None:
            forecast = money(item.forecast, currency)
            text = _("%(text)s, forecast %(forecast)s") % {
                "text": text,
                "forecast": forecast,
            }
        name = escape_for_mail(budget.name)
        lines.append(Line(name, text, budget.get_absolute_url()))
    return List(_("Budgets this month"), lines, _more(len(standings)))


def _of(instance: Instance, text: str) -> Line:
    name = escape_for_mail(str(instance))
    return Line(name, text, instance.get_absolute_url())


def _usage_text(found: Usage) -> str:
    parts = [hours(found.running)]
    if found.cost:
        parts.append(amounts(found.cost))
    if found.unpriced:
        parts.append(_("%(hours)s without a price") % {"hours": hours(found.unpriced)})
    return _(", ").join(parts)


def _night(day: date) -> tuple[datetime, datetime]:
    zone = timezone.get_current_timezone()
    begin, end = (datetime.combine(day, at, zone).astimezone(UTC) for at in NIGHT)
    return begin, end


def _runs_through(run: Run, begin: datetime, end: datetime, now: datetime) -> bool:
    return run.started_at <= begin and (run.ended_at or now) >= end


def _more(number: int) -> int:
    return max(0, number - NAMED)
