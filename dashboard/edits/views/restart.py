"""Stop an instance and start it again, so that its new auto-stop applies."""

import secrets

from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from dashboard.accounts.http import SignedInRequest
from dashboard.accounts.permissions import can_edit
from dashboard.edits import messages, services
from dashboard.edits.models import Edit
from dashboard.edits.return_path import return_path
from dashboard.instances import availability, countdown

from .common import NOT_YOURS, find_instance, in_popover, leave, refusal


@require_http_methods(["GET", "HEAD", "POST"])
def restart(request: SignedInRequest, cloud: str, instance_id: str) -> HttpResponse:
    """Say what a restart loses (GET), and submit a stop and a start (POST).

    Returns:
        200 with the question; 303 to where the person came from once it is accepted;
        403 for an instance that is not theirs; 409 when its status or a policy does not
        allow it, or each start has its own run time; 404 for an unknown one.
    """
    instance = find_instance(request, cloud, instance_id)
    kind = Edit.Kind.STOP
    if not can_edit(request.user, instance.owner):
        return refusal(request, instance, kind, str(NOT_YOURS), status=403)
    why_not = availability.why_not_stoppable(instance)
    if not why_not and not instance.capabilities.has_auto_stop_setting:
        why_not = messages.NO_RESTART_NEEDED()
    if why_not:
        return refusal(request, instance, kind, str(why_not), status=409)
    if request.method != "POST":
        context = {
            "instance": instance,
            "back": return_path(request, instance.get_absolute_url()),
            "restarts": True,
            "key": secrets.token_urlsafe(12),
            "this_run": countdown.this_run(instance, timezone.now()),
            "next_run": countdown.next_run(instance),
            "in_popover": in_popover(request),
        }
        template = "edits/power.html#question" if request.htmx else "edits/power.html"
        return render(request, template, context)
    try:
        submitted = services.submit_restart(
            instance=instance, actor=request.user, key=request.POST.get("key", "")
        )
    except services.RuleRefusedError as refused:
        return refusal(
            request,
            instance,
            kind,
            str(refused),
            status=409,
            violations=refused.violations,
        )
    return leave(request, instance, submitted)
