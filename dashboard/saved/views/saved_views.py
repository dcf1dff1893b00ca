from collections.abc import Callable
from functools import wraps

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse, HttpResponseBadRequest, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import (
    require_http_methods,
    require_POST,
    require_safe,
)

from dashboard.accounts.http import SignedInRequest
from dashboard.accounts.permissions import has_own_page
from dashboard.instances.filters import OWN_PAGE
from dashboard.saved import services
from dashboard.saved.forms import (
    DefaultViewForm,
    DisplayForm,
    NewViewForm,
    ViewForm,
)
from dashboard.saved.models import SavedView
from dashboard.saved.permissions import can_change
from dashboard.saved.queries import describe, normalized, read
from dashboard.saved.selectors import default_view


def default_view_or(home: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Redirect to the person's default view, if they have one."""

    @wraps(home)
    def wrapper(request: SignedInRequest) -> HttpResponse:
        view = None if OWN_PAGE in request.GET else default_view(request.user)
        return redirect(view) if view else home(request)

    return require_safe(wrapper)


@require_safe
def saved_views(request: SignedInRequest) -> HttpResponse:
    lines = []
    for view in SavedView.objects.for_menu(request.user):
        query = read(view.query)
        lines.append(
            {
                "view": view,
                "words": describe(query),
                "ignored": query.ignored,
                "is_mine": view.owner_id == request.user.pk,
                "may_change": can_change(request.user, view),
            }
        )
    context = {"lines": lines, "has_own_page": has_own_page(request.user)}
    return render(request, "saved/list.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def new_view(request: SignedInRequest) -> HttpResponse:
    """The form of a new view; its query is that of the list.

    Returns:
        200 with the form; 302 to the list; 422 with the form and its errors; 403 for a
        shared view of a viewer.
    """
    data = request.POST if request.method == "POST" else None
    query = request.GET.urlencode() if data is None else data.get("query", "")
    form = NewViewForm(data, initial={"query": query}, user=request.user)
    _refuse_sharing(request, form)
    if form.is_valid():
        try:
            view = services.save_view(actor=request.user, **form.cleaned_data)
        except services.ViewError as error:
            form.add_error("name", str(error))
        else:
            messages.success(request, _("Saved as “%(view)s”.") % {"view": view.name})
            return redirect(view)
    return _form(request, form, query=query)


@require_http_methods(["GET", "HEAD", "POST"])
def view(request: SignedInRequest, view_id: int) -> HttpResponse:
    """The form of a view.

    Returns:
        As ``new_view``; 404 for an invisible view, 403 for one of another person.
    """
    saved = _changeable(request, view_id)
    data = request.POST if request.method == "POST" else None
    initial = {"name": saved.name, "shared": saved.shared}
    form = ViewForm(data, initial=initial, user=request.user, view=saved)
    _refuse_sharing(request, form)
    if form.is_valid():
        try:
            services.change_view(view=saved, actor=request.user, **form.cleaned_data)
        except services.ViewError as error:
            form.add_error("name", str(error))
        else:
            messages.success(request, _("“%(saved)s” saved.") % {"saved": saved.name})
            return redirect("saved:list")
    return _form(request, form, query=saved.query, view=saved)


@require_POST
def delete(request: SignedInRequest, view_id: int) -> HttpResponse:
    saved = _changeable(request, view_id)
    services.delete_view(view=saved, actor=request.user)
    messages.success(request, _("“%(saved)s” deleted.") % {"saved": saved.name})
    return redirect("saved:list")


@require_POST
def set_default(request: SignedInRequest) -> HttpResponse:
    """Set the default view, by ``view``: its key, or empty for none.

    Returns:
        302 to the views; 400 for an invalid key; 404 for an invisible view.
    """
    form = DefaultViewForm(request.POST)
    if not form.is_valid():
        return HttpResponseBadRequest()
    key = form.cleaned_data["view"]
    visible = SavedView.objects.visible_to(request.user)
    services.set_default_view(
        actor=request.user, view=get_object_or_404(visible, pk=key) if key else None
    )
    return redirect("saved:list")


@require_POST
def set_display(request: SignedInRequest) -> HttpResponse:
    """Set how the person sees the list; the fields are those of ``DisplayForm``.

    Returns:
        302 to the list, with a message if a value is invalid.
    """
    form = DisplayForm(request.POST)
    if form.is_valid():
        services.set_display(
            actor=request.user,
            display=form.display(),
            time_zone=form.cleaned_data["time_zone"],
        )
    else:
        faults = " ".join(str(text) for texts in form.errors.values() for text in texts)
        messages.error(request, _("Not saved.") + f" {faults}")
    query = normalized(read(form.cleaned_data.get("query", "")))
    return redirect(SavedView(query=query))


def _changeable(request: SignedInRequest, view_id: int) -> SavedView:
    visible = SavedView.objects.visible_to(request.user).select_related("owner")
    # A larger number would be an error in the database.
    saved = get_object_or_404(visible, pk=min(view_id, 2**63 - 1))
    if not can_change(request.user, saved):
        raise PermissionDenied(_("You can change only your own views."))
    return saved


def _refuse_sharing(request: SignedInRequest, form: ViewForm) -> None:
    # The form does not have this field, so this request was made by hand.
    if "shared" not in form.fields and request.POST.get("shared"):
        raise PermissionDenied(_("Viewers cannot share views."))


def _form(
    request: SignedInRequest,
    form: ViewForm,
    *,
    query: str,
    view: SavedView | None = None,
) -> HttpResponse:
    list_query = read(query)
    context = {
        "form": form,
        "view": view,
        "query": QueryDict(query),
        "words": describe(list_query),
        "ignored": list_query.ignored,
    }
    status = 422 if form.is_bound else 200
    return render(request, "saved/view.html", context, status=status)
