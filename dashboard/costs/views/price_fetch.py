"""Prices from the billing service of a cloud, for admins."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _, ngettext
from django.views.decorators.http import require_http_methods, require_safe

from dashboard.accounts.http import SignedInRequest
from dashboard.accounts.permissions import can_set_prices
from dashboard.costs import price_services, proposals
from dashboard.costs.models import PriceProposal
from dashboard.costs.periods import report_zone
from dashboard.costs.price_forms import FetchForm, ProposalForm
from dashboard.costs.price_overview import fleet_flavors, today
from dashboard.livepoll.pages import not_modified, poller

State = PriceProposal.State

INTERVAL_SECONDS = 1


@require_http_methods(["GET", "HEAD", "POST"])
def fetch(request: SignedInRequest) -> HttpResponse:
    """Show the clouds and what became of asking them; a POST asks one.

    Form fields:
        ``cloud``: its name.

    Returns:
        200 with the clouds; 303 to the proposal; 422 for an unknown cloud, or one
        without instances.
    """
    _require_right(request)
    if request.method != "POST":
        return _clouds_page(request)
    form = FetchForm(request.POST, clouds=_clouds())
    if not form.is_valid():
        return _clouds_page(request, fault=_("Choose a cloud."))
    try:
        asked = price_services.request_prices(
            cloud=form.cleaned_data["cloud"], actor=request.user
        )
    except price_services.PriceError as error:
        return _clouds_page(request, fault=str(error))
    return HttpResponseRedirect(asked.get_absolute_url(), status=303)


@require_http_methods(["GET", "HEAD", "POST"])
def proposal(request: SignedInRequest, proposal_pk: int) -> HttpResponse:
    """Show what a proposal would change, or set its prices.

    Form fields:
        ``flavor``: once for each price to set.
        ``valid_from``: its first day.
        ``confirm``: the fingerprint of the plan that the person has seen.

    Returns:
        200 with the page; 303 to the list; 409 with another preview if the plan is
        another one by now, or for this day; 422 with the errors.
    """
    asked = _proposal(request, proposal_pk)
    if request.method != "POST" or asked.state != State.READY:
        return _page(request, asked)
    form = ProposalForm(request.POST)
    if not form.is_valid():
        return _page(request, asked, form=form, status=422)
    plan = proposals.build_plan(asked, form.cleaned_data["valid_from"])
    flavors = request.POST.getlist("flavor")
    if request.POST.get("confirm") != plan.fingerprint:
        fault = _("Other prices would be set, or from another day. Check them again.")
        return _page(
            request,
            asked,
            form=form,
            plan=plan,
            picked=flavors,
            fault=fault,
            status=409,
        )
    chosen = proposals.chosen(plan, flavors)
    if not chosen:
        fault = _("Choose the prices to set.")
        return _page(
            request,
            asked,
            form=form,
            plan=plan,
            picked=flavors,
            fault=fault,
            status=422,
        )
    try:
        written = price_services.accept_prices(
            proposal=asked, prices=chosen, actor=request.user
        )
    except price_services.PriceError as error:
        return _page(request, asked, form=form, fault=str(error), status=409)
    number = written.added + written.replaced
    text = ngettext("%(number)s price set.", "%(number)s prices set.", number)
    messages.success(request, text % {"number": number})
    return HttpResponseRedirect(reverse("costs:prices"), status=303)


@require_safe
def progress(request: SignedInRequest, proposal_pk: int) -> HttpResponse:
    """Fragment: the proposal, once there is an answer.

    Returns:
        200 with ``costs/proposal.html#changes``; 204 while the cloud is being asked.
    """
    asked = _proposal(request, proposal_pk)
    if asked.is_awaited(timezone.now()):
        return not_modified()
    context = _context(request, asked)
    return render(request, "costs/proposal.html#changes", context)


def _clouds_page(request: SignedInRequest, *, fault: str = "") -> HttpResponse:
    latest = {
        item.cloud: item for item in PriceProposal.objects.select_related("asked_by")
    }
    flavors: dict[str, int] = {}
    for item in fleet_flavors():
        flavors[item.cloud] = flavors.get(item.cloud, 0) + 1
    now = timezone.now()
    rows = [
        {
            "cloud": name,
            "flavors": flavors[name],
            "proposal": latest.get(name),
            "is_awaited": name in latest and latest[name].is_awaited(now),
        }
        for name in _clouds()
    ]
    context = {"current": "prices", "rows": rows, "fault": fault}
    status = 422 if fault else 200
    return render(request, "costs/price_fetch.html", context, status=status)


def _page(
    request: SignedInRequest,
    asked: PriceProposal,
    *,
    status: int = 200,
    **changes: Any,
) -> HttpResponse:
    context = _context(request, asked) | changes
    return render(request, "costs/proposal.html", context, status=status)


def _context(request: SignedInRequest, asked: PriceProposal) -> dict[str, Any]:
    is_awaited = asked.is_awaited(timezone.now())
    plan = None
    if asked.state == State.READY:
        plan = proposals.build_plan(asked, today())
    url = reverse("costs:fetch_progress", args=[asked.pk])
    return {
        "current": "prices",
        "proposal": asked,
        "is_awaited": is_awaited,
        "is_lost": asked.state == State.WAITING and not is_awaited,
        "plan": plan,
        "picked": None,
        "form": ProposalForm(),
        "zone": report_zone(),
        "poller": poller(request, url, {}, interval_seconds=INTERVAL_SECONDS),
    }


def _clouds() -> list[str]:
    return sorted({item.cloud for item in fleet_flavors()})


def _proposal(request: SignedInRequest, pk: int) -> PriceProposal:
    _require_right(request)
    stored = PriceProposal.objects.select_related("asked_by")
    return get_object_or_404(stored, pk=min(pk, 2**63 - 1))


def _require_right(request: SignedInRequest) -> None:
    if not can_set_prices(request.user):
        raise PermissionDenied(_("Only admins can set prices."))
