"""The choice of the clouds that form the fleet."""

from typing import Any, NamedTuple

from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from dashboard.accounts.http import SignedInRequest
from dashboard.livepoll.pages import not_modified, poller
from dashboard.modelarts.errors import ConfigurationError
from dashboard.setup import answers, known_clouds, services
from dashboard.setup.answers import Answer
from dashboard.setup.forms import ChoiceForm
from dashboard.setup.http import (
    INTERVAL_SECONDS,
    not_written,
    remember,
    started,
    where_allowed,
)
from dashboard.setup.known_clouds import KnownClouds

CHECK = "setup_check"
"""Key of the session."""


@require_http_methods(["GET", "HEAD", "POST"])
@where_allowed
def clouds(request: SignedInRequest) -> HttpResponse:
    """Show the configured clouds, each read once, and save which form the fleet.

    Form fields:
        ``clouds``: a name, once for each cloud of the fleet.
        ``again``: read them again instead.

    Returns:
        200 with the page; 303 to what the workers make of the choice; 422 with errors.
    """
    try:
        known = known_clouds.known_clouds()
    except ConfigurationError as error:
        context = {"problem": error.sentence}
        return render(request, "setup/clouds.html", context)
    if "again" in request.POST:
        request.session.pop(CHECK, None)
        return HttpResponseRedirect(reverse("setup:clouds"), status=303)
    form = ChoiceForm(
        request.POST if request.method == "POST" else None, names=known.names
    )
    if form.is_bound and form.is_valid() and not known_clouds.is_fixed():
        try:
            services.choose_clouds(
                names=form.cleaned_data["clouds"],
                known=known.names,
                actor=request.user,
            )
        except OSError as error:
            form.add_error(None, not_written(error))
        else:
            return HttpResponseRedirect(reverse("setup:ready"), status=303)
    is_broken = bool(known.names) and not _start_checks(request, known.names)
    context = _clouds_context(request, known) | {"form": form, "is_broken": is_broken}
    status = 422 if form.is_bound else 200
    return render(request, "setup/clouds.html", context, status=status)


@require_safe
@where_allowed
def clouds_changes(request: SignedInRequest) -> HttpResponse:
    """Fragment: the answers of the clouds that came since.

    Query parameters:
        ``done``: How many the page shows.

    Returns:
        200 with ``setup/clouds.html#changes``; 204 without news.
    """
    try:
        context = _clouds_context(request, known_clouds.known_clouds())
    except ConfigurationError:
        return not_modified()
    if request.GET.get("done") == str(context["done"]) and context["poller"]:
        return not_modified()
    return render(request, "setup/clouds.html#changes", context)


def _start_checks(request: SignedInRequest, names: list[str]) -> bool:
    """Have the clouds read unless they were lately; return whether that is possible."""
    begun = started(request, CHECK)
    if begun and begun.names == names:
        return True
    try:
        check_id = services.start_checks(names)
    except services.NotEnqueuedError:
        request.session.pop(CHECK, None)
        return False
    remember(request, CHECK, check_id, names)
    return True


class _Row(NamedTuple):
    name: str
    can_be_chosen: bool
    is_chosen: bool
    answer: Answer | None


def _clouds_context(request: SignedInRequest, known: KnownClouds) -> dict[str, Any]:
    begun = started(request, CHECK)
    found = answers.find(begun.key, known.names) if begun else {}
    is_lost = bool(begun and begun.is_over)
    is_waiting = begun and not is_lost and len(found) < len(known.names)
    chosen = request.POST.getlist("clouds") or known_clouds.chosen_clouds(known.names)
    return {
        "known": known,
        "rows": [
            _Row(
                name, known_clouds.can_be_chosen(name), name in chosen, found.get(name)
            )
            for name in known.names
        ],
        "done": len(found),
        "is_lost": is_lost,
        "is_fixed": known_clouds.is_fixed(),
        "chosen": chosen,
        "poller": is_waiting
        and poller(
            request,
            reverse("setup:clouds_changes"),
            {"done": len(found)},
            interval_seconds=INTERVAL_SECONDS,
        ),
    }
