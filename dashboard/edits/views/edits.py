"""Looking back: all edits, one edit, and a second thought about it."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import (
    HttpResponse,
    HttpResponseBadRequest,
    HttpResponseRedirect,
    QueryDict,
)
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.translation import gettext
from django.views.decorators.http import require_POST, require_safe

from dashboard.accounts.http import SignedInRequest
from dashboard.accounts.permissions import can_edit
from dashboard.edits import display, services
from dashboard.edits.filters import PER_PAGE, EditFilter
from dashboard.edits.merge import expected_values
from dashboard.edits.models import Edit, EditQueue
from dashboard.edits.selectors import edits_visible_to
from dashboard.instances.countdown import status_badge
from dashboard.instances.models import FleetVersion
from dashboard.instances.selectors import publish_fleet_state
from dashboard.livepoll.pages import (
    PollForm,
    layout_hash,
    not_modified,
    poll_interval,
    poller,
)


@require_safe
def edit_list(request: SignedInRequest) -> HttpResponse:
    """All edits, newest first.

    Query parameters:
        See ``filters``, and ``page``, ``per_page`` (25, 50, 100). What makes no sense
        is left out, and the page says so.
    """
    return render(request, "edits/list.html", _list(request))


@require_safe
def edit_changes(request: SignedInRequest) -> HttpResponse:
    """Fragment: what changed in the list since the caller's last poll.

    Query parameters:
        The list's own, and those of ``PollForm``.

    Returns:
        200 with ``edits/list.html#changes``; 204 when nothing changed; 400 for a
        ``since`` that makes no sense.
    """
    form = PollForm(request.GET)
    if not form.is_valid():
        return HttpResponseBadRequest()
    version, since = FleetVersion.current(), form.cleaned_data["since"]
    if form.is_current(version):
        return not_modified(publish_fleet_state(version), request)
    context = _list(request)
    context["whole"] = form.needs_all_rows(
        version=context["version"], layout=context["layout"]
    )
    # A change of an edit's state counts as one of its instance.
    context["changed"] = [
        edit for edit in context["page"] if edit.instance.version > since
    ]
    return render(request, "edits/list.html#changes", context)


def _list(request: SignedInRequest) -> dict[str, Any]:
    # Before the edits: what changes in between is then sent twice, but never missed.
    version = FleetVersion.current()
    found = EditFilter(
        request.GET, queryset=edits_visible_to(request.user), request=request
    )
    size = request.GET.get("per_page", "")
    per_page = int(size) if size in map(str, PER_PAGE) else PER_PAGE[0]
    page = Paginator(found.qs, per_page).get_page(request.GET.get("page"))
    kept = QueryDict(mutable=True)
    for name in (*found.filters, "page", "per_page"):
        if value := request.GET.get(name):
            kept[name] = value
    layout = layout_hash((page.paginator.count, [edit.pk for edit in page]))
    return {
        "filter": found,
        "is_filtered": any(name in kept for name in found.filters),
        "kept": kept,
        "page": page,
        "pages": page.paginator.get_elided_page_range(page.number, on_ends=1),
        "version": version,
        "layout": layout,
        "poller": poller(
            request,
            reverse("edits:list_changes"),
            kept.dict() | {"since": version, "layout": layout},
            version=version,
            interval_seconds=poll_interval(
                has_open_edit=any(edit.is_open for edit in page)
            ),
        ),
    }


@require_safe
def detail(request: SignedInRequest, edit_id: UUID) -> HttpResponse:
    """One edit: what was asked, by whom, and what became of it."""
    return render(request, "edits/detail.html", _context(request, edit_id))


@require_safe
def progress(request: SignedInRequest, edit_id: UUID) -> HttpResponse:
    """Fragment: the live part of the page.

    Query parameters:
        layout: The ``layout_hash`` of the receipt as drawn.

    Returns:
        200 with ``edits/detail.html#changes``; 204 when nothing changed.
    """
    context = _context(request, edit_id)
    if request.GET.get("layout") == context["layout"]:
        return not_modified()
    return render(request, "edits/detail.html#changes", context)


@require_safe
def banner(request: SignedInRequest, edit_id: UUID) -> HttpResponse:
    """Fragment: what becomes of an edit, for the page that it was filed from.

    Returns:
        200 with ``edits/banner.html``, which asks again while the edit is open.
    """
    edit = _edit(request, edit_id)
    context = {"edit": edit, "may_edit": can_edit(request.user, edit.instance.owner)}
    return render(request, "edits/banner.html", context)


@require_POST
def retry(request: SignedInRequest, edit_id: UUID) -> HttpResponse:
    """Change for a failed edit again, as a new one.

    Returns:
        303 to the new edit; to this one's, with a message, when it cannot be
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
            request, gettext("The setting was just changed. Compare the values again.")
        )
        return _to(edit)
    if not again.is_open:
        messages.info(
            request, gettext("This change was already retried; here is the result.")
        )
    return _to(again)


