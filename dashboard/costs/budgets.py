"""How much of each budget is used, and which thresholds it has reached."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

from django.db.models import Q, QuerySet

from dashboard.accounts.models import User
from dashboard.accounts.permissions import cost_scope
from dashboard.accounts.selectors import teams_of

from . import periods, usage
from .models import Budget, BudgetWarning

EARLIEST_FORECAST = timedelta(days=1)
"""How much of a month must have passed: the pace of an hour tells nothing."""

MONTHS = 12
"""How many months the page of a budget shows."""

_CENT = Decimal("0.01")
_TICK = timedelta(microseconds=1)


@dataclass(frozen=True)
class Standing:
    """What a budget has spent in a month until a moment.

    Attributes:
        month: Its first day.
        spent: In the currency of the budget.
        forecast: For the whole month at this pace; None on its first day. In a month
            that is over the same as ``spent``.
        others: What was spent in other currencies, which does not count.
        unpriced_seconds: Time without a price, which is missing in ``spent``.
        unknown_seconds: Time that Curfew could not see.
    """

    budget: Budget
    month: date
    spent: Decimal
    forecast: Decimal | None
    others: dict[str, Decimal]
    unpriced_seconds: int
    unknown_seconds: int

    @property
    def has_usage(self) -> bool:
        return bool(self.spent or self.others or self.unpriced_seconds)

    @property
    def percent(self) -> int:
        """How much of the amount is spent, rounded down."""
        return int(self.spent * 100 / self.budget.amount)

    @property
    def forecast_percent(self) -> int | None:
        if self.forecast is None:
            return None
        return int(self.forecast * 100 / self.budget.amount)

    @property
    def threshold(self) -> int:
        """The highest threshold that is reached; 0 for none."""
        reached = [item for item in Budget.THRESHOLDS if self.percent >= item]
        return max(reached, default=0)

    @property
    def tone(self) -> str:
        """How it looks on a page: a tone of ``dashboard.css``."""
        if self.threshold >= 100:
            return "bad"
        return "warn" if self.threshold >= 85 or self.is_going_over else "good"

    @property
    def spent_width(self) -> int:
        """Length of its bar, of 100."""
        return min(self.percent, 100)

    @property
    def forecast_width(self) -> int:
        return min(self.forecast_percent or 0, 100)

    @property
    def unpriced_hours(self) -> int:
        """In whole hours, rounded up: there are some."""
        return -(-self.unpriced_seconds // 3600)

    @property
    def unknown_hours(self) -> int:
        return -(-self.unknown_seconds // 3600)

    @property
    def is_going_over(self) -> bool:
        """Whether the forecast exceeds the amount, which is not yet spent."""
        over = self.forecast is not None and self.forecast > self.budget.amount
        return over and self.threshold < 100


def visible_to(user: User) -> QuerySet[Budget]:
    """Return the budgets that a person may see.

    Those who see their own costs only see the budgets of themselves and their teams.
    """
    budgets = Budget.objects.select_related("team")
    scope = cost_scope(user)
    if scope == "all":
        return budgets
    if scope == "none":
        return budgets.none()
    own = Q(kind=Budget.Kind.OWNER, value__in=user.cloud_identifiers)
    of_team = Q(kind=Budget.Kind.TEAM, team__in=teams_of(user))
    return budgets.filter(own | of_team)


def standing(budget: Budget, now: datetime) -> Standing:
    """Return what a budget has spent this month."""
    period = periods.this_month(now)
    reading = usage.Reading(period, scope_of(budget), now)
    found = usage.report(reading, usage.Dimension.CLOUD).total
    return _standing(budget, period.first_day, found, now)


def standings(budgets: Iterable[Budget], now: datetime) -> list[Standing]:
    """Return what each budget has spent this month."""
    return [standing(budget, now) for budget in budgets]


def past(budget: Budget, now: datetime) -> list[Standing]:
    """Return the months so far, the present one first, back to the first with costs."""
    this_month = periods.this_month(now)
    months = [this_month.first_day]
    for _number in range(MONTHS - 1):
        months.append((months[-1] - periods.DAY).replace(day=1))
    year = periods.custom(months[-1], this_month.last_day)
    by_month = dict.fromkeys(months, usage.Usage())
    for bucket in usage.trend(usage.Reading(year, scope_of(budget), now)):
        by_month[bucket.first_day.replace(day=1)] += bucket.usage
    found = [_standing(budget, month, by_month[month], now) for month in months]
    while len(found) > 1 and not found[-1].has_usage:
        found.pop()
    return found


def scope_of(budget: Budget) -> usage.Scope:
    """Return what a budget is about."""
    kind, value = budget.kind, budget.value
    return usage.Scope(
        cloud=value if kind == Budget.Kind.CLOUD else "",
        workspace=value if kind == Budget.Kind.WORKSPACE else "",
        owner=value if kind == Budget.Kind.OWNER else "",
        tag=value if kind == Budget.Kind.TAG else "",
        team=budget.team if kind == Budget.Kind.TEAM else None,
    )


def record_warnings(now: datetime) -> list[BudgetWarning]:
    """Note the thresholds that budgets have reached since the last time.

    A threshold at or below one that was noted this month is not noted again, even if
    the amount has changed since.
    """
    month, found = periods.this_month(now).first_day, []
    for item in standings(Budget.objects.select_related("team"), now):
        budget, threshold = item.budget, item.threshold
        known = budget.warnings.filter(month=month, threshold__gte=threshold)
        if not threshold or known.exists():
            continue
        # The unique key decides if two workers do this at once.
        warning, is_new = BudgetWarning.objects.get_or_create(
            budget=budget,
            month=month,
            threshold=threshold,
            defaults={
                "at": now,
                "spent": item.spent,
                "amount": budget.amount,
                "forecast": item.forecast,
                "currency": budget.currency,
            },
        )
        if is_new:
            found.append(warning)
    return found


def _standing(
    budget: Budget, month: date, found: usage.Usage, now: datetime
) -> Standing:
    amounts = found.cost.amounts
    spent = amounts.pop(budget.currency, Decimal(0))
    return Standing(
        budget=budget,
        month=month,
        spent=spent.quantize(_CENT, ROUND_HALF_UP),
        forecast=_forecast(spent, month, now),
        others=amounts,
        unpriced_seconds=found.unpriced,
        unknown_seconds=found.unknown,
    )


def _forecast(spent: Decimal, month: date, now: datetime) -> Decimal | None:
    next_month = (month + 31 * periods.DAY).replace(day=1)
    # In UTC, since the difference of two local times ignores summer time.
    first, end = (periods.start_of(day).astimezone(UTC) for day in (month, next_month))
    passed = min(end, now) - first
    if passed < EARLIEST_FORECAST:
        return None
    # Both in whole microseconds, so that a month that is over is what was spent.
    share = Fraction((end - first) // _TICK, passed // _TICK)
    forecast = spent * share.numerator / share.denominator
    return forecast.quantize(_CENT, ROUND_HALF_UP)
