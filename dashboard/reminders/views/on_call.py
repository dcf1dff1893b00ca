"""Who is on call, and the roster."""

from django.contrib import messages as notes
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _, ngettext
from django.views.decorators.http import require_http_methods

from dashboard.accounts.http import SignedInRequest
from dashboard.accounts.models import User
from dashboard.accounts.permissions import can_acknowledge, can_manage_channels
from dashboard.reminders import selectors, services
from dashboard.reminders.forms import RosterForm
from dashboard.reminders.on_call import duty_at

UNPROCESSABLE = 422


@require_http_methods(["GET", "HEAD", "POST"])
def on_call(request: SignedInRequest) -> HttpResponse:
    """Show who is on call; a POST of an admin replaces the roster.

    Returns:
        For a POST 302 to the same page; 422 for a file that cannot be read; 403 without
        permission.
    """
    if not can_acknowledge(request.user):
        raise PermissionDenied(_("Only operators and admins can be on call."))
    if request.method == "POST":
        services.require_channel_manager(request.user)
    form = RosterForm(
        request.POST if request.method == "POST" else None, request.FILES or None
    )
    if form.is_bound and form.is_valid():
        shifts = services.replace_roster(
            roster=form.cleaned_data["file"], actor=request.user
        )
        number = len(shifts)
        text = ngettext("%(number)s shift read.", "%(number)s shifts read.", number)
        notes.success(request, text % {"number": number})
        return redirect("reminders:on_call")
    duty = duty_at(timezone.now())
    people = User.objects.in_bulk([pk for pk in duty if pk])
    context = {
        "current": "on_call",
        "form": form,
        "may_replace": can_manage_channels(request.user),
        "on_call": people.get(duty.person_pk),
        "next": people.get(duty.next_pk),
        "shifts": selectors.coming_shifts(),
        "unknown": selectors.names_without_account(),
        "covered_until": selectors.roster_end(),
    }
    status = UNPROCESSABLE if form.is_bound else 200
    return render(request, "reminders/on_call.html", context, status=status)
