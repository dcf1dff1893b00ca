"""Pages of a batch under way: how far it is, what became of each, second thoughts."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext, gettext_lazy, ngettext
from django.views.decorators.http import require_POST, require_safe

from dashboard.accounts.http import SignedInRequest
from dashboard.edits import batches, display, selectors
from dashboard.edits.models import Edit, EditBatch
from dashboard.instances.models import Cloud
from dashboard.livepoll.pages import layout_hash, not_modified, poll_interval, poller

PER_PAGE = 50
ENOUGH_TO_TELL = 5
"""Edits settled from which on their own pace says more than the settings."""

SKIPPED = "skipped"
_GROUPS: dict[str, tuple[str, ...]] = {
    "open": ("queued", "sending", "retrying"),
    "failed": ("failed", "conflict"),
    "applied": ("applied",),
    "cancelled": ("cancelled", "superseded"),
}
_LABELS = {
    "": gettext_lazy("All"),
    "open": gettext_lazy("In progress"),
    "applied": gettext_lazy("Applied"),
    "failed": gettext_lazy("Failed"),
    "cancelled": gettext_lazy("Cancelled or replaced"),
    SKIPPED: gettext_lazy("Skipped"),
}


@require_safe
def batch_list(request: SignedInRequest) -> HttpResponse:
    """All bulk edits, newest first."""
    found = selectors.batches_visible_to(request.user).order_by("-confirmed_at")
    page = Paginator(found, PER_PAGE).get_page(request.GET.get("page"))
    rows = selectors.with_progress(page.object_list)
    context = {
        "page": page,
        "pages": page.paginator.get_elided_page_range(page.number, on_ends=1),
        "rows": [
            (batch, display.batch_change_text(batch), done, display.batch_counts(done))
            for batch, done in rows
        ],
    }
    return render(request, "edits/batches.html", context)


@require_safe
def batch(request: SignedInRequest, batch_id: UUID) -> HttpResponse:
    """One batch.

    Query parameters:
        state: ``open``, ``applied``, ``failed``, ``cancelled`` or ``skipped``; what
            else stands there lists all edits.
        page: Of the edits listed.
    """
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
    """Take back what still waits.

    Returns:
        303 to the batch, with a message; 403 for a batch that is not theirs.
    """
    found = _batch(request, batch_id)
    _require_right(request, found)
    number = batches.cancel_waiting(batch=found, actor=request.user)
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
    return HttpResponseRedirect(found.get_absolute_url(), status=303)


@require_POST
def retry(request: SignedInRequest, batch_id: UUID) -> HttpResponse:
    """Preview what failed once more.

    Returns:
        303 to the new draft; to this batch, with a message, when nothing failed; 403
        for a batch that is not theirs.
    """
    found = _batch(request, batch_id)
    _require_right(request, found)
    try:
        again = batches.retry_failed(batch=found, actor=request.user)
    except batches.BatchError:
        messages.info(request, gettext("No change failed."))
        again = found
    return HttpResponseRedirect(again.get_absolute_url(), status=303)


def _context(request: SignedInRequest, batch_id: UUID) -> dict[str, Any]:
    found = _batch(request, batch_id)
    done = selectors.progress(found)
    wanted = request.GET.get("state", "")
    wanted = wanted if wanted in _LABELS else ""
    skips = wanted == SKIPPED
    rows = (
        selectors.batch_skips(found)
        if skips
        else selectors.batch_edits(found, _GROUPS.get(wanted, ()))
    )
    page = Paginator(rows, PER_PAGE).get_page(request.GET.get("page"))
    kept: dict[str, str] = {"state": wanted} if wanted else {}
    layout = layout_hash((sorted(done.states.items()), done.tried_again))
    return {
        "batch": found,
        "wish": display.batch_change_text(found),
        "progress": done,
        "eta": _eta_text(found, done),
        "outcome": display.batch_outcome(done),
        "retries": selectors.with_progress(
            selectors.batches_visible_to(request.user).filter(
                retry_of=found, confirmed_at__isnull=False
            )
        ),
        "held": _held_clouds(found) if done.open else [],
        "filters": [
            (key, label, number, key == wanted)
            for key, label, number in _counted(done)
            if number or not key or key == wanted
        ],
        "kept": kept,
        "layout": layout,
        "poller": poller(
            request,
            reverse("edits:batch_progress", args=[found.pk]),
            kept | {"layout": layout, "page": str(page.number)},
            interval_seconds=poll_interval(has_open_edit=True),
        ),
        "shows_skips": skips,
        "page": page,
        "pages": page.paginator.get_elided_page_range(page.number, on_ends=1),
        "may_act": batches.can_act_on(request.user, found),
    }


def _counted(done: selectors.Progress) -> list[tuple[str, str, int]]:
    numbers = {
        key: sum(done.states.get(state, 0) for state in states)
        for key, states in _GROUPS.items()
    }
    numbers |= {"": done.total, SKIPPED: done.skipped}
    return [(key, str(label), numbers[key]) for key, label in _LABELS.items()]


def _eta_text(found: EditBatch, done: selectors.Progress) -> str:
    """How long it still takes, no finer than anybody can know."""
    if not done.open or found.confirmed_at is None:
        return ""
    passed = (timezone.now() - found.confirmed_at).total_seconds()
    if done.completed >= ENOUGH_TO_TELL:
        seconds = passed / done.completed * done.open
    else:
        seconds = batches.seconds_for(done.open)
    if seconds < 60:
        return gettext("less than a minute left")
    return gettext("about %(seconds)s min left") % {"seconds": round(seconds / 60)}


def _held_clouds(found: EditBatch) -> list[Cloud]:
    concerned = found.edits.filter(state__in=Edit.OPEN).values("instance__cloud")
    return list(Cloud.objects.filter(pk__in=concerned, held_since__isnull=False))


def _batch(request: SignedInRequest, batch_id: UUID) -> EditBatch:
    return get_object_or_404(selectors.batches_visible_to(request.user), pk=batch_id)


def _require_right(request: SignedInRequest, found: EditBatch) -> None:
    if not batches.can_act_on(request.user, found):
        raise PermissionDenied(
            gettext("You can view this bulk change but not change it.")
        )
