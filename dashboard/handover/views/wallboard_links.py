from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from dashboard.accounts.http import SignedInRequest
from dashboard.handover import wallboard_services
from dashboard.handover.forms import WallForm, WallNameForm
from dashboard.handover.models import WallLink
from dashboard.saved.models import SavedView

from .handovers import LAST_KEY, tabs

PER_PAGE = 25


@require_http_methods(["GET", "HEAD", "POST"])
def links(request: SignedInRequest) -> HttpResponse:
    """List the links; a POST creates one.

    Returns:
        For a POST 303 to the same page; 422 with an invalid form.
    """
    wallboard_services.require_operator(request.user)
    views = SavedView.objects.visible_to(request.user).order_by("name", "pk")
    if request.method == "POST":
        form = WallForm(request.POST, views=views)
        if form.is_valid():
            try:
                link = wallboard_services.make(actor=request.user, **form.cleaned_data)
            except wallboard_services.WallError as error:
                form.add_error(None, str(error))
            else:
                messages.success(
                    request,
                    _("“%(link)s” created. Open its link on your screen.")
                    % {"link": link},
                )
                return _to_links()
    else:
        zone = timezone.get_current_timezone_name()
        form = WallForm(initial={"zone": zone, "scheme": "dark"}, views=views)
    queryset = WallLink.objects.select_related("view", "made_by", "revoked_by")
    used = queryset.filter(revoked_at=None)
    revoked = queryset.exclude(revoked_at=None).order_by("-revoked_at", "-pk")
    page = Paginator(revoked, PER_PAGE).get_page(request.GET.get("page"))
    context = {
        "form": form,
        "lines": [(link, _address(request, link)) for link in used],
        "page": page,
        "pages": page.paginator.get_elided_page_range(page.number, on_ends=1),
        **tabs(request, "walls"),
    }
    status = 422 if form.is_bound else 200
    return render(request, "handover/walls.html", context, status=status)


@require_http_methods(["GET", "HEAD", "POST"])
def link(request: SignedInRequest, link_id: int) -> HttpResponse:
    """Show a link; a POST renames it.

    Returns:
        For a POST 303 to the list; 422 with an invalid form; 404 for an unknown or
        revoked link.
    """
    wallboard_services.require_operator(request.user)
    used = WallLink.objects.select_related("view", "made_by").filter(revoked_at=None)
    wall = get_object_or_404(used, pk=min(link_id, LAST_KEY))
    data = request.POST if request.method == "POST" else None
    form = WallNameForm(data, initial={"name": wall.name})
    if form.is_valid():
        wall = wallboard_services.rename(
            link=wall, actor=request.user, **form.cleaned_data
        )
        messages.success(request, _("“%(saved)s” saved.") % {"saved": wall.name})
        return _to_links()
    context = {"form": form, "link": wall, **tabs(request, "walls")}
    status = 422 if form.is_bound else 200
    return render(request, "handover/wall_link.html", context, status=status)


@require_POST
def revoke(request: SignedInRequest, link_id: int) -> HttpResponse:
    wallboard_services.require_operator(request.user)
    link = get_object_or_404(WallLink, pk=min(link_id, LAST_KEY))
    wallboard_services.revoke(link=link, actor=request.user)
    messages.success(
        request,
        _("“%(link)s” revoked. Screens that use it stop showing data within seconds.")
        % {"link": link},
    )
    return _to_links()


def _address(request: SignedInRequest, link: WallLink) -> str:
    path = reverse("handover:wall", args=[wallboard_services.token(link)])
    return request.build_absolute_uri(path)


def _to_links() -> HttpResponse:
    return HttpResponseRedirect(reverse("handover:walls"), status=303)