@require_POST
def cancel(request: SignedInRequest, edit_id: UUID) -> HttpResponse:
    """Take an edit back while it waits.

    Returns:
        303 to its page, which says what that means; 403 for an instance that is not
        theirs.
    """
    edit = _edit(request, edit_id)
    try:
        services.cancel_edit(edit=edit, actor=request.user)
    except services.EditClosedError as error:
        messages.error(request, str(error))
    return _to(edit)


@require_POST
def discard(request: SignedInRequest, edit_id: UUID) -> HttpResponse:
    """Leave the newer values of an edit in conflict as they are.

    Returns:
        303 to its page, with a message; 403 for an instance that is not theirs.
    """
    edit = _edit(request, edit_id)
    try:
        services.discard_edit(edit=edit, actor=request.user)
    except services.EditClosedError as error:
        messages.error(request, str(error))
    return _to(edit)


def _edit(request: SignedInRequest, edit_id: UUID) -> Edit:
    return get_object_or_404(edits_visible_to(request.user), pk=edit_id)


def _context(request: SignedInRequest, edit_id: UUID) -> dict[str, Any]:
    found = edits_visible_to(request.user).select_related("superseded_by", "retry_of")
    edit = get_object_or_404(found, pk=edit_id)
    attempts = list(edit.deliveries.all())
    may_edit = can_edit(request.user, edit.instance.owner)
    holds, now = _held(edit)
    before = edit.base.get("status", "")
    # Attempts end one by one while the state stays "sending".
    finished = sum(bool(attempt.finished_at) for attempt in attempts)
    layout = layout_hash((edit.state, finished, edit.outcome))
    return {
        "edit": edit,
        "holds": holds,
        "changes": display.changes(edit, now),
        "status_before": status_badge(before).label,
        "attempts": attempts,
        "may_edit": may_edit,
        "layout": layout,
        "poller": poller(
            request,
            reverse("edits:progress", args=[edit.pk]),
            {"layout": layout},
            interval_seconds=poll_interval(has_open_edit=True),
        ),
        **_queue(edit),
    }


def _queue(edit: Edit) -> dict[str, Any]:
    """When it is tried next, and until when a late write is looked for at least."""
    if not edit.is_unconfirmed and edit.state != Edit.State.RETRYING:
        return {}
    queue = EditQueue.objects.filter(instance_id=edit.instance_id).first()
    is_held = edit.instance.cloud.held_since is not None
    if queue is None:
        return {}
    if edit.state == Edit.State.RETRYING:
        return {} if is_held else {"next_attempt_at": queue.next_at}
    return {"checked_until": None if edit.is_open else queue.late_write_until}


def _held(edit: Edit) -> tuple[str, dict[str, Any]]:
    """What the cloud holds, beside what was asked: a heading, and values by field."""
    if edit.state == Edit.State.APPLIED:
        return gettext("Confirmed value"), edit.result
    if edit.state in {Edit.State.FAILED, Edit.State.CONFLICT}:
        # What a new try is going to replace.
        return gettext("Current value in ModelArts"), expected_values(edit.instance)
    return "", {}


def _to(edit: Edit) -> HttpResponse:
    return HttpResponseRedirect(edit.get_absolute_url(), status=303)
