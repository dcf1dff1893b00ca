"""What the views that change one instance share."""

from collections.abc import Sequence

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext, gettext_lazy as _
from django_htmx.http import HttpResponseClientRedirect, reswap, trigger_client_event

from dashboard.accounts.http import SignedInRequest
from dashboard.edits.models import Edit, EditBatch
from dashboard.edits.return_path import return_path
from dashboard.instances.models import Instance
from dashboard.policies.rules import Violation

NOT_YOURS = _(
    "You don't have permission to change this instance. Ask its owner or an operator."
)
SUBMITTED = "edit"
"""Tag of a message whose text is the primary key of an edit. ``submitted_change`` turns
it into a banner, which polls on its own: the page's poller does not know the edit."""

POPOVER = "popover"
"""Id of the element of ``base.html`` in which ``static/popover.js`` opens forms."""


EDIT_SLOT = "edit-slot-"
"""Begin of the ids of the elements in which ``_auto_stop_card.html`` opens the form."""


def in_popover(request: SignedInRequest) -> bool:
    """Whether the page that asks stays open, and shows the answer in a popover."""
    return request.htmx.target == POPOVER


def edit_slot(request: SignedInRequest) -> str:
    """Return the id of the element of an open page with the form; may be empty."""
    target = request.htmx.target or ""
    return target if target.startswith(EDIT_SLOT) else ""


def find_instance(request: SignedInRequest, cloud: str, instance_id: str) -> Instance:
    return get_object_or_404(
        Instance.objects.visible_to(request.user).select_related("cloud"),
        cloud__name=cloud,
        instance_id=instance_id,
    )


def refusal(
    request: SignedInRequest,
    instance: Instance,
    kind: str,
    reason: str,
    *,
    status: int,
    violations: Sequence[Violation] = (),
) -> HttpResponse:
    context = {
        "instance": instance,
        "kind": kind,
        "title": gettext("Edit")
        if kind == Edit.Kind.UPDATE
        else str(Edit.Kind(kind).label),
        "reason": reason,
        "violations": violations,
        "is_forbidden": status == 403,
    }
    fragment = request.htmx and status == 409
    template = "edits/refusal.html#reason" if fragment else "edits/refusal.html"
    return render(request, template, context, status=status)


def leave(
    request: SignedInRequest, instance: Instance, submitted: Edit | None = None
) -> HttpResponse:
    """Redirect to where the person came from, with a banner for the submitted edit."""
    own_page = instance.get_absolute_url()
    if in_popover(request) or edit_slot(request):
        return accepted(submitted)
    url = return_path(request, own_page)
    # The instance's own page shows its changes anyway.
    if submitted and url != own_page:
        messages.info(request, str(submitted.pk), extra_tags=SUBMITTED)
    if request.htmx:
        return HttpResponseClientRedirect(url)
    return HttpResponseRedirect(url, status=303)


def accepted(
    submitted: Edit | None = None, text: str = "", batch: EditBatch | None = None
) -> HttpResponse:
    """Answer 202 to a page that stays, whose form closes and whose poll shows the edit.

    Args:
        submitted: Whose outcome the page announces.
        text: What it announces now.
        batch: What the selected instances have become.
    """
    response = reswap(HttpResponse(status=202), "none")
    detail = {
        "text": text or gettext("Saving…"),
        "edit": str(submitted.pk) if submitted else "",
        "batch": str(batch.pk) if batch else "",
    }
    return trigger_client_event(response, "curfew:accepted", detail)


def not_done(request: SignedInRequest, edit: Edit, reason: str) -> HttpResponse:
    """Answer 409 to a popover with the reason why an edit cannot be acted on."""
    context = {"edit": edit, "reason": reason}
    return render(request, "edits/detail.html#not_done", context, status=409)
