"""Pages of teams, for admins."""

from django.contrib import messages
from django.db.models import Count
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import (
    require_http_methods,
    require_POST,
    require_safe,
)

from dashboard.accounts import selectors
from dashboard.accounts.forms import TeamForm
from dashboard.accounts.http import SignedInRequest, admins_only
from dashboard.accounts.models import Team
from dashboard.accounts.teams import TeamInUseError, delete_team, save_team


@require_safe
@admins_only
def teams(request: SignedInRequest) -> HttpResponse:
    every = Team.objects.select_related("deputy").prefetch_related(
        "owners", "workspaces"
    )
    context = {"current": "teams", "teams": every.annotate(number=Count("members"))}
    return render(request, "people/teams.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@admins_only
def add(request: SignedInRequest) -> HttpResponse:
    """Show the form for a new team, or create it; 422 with the errors."""
    return _edit(request, None)


@require_http_methods(["GET", "HEAD", "POST"])
@admins_only
def team(request: SignedInRequest, team_id: int) -> HttpResponse:
    """Show a team, or save it; 422 with the errors."""
    return _edit(request, get_object_or_404(Team, pk=team_id))


@require_POST
@admins_only
def delete(request: SignedInRequest, team_id: int) -> HttpResponse:
    """Delete a team; 409 if something refers to it."""
    team = get_object_or_404(Team, pk=team_id)
    try:
        delete_team(team=team, actor=request.user)
    except TeamInUseError as error:
        messages.error(
            request,
            _("Not deleted: this team is used by %(users)s. Change that first.")
            % {"users": error},
        )
        return _page(request, TeamForm(team=team), 409)
    messages.success(request, _("Team %(name)s deleted.") % {"name": team})
    return HttpResponseRedirect(reverse("people:teams"), status=303)


def _edit(request: SignedInRequest, team: Team | None) -> HttpResponse:
    form = TeamForm(request.POST if request.method == "POST" else None, team=team)
    if not form.is_valid():
        return _page(request, form, 422 if form.is_bound else 200)
    save_team(team=team, actor=request.user, **form.cleaned_data)
    name = form.cleaned_data["name"]
    messages.success(request, _("Team %(name)s saved.") % {"name": name})
    return HttpResponseRedirect(reverse("people:teams"), status=303)


def _page(request: SignedInRequest, form: TeamForm, status: int) -> HttpResponse:
    context = {"current": "teams", "form": form, "team": form.team}
    if form.team:
        context["identifiers"] = sorted(selectors.owner_identifiers(form.team))
        context["channels"] = selectors.channels_of_team.get()(form.team)
    return render(request, "people/team.html", context, status=status)
