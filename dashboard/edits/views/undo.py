"""Undo one change."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.utils.translation import gettext
from django.views.decorators.http import require_http_methods

from dashboard.accounts.http import SignedInRequest
from dashboard.accounts.permissions import can_edit
from dashboard.edits import display, inverse, services
from dashboard.edits.models import Edit
from dashboard.edits.return_path import return_path
from dashboard.edits.selectors import edits_visible_to
from dashboard.instances import countdown

from .common import NOT_YOURS, in_popover, leave, not_done, refusal


@require_http_methods(["GET", "HEAD", "POST"])
def undo(request: SignedInRequest, edit_id: UUID) -> HttpResponse:
    """Request the values from before an applied change (POST).

    The undo of a start is a stop. It shows what that loses first, as GET does; the form
    of that page sends ``stop``.

    Returns:
        303 (or ``HX-Redirect``) to where the person came from, with a banner for the
        new edit or a message that says why there is none; 200 with the question for a
        start; 403 for an instance that is not theirs; 404 for an unknown edit. To a
        popover 202, and 409 with the reason.
    """
    edit = get_object_or_404(edits_visible_to(request.user), pk=edit_id)
    if not can_edit(request.user, edit.instance.owner):
        reason = str(NOT_YOURS)
        return refusal(request, edit.instance, edit.kind, reason, status=403)
    may_stop = "stop" in request.POST
    asks = edit.kind == Edit.Kind.START and edit.may_be_undone and not may_stop
    if asks or request.method != "POST":
        return _question(request, edit)
    submitted, reason = None, ""
    try:
        submitted = services.undo_edit(edit=edit, actor=request.user, may_stop=may_stop)
    except services.EditConflictError:
        reason = gettext(
            "Not undone: someone has changed this since. Compare the values."
        )
    except (services.EditClosedError, services.RuleRefusedError) as error:
        reason = str(error)
    if reason and in_popover(request):
        return not_done(request, edit, reason)
    if reason:
        messages.error(request, reason)
    return leave(request, edit.instance, submitted)


def _question(request: SignedInRequest, edit: Edit) -> HttpResponse:
    context = {
        "instance": edit.instance,
        "back": return_path(request, edit.instance.get_absolute_url()),
        "undone": edit,
        "requested": _requested(edit) if edit.has_inverse else "",
        "stops": edit.kind == Edit.Kind.START,
        "this_run": countdown.this_run(edit.instance, timezone.now()),
        "in_popover": in_popover(request),
    }
    template = "edits/undo.html#question" if request.htmx else "edits/undo.html"
    return render(request, template, context)


def _requested(edit: Edit) -> str:
    kind, patch, _base = inverse.inverse_of(edit)
    return display.requested_text(kind, patch, edit.instance.cloud.skew_ms)
