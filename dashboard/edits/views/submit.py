"""Wishing: change the settings of an instance, start it, stop it."""

import secrets
from collections.abc import Sequence
from typing import Any

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.utils.translation import gettext, gettext_lazy
from django.views.decorators.http import require_http_methods
from django_htmx.http import HttpResponseClientRedirect

from dashboard.accounts.http import SignedInRequest
from dashboard.accounts.permissions import can_edit
from dashboard.edits import display, selectors, services
from dashboard.edits.forms import EditForm
from dashboard.edits.models import Edit
from dashboard.edits.return_path import return_path
from dashboard.edits.snapshot import FormSnapshot, SnapshotError
from dashboard.instances import availability, countdown
from dashboard.instances.edit_states import EditKind
from dashboard.instances.models import Instance
from dashboard.policies.rules import Violation

NOT_YOURS = gettext_lazy(
    "You don't have permission to change this instance. Ask its owner or an operator."
)
FILED = "edit"
"""Tag of a message whose text is an edit's key: a banner follows that edit."""


@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: SignedInRequest, cloud: str, instance_id: str) -> HttpResponse:
    """The form of one instance's settings, and its submission.

    Returns:
        200 with the form; 303 (or ``HX-Redirect``) to the instance once the edit is
        accepted; 422 with the form, all typed text in it, when a value is wrong, the
        form too old, somebody else changed the same field, or a rule forbids it; 403
        for an instance that is not theirs; 409 for one that can no longer be edited,
        for htmx with the form; 404 for an unknown one.
    """
    instance = _instance(request, cloud, instance_id)
    title = gettext("Edit")
    if not can_edit(request.user, instance.owner):
        return _refusal(request, instance, title, str(NOT_YOURS), status=403)
    if why_not := availability.why_not_editable(instance):
        if request.htmx and request.method == "POST":
            form = EditForm(request.POST, snapshot=FormSnapshot.now(instance))
            return _form_page(request, instance, form, why_not=str(why_not))
        return _refusal(request, instance, title, str(why_not), status=409)
    if request.method == "POST":
        return _save(request, instance)
    return _form_page(request, instance, EditForm(snapshot=FormSnapshot.now(instance)))


@require_http_methods(["GET", "HEAD", "POST"])
def start(request: SignedInRequest, cloud: str, instance_id: str) -> HttpResponse:
    """Ask whether to start the instance (GET), and have it started (POST).

    Returns:
        See ``stop``.
    """
    return _power(request, _instance(request, cloud, instance_id), Edit.Kind.START)


@require_http_methods(["GET", "HEAD", "POST"])
def stop(request: SignedInRequest, cloud: str, instance_id: str) -> HttpResponse:
    """Say what a stop loses (GET), and have the instance stopped (POST).

    Returns:
        200 with the question; 303 to the instance once the wish is accepted; 403 for an
        instance that is not theirs; 409 when its status does not allow it; 404 for an
        unknown one.
    """
    return _power(request, _instance(request, cloud, instance_id), Edit.Kind.STOP)


def _save(request: SignedInRequest, instance: Instance) -> HttpResponse:
    token = request.POST.get("seen", "")
    try:
        snapshot = (
            FormSnapshot.read(token, instance) if token else FormSnapshot.now(instance)
        )
    except SnapshotError:
        form = EditForm(request.POST, snapshot=FormSnapshot.now(instance))
        return _form_page(request, instance, form, is_too_old=True)
    form = EditForm(request.POST, snapshot=snapshot)
    if not form.is_valid():
        return _form_page(request, instance, form)
    patch = form.patch()
    if not patch:
        messages.info(request, gettext("No changes to save."))
        return _leave(request, instance)
    try:
        filed = services.submit_edit(
            instance=instance,
            actor=request.user,
            patch=patch,
            base=snapshot.settings.as_dict(),
            key=snapshot.nonce,
        )
    except services.EditConflictError as conflict:
        # What was not touched follows the cloud: saving again must not turn it back.
        again = EditForm(snapshot=FormSnapshot.now(instance), changes=patch)
        conflicts = [
            display.conflict(
                difference,
                selectors.edit_behind(instance, difference.field, difference.now),
            )
            for difference in conflict.differences
        ]
        return _form_page(request, instance, again, conflicts=conflicts)
    except services.RuleRefusedError as refusal:
        return _form_page(request, instance, form, violations=refusal.violations)
    return _leave(request, instance, filed)


def _form_page(
    request: SignedInRequest,
    instance: Instance,
    form: EditForm,
    *,
    conflicts: list[display.Conflict] | None = None,
    is_too_old: bool = False,
    violations: Sequence[Violation] = (),
    why_not: str = "",
) -> HttpResponse:
    context = {
        "back": return_path(request, instance.get_absolute_url()),
        "why_not": why_not,
        "instance": instance,
        "form": form,
        "seen": form.snapshot.token(instance),
        "this_run": countdown.this_run(instance, timezone.now()),
        "conflicts": conflicts or [],
        "is_too_old": is_too_old,
        "violations": violations,
        "under_way": instance.edits.filter(state__in=Edit.OPEN).select_related("actor"),
    }
    template = "edits/edit.html#form" if request.htmx else "edits/edit.html"
    refused = bool(form.errors or conflicts or is_too_old or violations)
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
        return _refusal(request, instance, str(kind.label), str(NOT_YOURS), status=403)
    if why_not:
        return _refusal(request, instance, str(kind.label), str(why_not), status=409)
    if request.method != "POST":
        context: dict[str, Any] = {
            "instance": instance,
            "back": return_path(request, instance.get_absolute_url()),
            "starts": starts,
            "key": secrets.token_urlsafe(12),
            "this_run": countdown.this_run(instance, timezone.now()),
            "next_run": countdown.next_run(instance),
        }
        return render(request, "edits/power.html", context)
    try:
        filed = services.submit_power(
            instance=instance,
            actor=request.user,
            kind=kind,
            key=request.POST.get("key", ""),
        )
    except services.RuleRefusedError as refusal:
        return _refusal(
            request,
            instance,
            str(kind.label),
            str(refusal),
            status=409,
            violations=refusal.violations,
        )
    return _leave(request, instance, filed)


def _instance(request: SignedInRequest, cloud: str, instance_id: str) -> Instance:
    return get_object_or_404(
        Instance.objects.visible_to(request.user).select_related("cloud"),
        cloud__name=cloud,
        instance_id=instance_id,
    )


def _refusal(
    request: SignedInRequest,
    instance: Instance,
    title: str,
    reason: str,
    *,
    status: int,
    violations: Sequence[Violation] = (),
) -> HttpResponse:
    context = {
        "instance": instance,
        "title": title,
        "reason": reason,
        "violations": violations,
        "is_forbidden": status == 403,
    }
    fragment = request.htmx and status == 409
    template = "edits/refusal.html#reason" if fragment else "edits/refusal.html"
    return render(request, template, context, status=status)


def _leave(
    request: SignedInRequest, instance: Instance, filed: Edit | None = None
) -> HttpResponse:
    """To where the person came from, where a banner follows what was filed."""
    own_page = instance.get_absolute_url()
    url = return_path(request, own_page)
    # The instance's own page shows its changes anyway.
    if filed and url != own_page:
        messages.info(request, str(filed.pk), extra_tags=FILED)
    if request.htmx:
        return HttpResponseClientRedirect(url)
    return HttpResponseRedirect(url, status=303)
