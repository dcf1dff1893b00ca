"""Pages of confirmed batches: their progress, cancel and retry."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext, gettext_lazy as _, ngettext
from django.views.decorators.http import require_POST, require_safe

from dashboard.accounts.http import SignedInRequest
from dashboard.edits import batches, display, plans, selectors
from dashboard.edits.models import Edit, EditBatch
from dashboard.instances.models import Cloud
from dashboard.livepoll.pages import layout_hash, not_modified, poll_interval, poller

PER_PAGE = 50
MIN_COMPLETED = 5
"""From this many completed edits on, their pace predicts more than the settings do."""

SKIPPED = "skipped"
_GROUPS: dict[str, frozenset[str]] = {
    "open": Edit.OPEN,
    "failed": Edit.RETRYABLE,
    "applied": frozenset({Edit.State.APPLIED}),
    "cancelled": frozenset({Edit.State.CANCELLED, Edit.State.SUPERSEDED}),
}
_LABELS = {
    "": _("All"),
    "open": _("In progress"),
    "applied": _("Applied"),
    "failed": _("Failed"),
    "cancelled": _("Cancelled or replaced"),
    SKIPPED: _("Skipped"),
}


@require_safe
def batch_list(request: SignedInRequest) -> HttpResponse:
    """All bulk changes, newest first; one and its retries are one line."""
    visible = selectors.batches_visible_to(request.user).filter(retry_of=None)
    visible = visible.order_by("-confirmed_at")
    page = Paginator(visible, PER_PAGE).get_page(request.GET.get("page"))
    context = {
        "page": page,
        "pages": page.paginator.get_elided_page_range(page.number, on_ends=1),
        "rows": [
            (
                batch,
                display.batch_change_text(batch),
                progress,
                display.batch_counts(progress),
            )
            for batch, progress in selectors.with_progress(
                page.object_list, of_history=True
            )
        ],
        "waiting": [
            (batch, display.batch_change_text(batch), len(batch.plan))
            for batch in selectors.batches_waiting_for_approval(timezone.now())
        ],
    }
    return render(request, "edits/batches.html", context)


@require_safe
def batch(request: SignedInRequest, batch_id: UUID) -> HttpResponse:
    """One batch with its retries, or 302 to the first batch of its history.

    Query parameters:
        state: ``open``, ``applied``, ``failed``, ``cancelled`` or ``skipped``;
            anything else lists all edits.
        page: Of the edits.
    """
    shown = _batch(request, batch_id)
    if shown.retry_of:
        return HttpResponseRedirect(shown.retry_of.get_absolute_url())
    return render(request, "edits/batch.html", _context(request, batch_id))


@require_safe
def batch_progress(request: SignedInRequest, batch_id: UUID) -> HttpResponse:
    """Fragment: the batch's live part.

    Query parameters:
        As ``batch``, and ``layout``: the ``layout_hash`` of the page as drawn.

    Returns:
        200 with ``edits/batch.html#changes``; 204 when nothing changed.
    """
    context = _context(request, batch_id)
    if request.GET.get("layout") == context["layout"]:
        return not_modified()
    return render(request, "edits/batch.html#changes", context)


@require_POST
def cancel(request: SignedInRequest, batch_id: UUID) -> HttpResponse:
    """Cancel the pending edits of a batch.

    Returns:
        303 to the batch, with a message; 403 for a batch that is not theirs.
    """
    batch = _batch_to_change(request, batch_id)
    number = batches.cancel_waiting(batch=batch, actor=request.user)
    if number:
        messages.success(
            request,
            ngettext(
                "%(number)s change cancelled.", "%(number)s changes cancelled.", number
            )
            % {"number": number},
        )
    else:
        messages.info(request, gettext("Nothing is pending."))
    return HttpResponseRedirect(batch.get_absolute_url(), status=303)


@require_POST
def retry(request: SignedInRequest, batch_id: UUID) -> HttpResponse:
    """Preview a retry of the failed edits.

    Returns:
        303 to the new draft; to this batch, with a message, when nothing failed; 403
        for a batch that is not theirs.
    """
    batch = _batch_to_change(request, batch_id)
    try:
        batch = batches.retry_failed(batch=batch, actor=request.user)
    except batches.BatchError:
        messages.info(request, gettext("No change failed."))
    return HttpResponseRedirect(batch.get_absolute_url(), status=303)


@require_POST
def undo(request: SignedInRequest, batch_id: UUID) -> HttpResponse:
    """Preview the previous values of what a batch has changed.

    Returns:
        303 to the new draft; to this batch, with a message, when it cannot be undone;
        403 for a batch that is not theirs.
    """
    batch = _batch_to_change(request, batch_id)
    try:
        batch = batches.undo_batch(batch=batch, actor=request.user)
    except batches.BatchError as error:
        messages.error(request, str(error))
    return HttpResponseRedirect(batch.get_absolute_url(), status=303)


def _context(request: SignedInRequest, batch_id: UUID) -> dict[str, Any]:
    batch = _batch(request, batch_id)
    progress = selectors.progress(batch, of_history=True)
    state = request.GET.get("state", "")
    state = state if state in _LABELS else ""
    rows = (
        selectors.batch_skips(batch)
        if state == SKIPPED
        else selectors.history_edits(batch, _GROUPS.get(state, ()))
    )
    page = Paginator(rows, PER_PAGE).get_page(request.GET.get("page"))
    kept: dict[str, str] = {"state": state} if state else {}
    rounds = list(selectors.rounds(batch))
    undone = selectors.batches_visible_to(request.user).filter(undo_of=batch)
    undos = list(undone.filter(retry_of=None))
    layout = layout_hash(
        (sorted(progress.states.items()), progress.retried, len(rounds), len(undos))
    )
    return {
        "batch": batch,
        "change": display.batch_change_text(batch),
        "progress": progress,
        "eta": _eta_text(batch, progress),
        "outcome": display.batch_outcome(progress, batch),
        "rounds": [
            (one, display.batch_counts(done))
            for one, done in selectors.with_progress(rounds if rounds[1:] else [])
        ],
        "undos": undos,
        # What an undo has not changed is retried on the page of the undo.
        "may_be_undone": progress.applied
        and batch.kind != Edit.Kind.EXTEND
        and not undos,
        "held": _held_clouds(batch) if progress.open else [],
        "filters": [
            (key, label, number, key == state)
            for key, label, number in _counted(progress)
            if number or not key or key == state
        ],
        "kept": kept,
        "layout": layout,
        "poller": poller(
            request,
            reverse("edits:batch_progress", args=[batch.pk]),
            kept | {"layout": layout, "page": str(page.number)},
            interval_seconds=poll_interval(has_open_edit=True),
        ),
        "shows_skips": state == SKIPPED,
        "page": page,
        "pages": page.paginator.get_elided_page_range(page.number, on_ends=1),
        "may_act": batches.can_act_on(request.user, batch),
    }


def _counted(progress: selectors.Progress) -> list[tuple[str, str, int]]:
    numbers = {key: progress.count(states) for key, states in _GROUPS.items()}
    numbers |= {"": progress.total, SKIPPED: progress.skipped}
    return [(key, str(label), numbers[key]) for key, label in _LABELS.items()]


def _eta_text(batch: EditBatch, progress: selectors.Progress) -> str:
    """Return how long the open edits still take, in whole minutes."""
    if not progress.open or batch.confirmed_at is None:
        return ""
    if batch.sends_at and batch.sends_at > timezone.now():
        return ""
    if progress.completed >= MIN_COMPLETED:
        begun_at = batch.sends_at or batch.confirmed_at
        passed = max(0.0, (timezone.now() - begun_at).total_seconds())
        seconds = passed / progress.completed * progress.open
    else:
        seconds = plans.seconds_for(progress.open, batch.kind)
    if seconds < 60:
        return gettext("less than a minute left")
    return gettext("about %(seconds)s min left") % {"seconds": round(seconds / 60)}


def _held_clouds(batch: EditBatch) -> list[Cloud]:
    open_edits = selectors.edits_of_history(batch).filter(state__in=Edit.OPEN)
    return list(
        Cloud.objects.filter(
            pk__in=open_edits.values("instance__cloud"), held_since__isnull=False
        )
    )


def _batch(request: SignedInRequest, batch_id: UUID) -> EditBatch:
    return get_object_or_404(selectors.batches_visible_to(request.user), pk=batch_id)


def _batch_to_change(request: SignedInRequest, batch_id: UUID) -> EditBatch:
    batch = _batch(request, batch_id)
    if not batches.can_act_on(request.user, batch):
        raise PermissionDenied(
            gettext("You can view this bulk change but not change it.")
        )
    return batch
