"""Import of prices from a CSV file, for admins."""

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _, ngettext
from django.views.decorators.http import require_http_methods

from dashboard.accounts.http import SignedInRequest
from dashboard.accounts.permissions import can_set_prices
from dashboard.costs import price_csv, price_import, price_services
from dashboard.costs.price_forms import ImportForm
from dashboard.costs.price_import import Plan
from dashboard.web.csv_files import UnreadableError


@require_http_methods(["GET", "HEAD", "POST"])
def import_prices(request: SignedInRequest) -> HttpResponse:
    """Show the form, the preview of an import, or import.

    ``confirm`` is the fingerprint of the plan that the person has seen.

    Returns:
        200 with the form or the preview; 303 after the import; 409 with another preview
        if the plan has changed since; 422 with what is wrong with the file.
    """
    if not can_set_prices(request.user):
        raise PermissionDenied(_("Only admins can set prices."))
    if request.method != "POST":
        return _page(request, ImportForm())
    form = ImportForm(request.POST, request.FILES)
    if not form.is_valid():
        return _page(request, form, status=422)
    try:
        plan = price_import.build_plan(form.cleaned_data["text"])
    except UnreadableError as error:
        form.add_error(None, str(error))
        return _page(request, form, status=422)
    confirmed = request.POST.get("confirm")
    if not confirmed:
        return _page(request, form, plan)
    if confirmed != plan.fingerprint:
        text = _("Prices have changed since. Check the preview again.")
        messages.error(request, text)
        return _page(request, form, plan, status=409)
    try:
        price_services.set_prices(prices=plan.prices, actor=request.user)
    except price_services.PriceError as error:
        messages.error(request, str(error))
        return _page(request, form, plan, status=409)
    _say(request, plan)
    return HttpResponseRedirect(reverse("costs:prices"), status=303)


def _say(request: SignedInRequest, plan: Plan) -> None:
    sentences = [
        ngettext("%(number)s price added.", "%(number)s prices added.", plan.added)
        % {"number": plan.added},
        ngettext("%(number)s replaced.", "%(number)s replaced.", plan.changed)
        % {"number": plan.changed},
    ]
    if plan.skipped:
        skipped = ngettext(
            "%(number)s line skipped.", "%(number)s lines skipped.", plan.skipped
        )
        sentences.append(skipped % {"number": plan.skipped})
    messages.success(request, " ".join(sentences))


def _page(
    request: SignedInRequest,
    form: ImportForm,
    plan: Plan | None = None,
    *,
    status: int = 200,
) -> HttpResponse:
    context = {
        "current": "prices",
        "form": form,
        "plan": plan,
        "columns": price_csv.COLUMNS,
    }
    return render(request, "costs/price_import.html", context, status=status)
