"""The demo's prices and budgets."""

from datetime import timedelta
from decimal import Decimal

from django.utils import timezone

from dashboard.accounts.models import Team, User
from dashboard.costs import usage
from dashboard.costs.models import Budget, Price
from dashboard.costs.periods import day_of, this_month
from dashboard.costs.usage import Scope

CURRENCY = "EUR"
PRICES: dict[str, tuple[str, str]] = {
    "modelarts.vm.*.free": ("0", "0"),
    "modelarts.vm.cpu.2u": ("0.11", "0.008"),
    "modelarts.vm.cpu.8u": ("0.44", "0.012"),
    "modelarts.vm.cpu.16u": ("0.88", "0.018"),
    "modelarts.vm.gpu.t4": ("0.92", "0.018"),
    "modelarts.vm.gpu.p100": ("1.38", "0.018"),
    "modelarts.vm.gpu.v100": ("2.76", "0.024"),
    "modelarts.bm.gpu.v100NV32": ("3.05", "0.024"),
    "modelarts.bm.gpu.8v100NV32": ("23.90", "0.16"),
    "modelarts.bm.gpu.a100NV80": ("4.65", "0.04"),
    "modelarts.bm.snt9.*": ("2.10", "0.03"),
    "modelarts.kat1.8xlarge": ("15.80", "0.12"),
}
"""An hour, while running and while stopped. There is none for
``modelarts.kat1.xlarge``, so that costs are shown with something missing."""

_CENT = Decimal("0.01")

RISE = ("modelarts.vm.gpu.v100", "2.98", "0.026")
"""Four weeks ago."""


def add() -> str:
    """Add the prices, and four budgets of a month."""
    admin = User.objects.filter(role=User.Role.ADMIN).order_by("pk").first()
    today = day_of(timezone.now())
    since = today - timedelta(weeks=26)
    flavor, running, stopped = RISE
    rows = [(since, name, *price) for name, price in PRICES.items()]
    rows.append((today - timedelta(weeks=4), flavor, running, stopped))
    Price.objects.bulk_create(
        Price(
            flavor=name,
            running=Decimal(running),
            stopped=Decimal(stopped),
            currency=CURRENCY,
            valid_from=day,
            created_by=admin,
        )
        for day, name, running, stopped in rows
    )
    budgets = _budgets()
    for budget in budgets:
        budget.currency = CURRENCY
        budget.save()
    return f"{len(rows)} prices, {len(budgets)} budgets"


def _budgets() -> list[Budget]:
    """Return one that is nearly spent, one that will be, and two that suffice.

    The amounts follow from the costs, so that this is so on any day of a month.
    """
    now = timezone.now()
    month = this_month(now)
    passed = (now - month.since) / (month.until - month.since)
    team = Team.objects.filter(name="Forecasting").first()
    kinds = Budget.Kind
    sketches: list[tuple[Budget, Scope, float]] = [
        # The factor is of the costs so far, or of the forecast.
        (Budget(name="Everything", kind=kinds.ALL), Scope(), 1.4 / passed),
        (
            Budget(name="Vision", kind=kinds.TAG, value="team=vision"),
            Scope(tag="team=vision"),
            1.8 / passed,
        ),
        (
            Budget(name="jürgen.groß", kind=kinds.OWNER, value="jürgen.groß"),
            Scope(owner="jürgen.groß"),
            1.1,
        ),
    ]
    if team:
        budget = Budget(name="Forecasting", kind=kinds.TEAM, team=team)
        sketches.append((budget, Scope(team=team), (1 + 1 / passed) / 2))
    for budget, scope, factor in sketches:
        reading = usage.Reading(month, scope, now)
        total = usage.report(reading, usage.Dimension.CLOUD).total
        cost = float(total.cost.amounts.get(CURRENCY, 0))
        # Two digits: little is spent on the first days of a month.
        budget.amount = Decimal(f"{max(cost * factor, 0.01):.2g}").quantize(_CENT)
    return [budget for budget, *_ in sketches]
