"""The menu of an instance, which opens in a popover at its row."""

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from dashboard.accounts.http import SignedInRequest
from dashboard.accounts.permissions import can_edit
from dashboard.instances import availability
from dashboard.instances.models import Instance
from dashboard.instances.open_notebook import open_link


@require_safe
def menu(request: SignedInRequest, cloud: str, instance_id: str) -> HttpResponse:
    """Return the actions that the person may do now; 404 when it is not visible."""
    instance = get_object_or_404(
        Instance.objects.visible_to(request.user).select_related("cloud"),
        cloud__name=cloud,
        instance_id=instance_id,
    )
    may_edit = can_edit(request.user, instance.owner)
    may_stop = may_edit and not availability.why_not_stoppable(instance)
    context = {
        "instance": instance,
        "open_link": open_link(instance) if may_edit else None,
        "may_edit": may_edit and not availability.why_not_editable(instance),
        "may_extend": may_edit and not availability.why_not_extendable(instance),
        "may_start": may_edit and not availability.why_not_startable(instance),
        "may_stop": may_stop,
        "may_restart": may_stop and availability.restart_applies_setting(instance),
    }
    return render(request, "instances/_row_menu.html", context)
