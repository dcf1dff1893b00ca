"""Writes of budgets. They raise ``PermissionDenied`` without the permission."""

from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.forms import model_to_dict
from django.utils.translation import gettext as _

from dashboard.accounts.models import User
from dashboard.accounts.permissions import can_set_budgets
from dashboard.audit.services import record_event

from .models import Budget


@transaction.atomic
def save_budget(*, budget: Budget, actor: User) -> Budget:
    """Save a new or changed budget, which is validated."""
    require_right(actor)
    stored = Budget.objects.select_for_update().filter(pk=budget.pk).first()
    before, after = _values(stored) if stored else {}, _values(budget)
    budget.save()
    if before != after:
        action = "budget.changed" if stored else "budget.added"
        record_event(actor, action, budget, before=before, after=after)
    return budget


@transaction.atomic
def remove_budget(*, budget: Budget, actor: User) -> None:
    """Delete a budget, and with it the notifications about it."""
    require_right(actor)
    record_event(actor, "budget.removed", budget, before=_values(budget))
    budget.delete()


def require_right(actor: User) -> None:
    if not can_set_budgets(actor):
        raise PermissionDenied(_("Only operators and admins can set budgets."))


def _values(budget: Budget) -> dict[str, Any]:
    values = model_to_dict(budget, ["name", "kind", "value", "currency"])
    values["team"] = budget.team.name if budget.team else ""
    values["amount"] = f"{budget.amount:.2f}"
    return values
