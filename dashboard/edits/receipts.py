"""Looking back: all edits, one edit's receipt, and a second thought about it."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext
from django.views.decorators.http import require_POST, require_safe

from dashboard.accounts.http import SignedInRequest
from dashboard.accounts.permissions import can_edit
from dashboard.instances.clock import status_look

from . import services, wording
from .filters import PER_PAGE, EditFilter
from .models import Edit
from .selectors import edits_visible_to
from .wishes import expected_values


@require_safe
def edit_list(request: SignedInRequest) -> HttpResponse:
    """All edits, newest first.

    Query parameters:
        See ``filters``, and ``page``, ``per_page`` (25, 50, 100). What makes no sense
        is left out, and the page says so.
    """
    found = EditFilter(
        request.GET, queryset=edits_visible_to(request.user), request=request
    )
    size = request.GET.get("per_page", "")
    per_page = int(size) if size in map(str, PER_PAGE) else PER_PAGE[0]
    page = Paginator(found.qs, per_page).get_page(request.GET.get("page"))
    context = {
        "filter": found,
        "is_filtered": any(request.GET.get(name) for name in found.filters),
        "page": page,
        "pages": page.paginator.get_elided_page_range(page.number, on_ends=1),
    }
    return render(request, "edits/list.html", context)


@require_safe
def receipt(request: SignedInRequest, edit_id: UUID) -> HttpResponse:
    """One edit: what was asked, by whom, and what became of it."""
    return render(request, "edits/receipt.html", _context(request, edit_id))


@require_safe
def progress(request: SignedInRequest, edit_id: UUID) -> HttpResponse:
    """Fragment: the receipt's live part.

    Query parameters:
        since: The state and number of attempts as drawn, ``sending-2``.

    Returns:
        200 with ``edits/receipt.html#changes``; 204 when nothing changed.
    """
    context = _context(request, edit_id)
    if request.GET.get("since") == context["mark"]:
        return HttpResponse(status=204)
    return render(request, "edits/receipt.html#changes", context)


@require_POST
def retry(request: SignedInRequest, edit_id: UUID) -> HttpResponse:
    """Wish for a failed edit again, as a new one.

    Returns:
        303 to the new edit's receipt; to this one's, with a message, when it cannot be
        tried again; 403 for an instance that is not theirs.
    """
    edit = _edit(request, edit_id)
    try:
        again = services.retry_edit(edit=edit, actor=request.user)
    except (services.EditClosedError, services.RuleRefusedError) as error:
        messages.error(request, str(error))
        return _to(edit)
    except services.EditConflictError:
        messages.error(
            request, gettext("Somebody changed it just now. Compare once more.")
        )
        return _to(edit)
    messages.success(request, gettext("Trying again, as a new edit."))
    return _to(again)


@require_POST
def cancel(request: SignedInRequest, edit_id: UUID) -> HttpResponse:
    """Take an edit back while it waits.

    Returns:
        303 to its receipt, with a message; 403 for an instance that is not theirs.
    """
    edit = _edit(request, edit_id)
    try:
        services.cancel_edit(edit=edit, actor=request.user)
    except services.EditClosedError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, gettext("Taken back; nothing was sent."))
    return _to(edit)


def _edit(request: SignedInRequest, edit_id: UUID) -> Edit:
    return get_object_or_404(edits_visible_to(request.user), pk=edit_id)


def _context(request: SignedInRequest, edit_id: UUID) -> dict[str, Any]:
    found = edits_visible_to(request.user).select_related("superseded_by", "retry_of")
    edit = get_object_or_404(found, pk=edit_id)
    attempts = list(edit.turns.all())
    may_edit = can_edit(request.user, edit.instance.owner)
    holds, now = _held(edit)
    before = edit.base.get("status", "")
    return {
        "edit": edit,
        "holds": holds,
        "changes": wording.changes(edit, now),
        "status_before": status_look(before).label,
        "attempts": attempts,
        "may_retry": may_edit and edit.may_be_retried,
        "may_cancel": may_edit and edit.may_be_cancelled,
        # Attempts end one by one while the state stays "sending".
        "mark": f"{edit.state}-{sum(bool(one.finished_at) for one in attempts)}",
    }


def _held(edit: Edit) -> tuple[str, dict[str, Any]]:
    """What the cloud holds, beside what was asked: a heading, and values by field."""
    if edit.state == Edit.State.APPLIED:
        return gettext("Read back from ModelArts"), edit.result
    if edit.state in {Edit.State.FAILED, Edit.State.CONFLICT}:
        # What a new try is going to replace.
        return gettext("ModelArts holds now"), expected_values(edit.instance)
    return "", {}


def _to(edit: Edit) -> HttpResponse:
    return HttpResponseRedirect(edit.get_absolute_url(), status=303)
