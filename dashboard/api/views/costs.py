from typing import Any

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.shortcuts import get_object_or_404
from django.utils import timezone
from ninja import Router
from ninja.responses import Status

from dashboard.accounts.permissions import can_set_prices
from dashboard.api import bodies, cost_schemas, cost_serializers, problems
from dashboard.api.auth import READ, WRITE
from dashboard.api.cost_queries import (
    CostForm,
    CostPeriodForm,
    RunForm,
    ScopeForm,
    period_of,
    runs_of,
    scope_of,
)
from dashboard.api.http import TokenRequest
from dashboard.api.queries import Page, PageForm, Query
from dashboard.costs import budgets, price_services, savings, usage
from dashboard.costs.models import Price
from dashboard.costs.price_forms import PriceForm
from dashboard.costs.price_list import PriceList
from dashboard.costs.price_overview import cloud_names

router = Router(tags=["costs"])

COSTS = Query(CostPeriodForm, ScopeForm, CostForm)
RUNS = Query(CostPeriodForm, ScopeForm, RunForm, PageForm)
SAVINGS = Query(CostPeriodForm, ScopeForm, PageForm)


@router.get("/costs", auth=READ, response=cost_schemas.Costs)
@COSTS
def get_costs(request: TokenRequest) -> Any:
    """Return hours and costs of a period, in total and in parts; for scientists theirs.

    The period is `period`, or the days `since` to `until`, at most 366; this month
    without either. `step` adds the trend. Time that is unknown, or has no price, has
    its own fields and is in no other.
    """
    values, now = COSTS.read(request), timezone.now()
    period, scope = period_of(values, now), scope_of(values, request.user)
    by, step = values["by"] or usage.Dimension.OWNER, values["step"]
    reading = usage.Reading(period, scope, now)
    report = usage.report(reading, by, values["tag_key"])
    trend = usage.trend(reading, step) if step else None
    return cost_serializers.period(period, now) | {
        "by": by,
        "tag_key": values["tag_key"] or None,
        "total": cost_serializers.usage(report.total),
        "lines": [cost_serializers.line(line) for line in report.lines],
        "trend": None if trend is None else [*map(cost_serializers.bucket, trend)],
        "gaps": [cost_serializers.gap(gap) for gap in report.gaps],
    }


@router.get("/runs", auth=READ, response=cost_schemas.Runs)
@RUNS
def list_runs(request: TokenRequest) -> Any:
    """List the runs that a period has a part of, the latest start first.

    `instance` is the ID of an instance. `ended_by` lists only those that ended in the
    period, and so.
    """
    values, now = RUNS.read(request), timezone.now()
    period, scope = period_of(values, now), scope_of(values, request.user)
    page = Page(runs_of(values, period, scope, now), values)
    prices, gaps = PriceList.load(), usage.gaps_of(page.items, now)
    items = (
        cost_serializers.run(run, usage.run_cost(run, prices, now, period, gaps))
        for run in page.items
    )
    return page.response(items) | cost_serializers.period(period, now)


@router.get("/savings", auth=READ, response=cost_schemas.Savings)
@SAVINGS
def get_savings(request: TokenRequest) -> Any:
    """Return what the stops of a period have saved, with a page of these stops.

    Stops by auto-stop, schedules, policies and Curfew save. `most_hours` is the
    assumption behind the numbers.
    """
    values, now = SAVINGS.read(request), timezone.now()
    period, scope = period_of(values, now), scope_of(values, request.user)
    found = savings.savings(usage.Reading(period, scope, now))
    page = Page(savings.saving_runs(period, scope, now), values)
    items = map(cost_serializers.avoided, savings.avoided(page.items, now))
    return {
        **page.response(items),
        **cost_serializers.period(period, now),
        "most_hours": settings.CURFEW.savings_max_hours,
        "total": cost_serializers.saved(found.total),
        "by": {kind: cost_serializers.saved(part) for kind, part in found.by.items()},
    }


@router.get("/prices", auth=READ, response=cost_schemas.Prices)
def list_prices(request: TokenRequest) -> Any:
    """List all prices by cloud and flavor, the latest day first.

    An exact flavor counts before a pattern, a named cloud before `*`, and of several
    days the latest that has begun.
    """
    prices = Price.objects.select_related("created_by")
    return {"items": [cost_serializers.price(price) for price in prices]}


@router.post(
    "/prices", auth=WRITE, response={200: cost_schemas.Price, 201: cost_schemas.Price}
)
def set_price(request: TokenRequest, body: bodies.PriceInput) -> Any:
    """Set the price of a flavor from a day on, for admins.

    201 with a new price, 200 with one that is set already or has replaced one of the
    same day. One of a past day with other values has to be removed first.
    """
    if not can_set_prices(request.user):
        raise PermissionDenied("Only admins can set prices.")
    values = {"cloud": Price.ANY_CLOUD} | body.model_dump()
    form = PriceForm(values, clouds=cloud_names())
    if not form.is_valid():
        raise problems.invalid(problems.of_form(form))
    price = form.build()
    try:
        written = price_services.set_prices(prices=[price], actor=request.user)
    except price_services.PriceError as error:
        raise problems.ProblemError("not-now", str(error)) from None
    stored = Price.objects.select_related("created_by").get(
        cloud=price.cloud, flavor=price.flavor, valid_from=price.valid_from
    )
    return Status(201 if written.added else 200, cost_serializers.price(stored))


@router.delete("/prices/{int:price_id}", auth=WRITE, response={204: None})
def remove_price(request: TokenRequest, price_id: int) -> Any:
    """Remove a price, for admins, as if it had never been; 404 if it is gone."""
    if not can_set_prices(request.user):
        raise PermissionDenied("Only admins can set prices.")
    stored = get_object_or_404(Price, pk=min(price_id, 2**63 - 1))
    price_services.remove_price(price=stored, actor=request.user)
    return Status(204, None)


@router.get("/budgets", auth=READ, response=cost_schemas.Budgets)
def list_budgets(request: TokenRequest) -> Any:
    """List budgets, and what was spent of each this month.

    Scientists get their own and those of their teams.
    """
    visible = budgets.visible_to(request.user)
    found = budgets.standings(visible, timezone.now())
    return {"items": [cost_serializers.budget(standing) for standing in found]}
