"""Change the settings of an instance, start it, stop it."""

import secrets
from collections.abc import Sequence

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext
from django.views.decorators.http import require_http_methods

from dashboard.accounts.http import SignedInRequest
from dashboard.accounts.permissions import can_edit
from dashboard.edits import display, selectors, services
from dashboard.edits.forms import SettingsForm, settings_form
from dashboard.edits.models import Edit
from dashboard.edits.return_path import return_path
from dashboard.edits.run_forms import StartForm, cost_of_start
from dashboard.edits.snapshot import FormSnapshot, SnapshotError
from dashboard.instances import availability, countdown
from dashboard.instances.edit_states import EditKind
from dashboard.instances.models import Instance
from dashboard.policies.rules import Violation

from .common import (
    NOT_YOURS,
    accepted,
    edit_slot,
    find_instance,
    in_popover,
    leave,
    refusal,
)


@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: SignedInRequest, cloud: str, instance_id: str) -> HttpResponse:
    """Show the form of an instance's settings (GET), and submit it (POST).

    Returns:
        200 with the form; 303 (or ``HX-Redirect``) to the instance once the edit is
        accepted; 422 with the form and its text for an invalid value, a form that is
        too old, a conflict or a policy; 403 for an instance that is not theirs; 409 for
        one that can no longer be edited (htmx: with the form); 404 for an unknown one.
    """
    instance = find_instance(request, cloud, instance_id)
    if not can_edit(request.user, instance.owner):
        return refusal(request, instance, Edit.Kind.UPDATE, str(NOT_YOURS), status=403)
    # The description may change in every status; ModelArts itself refuses auto-stop in
    # those that ``why_auto_stop_fixed`` names.
    if why_not := availability.why_not_editable(instance):
        if request.htmx and request.method == "POST":
            form = settings_form(
                instance, request.POST, snapshot=FormSnapshot.now(instance)
            )
            return _form_page(request, instance, form, why_not=str(why_not))
        return refusal(request, instance, Edit.Kind.UPDATE, str(why_not), status=409)
    if request.method == "POST":
        return _save(request, instance)
    return _form_page(
        request, instance, settings_form(instance, snapshot=FormSnapshot.now(instance))
    )


@require_http_methods(["GET", "HEAD", "POST"])
def start(request: SignedInRequest, cloud: str, instance_id: str) -> HttpResponse:
    """Ask for confirmation (GET), and submit a start (POST); returns as ``stop``."""
    return _power(request, find_instance(request, cloud, instance_id), Edit.Kind.START)


@require_http_methods(["GET", "HEAD", "POST"])
def stop(request: SignedInRequest, cloud: str, instance_id: str) -> HttpResponse:
    """Say what a stop loses (GET), and submit it (POST).

    Returns:
        200 with the question; 303 to the instance once the change is accepted; 403 for
        an instance that is not theirs; 409 when its status does not allow it; 404 for
        an unknown one.
    """
    return _power(request, find_instance(request, cloud, instance_id), Edit.Kind.STOP)


def _save(request: SignedInRequest, instance: Instance) -> HttpResponse:
    token = request.POST.get("seen", "")
    try:
        snapshot = (
            FormSnapshot.read(token, instance) if token else FormSnapshot.now(instance)
        )
    except SnapshotError:
        form = settings_form(
            instance, request.POST, snapshot=FormSnapshot.now(instance)
        )
        return _form_page(request, instance, form, is_too_old=True)
    form = settings_form(instance, request.POST, snapshot=snapshot)
    if not form.is_valid():
        return _form_page(request, instance, form)
    patch = form.patch()
    if not patch:
        nothing = gettext("No changes to save.")
        if in_popover(request) or edit_slot(request):
            return accepted(text=nothing)
        messages.info(request, nothing)
        return leave(request, instance)
    try:
        submitted = services.submit_edit(
            instance=instance,
            actor=request.user,
            patch=patch,
            base=snapshot.settings.as_dict(),
            key=snapshot.nonce,
        )
    except services.EditConflictError as conflict:
        # Untouched fields get their current values, so that saving again keeps them.
        reopened = settings_form(
            instance, snapshot=FormSnapshot.now(instance), changes=patch
        )
        conflicts = [
            display.conflict(
                difference,
                selectors.edit_behind(instance, difference.field, difference.current),
            )
            for difference in conflict.differences
        ]
        return _form_page(request, instance, reopened, conflicts=conflicts)
    except services.RuleRefusedError as refused:
        return _form_page(request, instance, form, violations=refused.violations)
    return leave(request, instance, submitted)


