"""Pages of the price list: everyone reads it, admins write it."""

from datetime import UTC
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _, ngettext
from django.views.decorators.http import require_http_methods, require_safe

from dashboard.accounts.http import SignedInRequest
from dashboard.accounts.permissions import can_set_prices
from dashboard.audit.export import csv_lines, requested_separator
from dashboard.costs import price_csv, price_services
from dashboard.costs.models import Price
from dashboard.costs.periods import report_zone
from dashboard.costs.price_forms import PriceForm
from dashboard.costs.price_overview import (
    cloud_names,
    currencies,
    fleet_flavors,
    matches,
    overview,
    today,
)
from dashboard.web.downloads import limited

PER_PAGE = 100
_MOST_PK = 2**63 - 1
"""The database cannot compare a larger number."""


@require_safe
def price_list(request: SignedInRequest) -> HttpResponse:
    """Show flavors without a price, and the price of each pattern.

    Query parameters:
        ``page``; an invalid one is ignored.
    """
    day = today()
    shown = overview(Price.objects.select_related("created_by"), day)
    page = Paginator(shown.patterns, PER_PAGE).get_page(request.GET.get("page"))
    context = {
        "current": "prices",
        "day": day,
        "zone": report_zone(),
        "unpriced": shown.unpriced,
        "page": page,
        "pages": page.paginator.get_elided_page_range(page.number, on_ends=1),
        "has_flavors": bool(fleet_flavors()),
        "may_set": can_set_prices(request.user),
    }
    return render(request, "costs/prices.html", context)


@require_safe
def price(request: SignedInRequest, price_pk: int) -> HttpResponse:
    """Show all prices of the same cloud and flavor as a price, newest first."""
    stored = _price(price_pk)
    same = Price.objects.filter(cloud=stored.cloud, flavor=stored.flavor)
    day = today()
    (pattern,) = overview(same.select_related("created_by"), day).patterns
    context = {
        "current": "prices",
        "pattern": pattern,
        "day": day,
        "zone": report_zone(),
        "may_set": can_set_prices(request.user),
    }
    return render(request, "costs/price.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def new_price(request: SignedInRequest) -> HttpResponse:
    """Show the form of a price, or store it.

    Query parameters:
        ``cloud`` and ``flavor`` fill the form, with the values of their present price.

    Returns:
        200 with the form; 303 to the list; 422 with the errors.
    """
    _require_right(request)
    if request.method != "POST":
        return _form_page(
            request, PriceForm(clouds=_clouds(), initial=_initial(request))
        )
    form = PriceForm(request.POST, clouds=_clouds())
    if not form.is_valid():
        return _form_page(request, form)
    new = form.build()
    try:
        written = price_services.set_prices(prices=[new], actor=request.user)
    except price_services.PriceError as error:
        form.add_error(None, str(error))
        return _form_page(request, form)
    messages.success(request, f"{_outcome(written)} {_reach(new)}")
    return HttpResponseRedirect(reverse("costs:prices"), status=303)


@require_http_methods(["GET", "HEAD", "POST"])
def remove(request: SignedInRequest, price_pk: int) -> HttpResponse:
    """Ask whether to remove a price, or remove it; 303 to the list."""
    _require_right(request)
    stored = _price(price_pk)
    if request.method == "POST":
        price_services.remove_price(price=stored, actor=request.user)
        messages.success(request, _("Price of %(flavor)s removed.") % _named(stored))
        return HttpResponseRedirect(reverse("costs:prices"), status=303)
    context = {
        "current": "prices",
        "price": stored,
        "is_past": stored.valid_from < today(),
    }
    return render(request, "costs/price_remove.html", context)


@require_safe
@limited
def as_csv(request: SignedInRequest) -> HttpResponseBase:
    """Export all prices, past and future ones too, as the import reads them.

    Query parameters:
        ``separator``: ``comma``, or ``semicolon`` for German spreadsheets.

    Returns:
        200 with the file; 400 for an unknown separator.
    """
    separator = requested_separator(request.GET)
    if separator is None:
        return render(request, "400.html", status=400)
    columns = (*price_csv.COLUMNS, *price_csv.PROVENANCE)
    rows = map(price_csv.cells, Price.objects.select_related("created_by"))
    now = timezone.now().astimezone(UTC)
    return StreamingHttpResponse(
        list(csv_lines(columns, rows, separator)),
        content_type="text/csv; charset=utf-8",
        headers={
            "Content-Disposition": (
                f'attachment; filename="curfew-prices-{now:%Y%m%dT%H%M%SZ}.csv"'
            ),
            "X-Content-Type-Options": "nosniff",
        },
    )


def _form_page(request: SignedInRequest, form: PriceForm) -> HttpResponse:
    context = {
        "current": "prices",
        "form": form,
        "flavors": sorted({item.flavor for item in fleet_flavors()}),
        "currencies": currencies(),
        "zone": report_zone(),
    }
    status = 422 if form.is_bound else 200
    return render(request, "costs/price_form.html", context, status=status)


def _initial(request: SignedInRequest) -> dict[str, Any]:
    day = today()
    cloud = request.GET.get("cloud", "")[:255] or Price.ANY_CLOUD
    flavor = request.GET.get("flavor", "")[:255].replace("\0", "")
    values: dict[str, Any] = {"cloud": cloud, "flavor": flavor, "valid_from": day}
    values["currency"] = next(iter(currencies()), "")
    same = Price.objects.filter(cloud=cloud.replace("\0", ""), flavor=flavor)
    latest = same.filter(valid_from__lte=day).order_by("-valid_from").first()
    if latest:
        values |= {
            "running": latest.running,
            "stopped": latest.stopped,
            "currency": latest.currency,
        }
    return values


def _clouds() -> list[str]:
    """Return the clouds of the fleet, and others that prices name."""
    named = Price.objects.exclude(cloud=Price.ANY_CLOUD).values_list("cloud", flat=True)
    return sorted({*cloud_names(), *named})


def _outcome(written: price_services.Written) -> str:
    if written.added:
        return _("Price added.")
    return (
        _("Price replaced.") if written.replaced else _("This price was set already.")
    )


def _reach(new: Price) -> str:
    number = sum(
        item.instances
        for item in fleet_flavors()
        if matches(new, item.cloud, item.flavor)
    )
    text = ngettext(
        "%(number)s instance has such a flavor.",
        "%(number)s instances have such a flavor.",
        number,
    )
    return text % {"number": number}


def _named(price: Price) -> dict[str, str]:
    return {"flavor": price.flavor}


def _price(pk: int) -> Price:
    return get_object_or_404(Price, pk=min(pk, _MOST_PK))


def _require_right(request: SignedInRequest) -> None:
    if not can_set_prices(request.user):
        raise PermissionDenied(_("Only admins can set prices."))
