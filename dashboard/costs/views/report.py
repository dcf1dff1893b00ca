"""What runs cost, their list, and what stopping saves."""

from typing import Any

from django.conf import settings
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from dashboard.accounts import permissions
from dashboard.accounts.http import SignedInRequest
from dashboard.costs import charts, savings, usage
from dashboard.costs.filters import CostForm, CostQuery, RunQuery
from dashboard.costs.models import Price, Run
from dashboard.costs.periods import report_zone
from dashboard.costs.run_lines import run_lines
from dashboard.costs.tables import saved_table, table, trend_rows

RUNS_PER_PAGE = 50
LONGEST = 10


@require_safe
def report(request: SignedInRequest) -> HttpResponse:
    """Show the costs of a period, by one dimension and as a trend.

    Query parameters:
        See ``CostForm``. If one is invalid, the page shows only the form.
    """
    query = CostQuery(request.GET, request.user, timezone.now())
    context = _context(request, query, "costs")
    if query.is_valid:
        context |= _report(query)
    return render(request, "costs/report.html", context)


@require_safe
def run_list(request: SignedInRequest) -> HttpResponse:
    """List the runs behind the numbers of a report.

    Query parameters:
        See ``CostForm``, ``RunForm``, and ``page``.
    """
    query = RunQuery(request.GET, request.user, timezone.now())
    context = _context(request, query, "costs")
    if query.is_valid:
        paginator = Paginator(query.runs(), RUNS_PER_PAGE)
        page = paginator.get_page(request.GET.get("page"))
        shown = usage.report(query.reading, query.by)
        context |= {
            "page": page,
            "pages": paginator.get_elided_page_range(page.number, on_ends=1),
            "lines": run_lines(page, query.now, query.period),
            "total": None if query.is_narrowed else shown.total,
            "gaps": shown.gaps,
        }
    return render(request, "costs/runs.html", context)


@require_safe
def savings_page(request: SignedInRequest) -> HttpResponse:
    """Show what automatic stops saved, with the evidence.

    Query parameters:
        See ``CostForm``, and ``page`` of the evidence.
    """
    query = CostQuery(request.GET, request.user, timezone.now())
    context = _context(request, query, "savings")
    if query.is_valid:
        period, scope, now = query.period, query.scope, query.now
        saved = savings.savings(query.reading)
        runs = savings.saving_runs(period, scope, now)
        paginator = Paginator(runs, RUNS_PER_PAGE)
        page = paginator.get_page(request.GET.get("page"))
        context |= {
            "savings": saved,
            "table": saved_table(saved),
            "evidence": savings.avoided(list(page), now),
            "gaps": usage.gaps(query.reading),
            "most_hours": settings.CURFEW.savings_max_hours,
            "page": page,
            "pages": paginator.get_elided_page_range(page.number, on_ends=1),
        }
    return render(request, "costs/savings.html", context)


def _context(
    request: SignedInRequest, query: CostQuery, current: str
) -> dict[str, Any]:
    return {
        "query": query,
        "current": current,
        "report_zone": str(report_zone()),
        "has_runs": Run.objects.exists(),
        "has_prices": Price.objects.exists(),
        "may_set_prices": permissions.can_set_prices(request.user),
    }


def _report(query: CostQuery) -> dict[str, Any]:
    period, scope, now = query.period, query.scope, query.now
    shown = usage.report(query.reading, query.by, query.tag_key)
    buckets = usage.trend(query.reading, query.step)
    measure = query.measure or ("cost" if shown.total.cost.amounts else "hours")
    longest = usage.longest_without_auto_stop(period, scope, now, LONGEST)
    lines = table(shown, query)
    return {
        "table": lines,
        "total": shown.total,
        "gaps": shown.gaps,
        "buckets": trend_rows(buckets, lines.currencies),
        "charts": charts.charts(buckets, measure),
        "measure": measure,
        "measures": CostForm.MEASURES,
        "steps": CostForm.STEPS,
        "longest": run_lines(longest, now, period),
    }