def _form_page(
    request: SignedInRequest,
    instance: Instance,
    form: SettingsForm,
    *,
    conflicts: list[display.Conflict] | None = None,
    is_too_old: bool = False,
    violations: Sequence[Violation] = (),
    why_not: str = "",
) -> HttpResponse:
    context = {
        "back": return_path(request, instance.get_absolute_url()),
        "why_not": why_not,
        "slot": edit_slot(request),
        "instance": instance,
        "form": form,
        "capabilities": instance.capabilities,
        "explanation": availability.what_is_possible(instance),
        "may_extend": not availability.why_not_extendable(instance),
        "seen": form.snapshot.token(instance),
        "this_run": countdown.this_run(instance, timezone.now()),
        "conflicts": conflicts or [],
        "is_too_old": is_too_old,
        "violations": violations,
        "open_edits": instance.edits.filter(state__in=Edit.OPEN).select_related(
            "actor"
        ),
    }
    template = "edits/edit.html#form" if request.htmx else "edits/edit.html"
    if in_popover(request) and instance.capabilities.has_auto_stop_setting:
        template = "edits/edit.html#popover"
    refused = bool(form.errors or conflicts or is_too_old or violations)
    # htmx swaps 409 and 422, too: see ``responseHandling`` in base.html.
    status = 409 if why_not else 422 if refused else 200
    return render(request, template, context, status=status)


def _power(
    request: SignedInRequest, instance: Instance, kind: EditKind
) -> HttpResponse:
    starts = kind == Edit.Kind.START
    why_not = (
        availability.why_not_startable if starts else availability.why_not_stoppable
    )(instance)
    if not can_edit(request.user, instance.owner):
        return refusal(request, instance, kind, str(NOT_YOURS), status=403)
    if why_not:
        return refusal(request, instance, kind, str(why_not), status=409)
    form, is_post = None, request.method == "POST"
    if starts and not instance.capabilities.has_auto_stop_setting:
        data = request.POST if is_post else None
        form = StartForm(data, instance=instance, now=timezone.now())
    if not is_post:
        return _power_page(request, instance, starts=starts, form=form)
    if form and not form.is_valid():
        return _power_page(request, instance, starts=starts, form=form, status=422)
    try:
        submitted = services.submit_power(
            instance=instance,
            actor=request.user,
            kind=kind,
            patch=form.cleaned_data["patch"] if form else None,
            key=request.POST.get("key", ""),
        )
    except services.RuleRefusedError as refused:
        if form:
            # With another run time it may be possible.
            violations = refused.violations
            return _power_page(
                request,
                instance,
                starts=True,
                form=form,
                violations=violations,
                status=409,
            )
        return refusal(
            request,
            instance,
            kind,
            str(refused),
            status=409,
            violations=refused.violations,
        )
    return leave(request, instance, submitted)


def _power_page(
    request: SignedInRequest,
    instance: Instance,
    *,
    starts: bool,
    form: StartForm | None,
    violations: Sequence[Violation] = (),
    status: int = 200,
) -> HttpResponse:
    context = {
        "instance": instance,
        "back": return_path(request, instance.get_absolute_url()),
        "starts": starts,
        "form": form,
        "violations": violations,
        "cost": starts and cost_of_start(instance, form),
        "key": request.POST.get("key") or secrets.token_urlsafe(12),
        "this_run": countdown.this_run(instance, timezone.now()),
        "next_run": countdown.next_run(instance),
        "in_popover": in_popover(request),
    }
    template = "edits/power.html#question" if request.htmx else "edits/power.html"
    return render(request, template, context, status=status)
