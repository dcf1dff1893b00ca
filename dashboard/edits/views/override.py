"""Override the schedules of an instance for some time, and end that."""

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import (
    require_http_methods,
    require_POST,
    require_safe,
)
from django_htmx.http import HttpResponseClientRedirect

from dashboard.accounts.http import SignedInRequest
from dashboard.accounts.permissions import can_edit, has_own_page
from dashboard.edits import keeping
from dashboard.edits.models import Edit
from dashboard.edits.override_forms import OverrideForm, OverrideOptions
from dashboard.edits.return_path import return_path
from dashboard.instances import availability, countdown
from dashboard.instances.models import Instance
from dashboard.policies.selectors import tabs
from dashboard.schedules import overrides
from dashboard.schedules.models import Override

from .common import NOT_YOURS, accepted, find_instance, in_popover, leave, refusal

KIND = Edit.Kind.UPDATE


PER_PAGE = 50


@require_safe
def override_list(request: SignedInRequest) -> HttpResponse:
    """List the overrides in effect, the next end first.

    Query parameters:
        whose: ``mine`` or ``all``; by default, ``mine`` for scientists.
        page: From 1.
    """
    whose = request.GET.get("whose", "")
    own = whose == "mine" or (whose != "all" and has_own_page(request.user))
    instances = Instance.objects.visible_to(request.user)
    if own:
        instances = instances.owned_by(request.user)
    rows = overrides.in_effect(timezone.now()).filter(instance__in=instances)
    page = Paginator(rows, PER_PAGE).get_page(request.GET.get("page"))
    context = {
        "page": page,
        "pages": page.paginator.get_elided_page_range(page.number, on_ends=1),
        "rows": [(row, can_edit(request.user, row.instance.owner)) for row in page],
        "whose": "mine" if own else "all",
        **tabs(request.user, "overrides"),
    }
    return render(request, "schedules/overrides.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def override(request: SignedInRequest, cloud: str, instance_id: str) -> HttpResponse:
    """Show until when schedules can be overridden (GET), and do so (POST).

    Query parameters:
        kind: One of ``Override.Kind``; ``keep`` if it is absent.

    Form fields:
        See ``OverrideForm``.

    Returns:
        200 with the page; 303 (or ``HX-Redirect``) to where the person came from once
        it is in effect; 422 with the page and what is wrong; 403 for an instance that
        is not theirs; 409 for one that cannot be changed; 404 for an unknown one.
    """
    instance = find_instance(request, cloud, instance_id)
    if not can_edit(request.user, instance.owner):
        return refusal(request, instance, KIND, str(NOT_YOURS), status=403)
    if why_not := availability.why_not_editable(instance):
        return refusal(request, instance, KIND, str(why_not), status=409)
    if request.method != "POST":
        kind = request.GET.get("kind", "")
        known = kind if kind in Override.Kind.values else Override.Kind.KEEP.value
        return _page(request, instance, OverrideForm(initial={"kind": known}), known)
    form = OverrideForm(request.POST)
    if not form.is_valid():
        kind = request.POST.get("kind", "")
        known = kind if kind in Override.Kind.values else Override.Kind.KEEP.value
        return _page(request, instance, form, known, status=422)
    data, beyond = form.cleaned_data, None
    try:
        _override, submitted = keeping.start_override(
            instance=instance,
            actor=request.user,
            kind=data["kind"],
            until=data["until"],
            starts_again=data["starts_again"],
            reason=data["reason"],
        )
    except overrides.BeyondPoliciesError as error:
        beyond = error
    except overrides.OverrideError as error:
        form.add_error(None, str(error))
    else:
        if in_popover(request) and submitted is None:
            return accepted(text=_("Saved."))
        return leave(request, instance, submitted)
    return _page(request, instance, form, data["kind"], beyond=beyond, status=422)


@require_POST
def end(request: SignedInRequest, cloud: str, instance_id: str) -> HttpResponse:
    """End the override of an instance.

    Returns:
        303 (or ``HX-Redirect``) to where the person came from, 202 in a popover, also
        when it had just ended; 403 for an instance that is not theirs; 404 for an
        unknown one.
    """
    instance = find_instance(request, cloud, instance_id)
    if not can_edit(request.user, instance.owner):
        return refusal(request, instance, KIND, str(NOT_YOURS), status=403)
    current = overrides.overrides_of([instance], timezone.now()).get(instance.pk)
    text = _("The override has ended. Schedules apply again.")
    if current is not None:
        try:
            overrides.end_override(override=current, actor=request.user)
        except overrides.OverrideError as error:
            text = str(error)
    if in_popover(request):
        return accepted(text=text)
    messages.success(request, text)
    url = return_path(request, instance.get_absolute_url())
    if request.htmx:
        return HttpResponseClientRedirect(url)
    return HttpResponseRedirect(url, status=303)


def _page(
    request: SignedInRequest,
    instance: Instance,
    form: OverrideForm,
    kind: str,
    *,
    beyond: overrides.BeyondPoliciesError | None = None,
    status: int = 200,
) -> HttpResponse:
    now = timezone.now()
    chosen = form.cleaned_data.get("until") if form.is_bound else None
    context = {
        "back": return_path(request, instance.get_absolute_url()),
        "instance": instance,
        "kind": kind,
        "this_run": countdown.this_run(instance, now),
        "options": OverrideOptions(instance, kind, request.user, now),
        "form": form,
        "beyond": beyond,
        "chosen": chosen,
        "in_popover": in_popover(request),
    }
    template = "edits/override.html#form" if request.htmx else "edits/override.html"
    return render(request, template, context, status=status)
