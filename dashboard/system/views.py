"""How Curfew itself is doing. Operators read it, admins also act."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib import messages as notes
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from dashboard.accounts.http import SignedInRequest, View
from dashboard.accounts.permissions import can_operate_system, can_see_system
from dashboard.instances.models import Cloud
from dashboard.livepoll.pages import layout_hash, not_modified, poller
from dashboard.reminders.recipients import may_mail
from dashboard.version import VERSION
from dashboard.web.release import release

from . import release_notes as notes_of_releases, services
from .overview import overview

POLL_SECONDS = 5


def _operators_only(view: View) -> View:
    """Respond with 404 to users who do not see the system."""

    @wraps(view)
    def checked(request: SignedInRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not can_see_system(request.user):
            raise Http404
        return view(request, *args, **kwargs)

    return checked


@require_safe
@_operators_only
def system(request: SignedInRequest) -> HttpResponse:
    """Show the checks, clouds, workers and parts of the system."""
    services.request_due_checks()
    return render(request, "system/system.html", _context(request))


@require_safe
@_operators_only
def changes(request: SignedInRequest) -> HttpResponse:
    """Answer the poll; 204 when the page would look the same."""
    services.request_due_checks()
    context = _context(request)
    if request.GET.get("layout") == context["layout"]:
        return not_modified()
    return render(request, "system/system.html#changes", context)


@require_POST
@_operators_only
def check(request: SignedInRequest) -> HttpResponse:
    """Have the workers run all checks; 302 back to the page."""
    return _started(
        request,
        lambda: services.request_checks(actor=request.user),
        _("Checking. The results appear on this page."),
    )


@require_POST
@_operators_only
def refresh(request: SignedInRequest, cloud: str) -> HttpResponse:
    """Have a worker read a cloud; 302 back to the page."""
    row = get_object_or_404(Cloud, name=cloud, unconfigured_since=None)
    return _started(
        request,
        lambda: services.request_refresh(cloud=row, actor=request.user),
        _("Reading %(cloud)s. The result appears on this page.") % {"cloud": row.name},
    )


@require_POST
@_operators_only
def send_mail(request: SignedInRequest) -> HttpResponse:
    """Have a worker send a mail to oneself; 302 back to the page."""
    return _started(request, lambda: services.request_test_mail(actor=request.user), "")


@require_safe
@_operators_only
def release_notes(request: SignedInRequest) -> HttpResponse:
    """Show the newest section of the changelog.

    Returns:
        404 where it is not installed.
    """
    newest = notes_of_releases.newest()
    if newest is None:
        raise Http404
    return render(request, "system/release_notes.html", {"newest": newest})


def _started(
    request: SignedInRequest, start: Callable[[], None], success: str
) -> HttpResponse:
    try:
        start()
    except services.NotEnqueuedError:
        notes.error(
            request,
            _("Nothing was started: the broker does not answer. See “Broker” below."),
        )
    except services.NoMailError:
        notes.error(
            request, _("There is no mail server, or your account has no address.")
        )
    else:
        if success:
            notes.success(request, success)
    return redirect("system:overview")


def _context(request: SignedInRequest) -> dict[str, Any]:
    found = overview(request.user)
    layout = layout_hash(found)
    return {
        "system": found,
        "may_act": can_operate_system(request.user),
        "may_mail": may_mail(request.user),
        "version": VERSION,
        "release": release(),
        "has_notes": notes_of_releases.newest() is not None,
        "layout": layout,
        "poller": poller(
            request,
            reverse("system:changes"),
            {"layout": layout},
            interval_seconds=2 if found.is_checking else POLL_SECONDS,
        ),
    }
