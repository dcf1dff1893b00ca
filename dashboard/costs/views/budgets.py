"""Pages of budgets: read by all who see the costs, written by operators and admins."""

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import (
    require_http_methods,
    require_POST,
    require_safe,
)

from dashboard.accounts.http import SignedInRequest
from dashboard.accounts.permissions import can_set_budgets
from dashboard.costs import budget_services, budgets
from dashboard.costs.budget_forms import BudgetForm
from dashboard.costs.models import Budget, Price
from dashboard.instances.models import Instance

UNPROCESSABLE = 422


@require_safe
def budget_list(request: SignedInRequest) -> HttpResponse:
    """List the budgets that the person may see, with what they have spent."""
    visible = budgets.visible_to(request.user)
    context = {
        "current": "budgets",
        "standings": budgets.standings(visible, timezone.now()),
        "may_write": can_set_budgets(request.user),
    }
    return render(request, "costs/budgets.html", context)


@require_safe
def budget(request: SignedInRequest, budget_pk: int) -> HttpResponse:
    """Show the months of a budget so far, and what was warned about."""
    stored = _budget(request, budget_pk)
    months = budgets.past(stored, timezone.now())
    context = {
        "current": "budgets",
        "budget": stored,
        "standing": months[0],
        "months": months,
        "warnings": stored.warnings.filter(month=months[0].month),
        "may_write": can_set_budgets(request.user),
    }
    return render(request, "costs/budget.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def new_budget(request: SignedInRequest) -> HttpResponse:
    budget_services.require_right(request.user)
    return _form_page(request, Budget())


@require_http_methods(["GET", "HEAD", "POST"])
def edit_budget(request: SignedInRequest, budget_pk: int) -> HttpResponse:
    """Show the form of a budget, or save it.

    Returns:
        200 with the form; 303 to the saved budget; 422 with the errors.
    """
    budget_services.require_right(request.user)
    return _form_page(request, _budget(request, budget_pk))


@require_POST
def remove_budget(request: SignedInRequest, budget_pk: int) -> HttpResponse:
    """Delete a budget; 303 to the list."""
    budget_services.require_right(request.user)
    stored = _budget(request, budget_pk)
    budget_services.remove_budget(budget=stored, actor=request.user)
    text = _("Budget “%(budget)s” removed.") % {"budget": stored}
    messages.success(request, text)
    return HttpResponseRedirect(reverse("costs:budgets"), status=303)


def _form_page(request: SignedInRequest, stored: Budget) -> HttpResponse:
    # The form writes the typed values into ``stored``.
    heading, is_new = stored.name or _("New budget"), stored.pk is None
    form = BudgetForm(
        request.POST if request.method == "POST" else None,
        instance=stored,
        choices=_choices(request),
        currencies=_currencies(),
    )
    if form.is_bound and form.is_valid():
        saved = budget_services.save_budget(budget=form.build(), actor=request.user)
        messages.success(request, _("Budget saved."))
        return HttpResponseRedirect(saved.get_absolute_url(), status=303)
    context = {
        "current": "budgets",
        "form": form,
        "heading": heading,
        "budget": None if is_new else stored,
    }
    status = UNPROCESSABLE if form.is_bound else 200
    return render(request, "costs/budget_form.html", context, status=status)


def _budget(request: SignedInRequest, pk: int) -> Budget:
    return get_object_or_404(budgets.visible_to(request.user), pk=min(pk, 2**63 - 1))


def _choices(request: SignedInRequest) -> dict[str, list[str]]:
    fields = {
        Budget.Kind.CLOUD: "cloud__name",
        Budget.Kind.WORKSPACE: "workspace_id",
        Budget.Kind.OWNER: "owner_name",
    }
    visible = Instance.objects.visible_to(request.user)
    rows = visible.order_by().values_list(*fields.values()).distinct()
    columns = zip(*rows, strict=True) if rows else ((),) * len(fields)
    return {
        kind: sorted({value for value in column if value})
        for kind, column in zip(fields, columns, strict=True)
    }


def _currencies() -> list[str]:
    names = Price.objects.order_by("currency").values_list("currency", flat=True)
    return list(names.distinct())
