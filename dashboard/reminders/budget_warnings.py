"""The thresholds that budgets have reached, for the team and for those who spend."""

from collections.abc import Iterator
from datetime import datetime

from dashboard.costs.models import BudgetWarning

from .candidates import Candidate
from .models import MAX_EVENT_AGE, Reminder
from .recipients import Recipients, unique


def reached(recipients: Recipients, now: datetime) -> Iterator[Candidate]:
    """Yield each threshold once, for the team and the owner or team of the budget."""
    warnings = BudgetWarning.objects.filter(at__gte=now - MAX_EVENT_AGE)
    for warning in warnings.select_related("budget__team").order_by("pk"):
        budget = warning.budget
        team = recipients.team("on_budget", recipients.for_budget(budget))
        spending = [
            item for item in recipients.spending(budget) if item.settings.on_budget
        ]
        for recipient in unique([spending, team]):
            yield Candidate(
                recipient,
                Reminder.Kind.BUDGET,
                f"{budget.pk}:{warning.month:%Y-%m}:{warning.threshold}",
                budget_warning_id=warning.pk,
                moment=warning.at,
                for_team=recipient in team,
            )
