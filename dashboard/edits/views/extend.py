"""Give the current run of an instance another end."""

from collections.abc import Sequence

from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from dashboard.accounts.http import SignedInRequest
from dashboard.accounts.permissions import can_edit
from dashboard.edits import extension, selectors, services
from dashboard.edits.models import Edit
from dashboard.edits.return_path import return_path
from dashboard.edits.run_forms import ExtensionForm, ExtensionOptions
from dashboard.edits.snapshot import LeaseSnapshot, SnapshotError
from dashboard.instances import availability, countdown
from dashboard.instances.models import Instance
from dashboard.policies.rules import Violation

from .common import NOT_YOURS, find_instance, in_popover, leave, refusal


@require_http_methods(["GET", "HEAD", "POST"])
def extend(request: SignedInRequest, cloud: str, instance_id: str) -> HttpResponse:
    """Show which ends are possible (GET), and submit one (POST).

    Form fields:
        ``until``, ISO 8601; or ``hours`` from now; or ``idle_hours``. See
        ``ExtensionForm``.
        ``seen``: the signed lease that the form showed; absent for the present one.

    Returns:
        200 with the page; 303 (or ``HX-Redirect``) to where the person came from once
        the edit is accepted; 422 with the page for an end that is not possible, a
        policy that forbids it, or a form that is too old; 409 with the page and the
        newer end when someone else has changed it, or with a sentence when the run
        cannot be extended; 403 for an instance that is not theirs; 404 for an unknown
        one.
    """
    instance = find_instance(request, cloud, instance_id)
    kind = Edit.Kind.EXTEND
    if not can_edit(request.user, instance.owner):
        return refusal(request, instance, kind, str(NOT_YOURS), status=403)
    if why_not := availability.why_not_extendable(instance):
        return refusal(request, instance, kind, str(why_not), status=409)
    if request.method != "POST":
        return _page(request, instance)
    token = request.POST.get("seen", "")
    try:
        snapshot = (
            LeaseSnapshot.read(token, instance)
            if token
            else LeaseSnapshot.now(instance)
        )
    except SnapshotError:
        return _page(request, instance, is_too_old=True, status=422)
    now = timezone.now()
    form = ExtensionForm(
        request.POST,
        instance=instance,
        snapshot=snapshot,
        now=now,
        patience=extension.PATIENCE,
    )
    if not form.is_valid():
        return _page(request, instance, form, status=422)
    try:
        submitted = services.submit_extension(
            instance=instance,
            actor=request.user,
            patch=form.cleaned_data["patch"],
            base=snapshot.base,
            key=snapshot.nonce,
        )
    except services.EditConflictError:
        instance = find_instance(request, cloud, instance_id)
        return _page(request, instance, is_conflict=True, status=409)
    except services.RuleRefusedError as refused:
        violations = refused.violations
        return _page(request, instance, form, violations=violations, status=422)
    return leave(request, instance, submitted)


def _page(
    request: SignedInRequest,
    instance: Instance,
    form: ExtensionForm | None = None,
    *,
    is_too_old: bool = False,
    is_conflict: bool = False,
    violations: Sequence[Violation] = (),
    status: int = 200,
) -> HttpResponse:
    now = timezone.now()
    # Read again: the person chooses by what this page shows.
    snapshot = LeaseSnapshot.now(instance)
    context = {
        "back": return_path(request, instance.get_absolute_url()),
        "instance": instance,
        "this_run": countdown.this_run(instance, now),
        "options": ExtensionOptions(instance, now),
        "form": form or ExtensionForm(instance=instance, snapshot=snapshot, now=now),
        "seen": snapshot.token(instance),
        "is_too_old": is_too_old,
        "is_conflict": is_conflict,
        "changed_by": is_conflict and selectors.extension_behind(instance),
        "violations": violations,
    }
    template = "edits/extend.html#form" if request.htmx else "edits/extend.html"
    if in_popover(request):
        template = "edits/extend.html#popover"
    return render(request, template, context, status=status)
