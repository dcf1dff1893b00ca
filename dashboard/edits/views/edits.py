"""Pages of edits: the list, one edit, and its retry, cancel and discard."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple, cast
from uuid import UUID

from django.contrib import messages
from django.core.paginator import Page, Paginator
from django.http import (
    HttpResponse,
    HttpResponseBadRequest,
    HttpResponseRedirect,
    QueryDict,
)
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from dashboard.accounts.http import SignedInRequest
from dashboard.accounts.models import User
from dashboard.accounts.permissions import can_edit, fleet_scope
from dashboard.edits import display, services
from dashboard.edits.filters import PER_PAGE, EditFilter
from dashboard.edits.merge import expected_values
from dashboard.edits.models import Edit, EditQueue
from dashboard.edits.selectors import edits_visible_to, extension_behind
from dashboard.instances.countdown import status_badge
from dashboard.instances.models import FleetVersion
from dashboard.instances.selectors import Freshness, freshness, publish_fleet_state
from dashboard.livepoll import state
from dashboard.livepoll.changes import Elsewhere
from dashboard.livepoll.pages import (
    PollForm,
    layout_hash,
    not_modified,
    poll_interval,
    poller,
    shown_page,
)
from dashboard.livepoll.state import FleetState
from dashboard.livepoll.token import SharedPage, page_key

from .common import accepted, in_popover, not_done

if TYPE_CHECKING:
    from django.db.models import QuerySet


@require_safe
def edit_list(request: SignedInRequest) -> HttpResponse:
    """All edits, newest first.

    Query parameters:
        See ``filters``, and ``page``, ``per_page`` (25, 50, 100). Invalid values are
        ignored, and the page says so.
    """
    # Before the edits: a change in between is then sent twice, but never missed.
    shown = _shown_to(request.user, request.GET, FleetVersion.current())
    return render(request, "edits/list.html", _list(request, shown))


@require_safe
def edit_changes(request: SignedInRequest) -> HttpResponse:
    """Fragment: the rows that have changed since the last poll.

    Query parameters:
        The list's own, and those of ``PollForm``.

    Returns:
        200 with ``edits/list.html#changes``; 204 when nothing changed; 400 for an
        invalid ``since``.
    """
    form = PollForm(request.GET)
    if not form.is_valid():
        return HttpResponseBadRequest()
    version, since = FleetVersion.current(), form.cleaned_data["since"]
    if form.is_current(version):
        fleet = publish_fleet_state(version)
        return not_modified(fleet, request, page=shown_page(request))
    shown = _shown_to(request.user, request.GET, version)
    if shown.page == shown_page(request):
        fleet = FleetState(version, shown.freshness.read_at_ms)
        return not_modified(fleet, request, page=shown.page)
    context = _list(request, shown)
    context["whole"] = form.needs_all_rows(
        version=context["version"], layout=context["layout"]
    )
    # A change of an edit's state counts as one of its instance.
    context["changed"] = [
        edit for edit in context["page"] if edit.instance.version > since
    ]
    return render(request, "edits/list.html#changes", context)


class _Shown(NamedTuple):
    """What a page of the list shows at a fleet version.

    Attributes:
        kept: The parameters of its address.
        edits: Not read yet.
    """

    version: int
    filter: EditFilter
    kept: QueryDict
    edits: Page[Edit]
    page: SharedPage
    freshness: Freshness


def _shown_to(user: User, query: QueryDict, version: int) -> _Shown:
    """Read whether the page has changed for the person, and publish it for polls."""
    edit_filter = EditFilter(
        query, queryset=edits_visible_to(user), request=SimpleNamespace(user=user)
    )
    kept = QueryDict(mutable=True)
    for name in (*edit_filter.filters, "page", "per_page"):
        if value := query.get(name):
            kept[name] = value
    key = page_key("edits", fleet_scope(user), user.pk, kept.urlencode())
    size = query.get("per_page", "")
    per_page = int(size) if size in map(str, PER_PAGE) else PER_PAGE[0]
    edits = Paginator(edit_filter.qs, per_page).get_page(query.get("page"))
    rows = cast("QuerySet[Edit]", edits.object_list)
    refs = list(rows.values_list("pk", "instance_id", "instance__version"))
    fresh = freshness(timezone.now())
    digest = layout_hash((refs, edits.paginator.count, fresh.signature))
    page = SharedPage(key, digest)
    state.put_page(
        page,
        version,
        instance_pks={instance_pk for _, instance_pk, _ in refs},
        elsewhere=Elsewhere.ALL,
    )
    state.keep_reader(key, lambda version: _shown_to(user, kept, version).page)
    return _Shown(version, edit_filter, kept, edits, page, fresh)


def _list(request: SignedInRequest, shown: _Shown) -> dict[str, Any]:
    version, edit_filter, kept = shown.version, shown.filter, shown.kept
    page = shown.edits
    layout = layout_hash((page.paginator.count, [edit.pk for edit in page]))
    return {
        "filter": edit_filter,
        "is_filtered": any(name in kept for name in edit_filter.filters),
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
                has_open_edit=any(edit.is_under_way for edit in page)
            ),
            page=shown.page,
        ),
    }


@require_safe
def detail(request: SignedInRequest, edit_id: UUID) -> HttpResponse:
    """One edit: the requested change, its actor and its outcome."""
    return render(request, "edits/detail.html", _context(request, edit_id))


@require_safe
def progress(request: SignedInRequest, edit_id: UUID) -> HttpResponse:
    """Fragment: the live part of the page.

    Query parameters:
        layout: A digest of what the page shows.

    Returns:
        200 with ``edits/detail.html#changes``; 204 when nothing changed.
    """
    context = _context(request, edit_id)
    if request.GET.get("layout") == context["layout"]:
        return not_modified()
    return render(request, "edits/detail.html#changes", context)


@require_safe
def banner(request: SignedInRequest, edit_id: UUID) -> HttpResponse:
    """Fragment: the state of an edit, for the page from which it was submitted.

    Returns:
        200 with ``edits/banner.html``, which polls while the edit is open.
    """
    edit = _edit(request, edit_id)
    context = {"edit": edit, "may_edit": can_edit(request.user, edit.instance.owner)}
    return render(request, "edits/banner.html", context)


@require_POST
def retry(request: SignedInRequest, edit_id: UUID) -> HttpResponse:
    """Submit a failed edit again, as a new one.

    Returns:
        303 to the new edit; to this one, with a message, when it cannot be retried; 403
        for an instance that is not theirs. To a popover: 202, and 409 with the message.
    """
    edit = _edit(request, edit_id)
    try:
        new_edit = services.retry_edit(edit=edit, actor=request.user)
    except (services.EditClosedError, services.RuleRefusedError) as error:
        return _refused(request, edit, str(error))
    except services.EditConflictError:
        return _refused(
            request,
            edit,
            _("The setting was just changed. Compare the values again."),
        )
    if in_popover(request):
        return accepted(new_edit)
    if not new_edit.is_open:
        messages.info(
            request, _("This change was already retried; here is the result.")
        )
    return _to(new_edit)


@require_POST
def cancel(request: SignedInRequest, edit_id: UUID) -> HttpResponse:
    """Cancel an edit that waits.

    Returns:
        303 to its page, with a message if it is too late; 403 for an instance that is
        not theirs.
    """
    return _close(request, edit_id, services.cancel_edit)


@require_POST
def discard(request: SignedInRequest, edit_id: UUID) -> HttpResponse:
    """Discard an edit in conflict; the newer values stay.

    Returns:
        303 to its page, with a message if it is in no conflict; 403 for an instance
        that is not theirs.
    """
    return _close(request, edit_id, services.discard_edit)


def _close(
    request: SignedInRequest, edit_id: UUID, service: Callable[..., Edit]
) -> HttpResponse:
    edit = _edit(request, edit_id)
    try:
        service(edit=edit, actor=request.user)
    except services.EditClosedError as error:
        return _refused(request, edit, str(error))
    return accepted(edit) if in_popover(request) else _to(edit)


def _refused(request: SignedInRequest, edit: Edit, reason: str) -> HttpResponse:
    if in_popover(request):
        return not_done(request, edit, reason)
    messages.error(request, reason)
    return _to(edit)


def _edit(request: SignedInRequest, edit_id: UUID) -> Edit:
    return get_object_or_404(edits_visible_to(request.user), pk=edit_id)


def _context(request: SignedInRequest, edit_id: UUID) -> dict[str, Any]:
    edits = edits_visible_to(request.user).select_related(
        "superseded_by", "retry_of", "undo_of", "batch"
    )
    edit = get_object_or_404(edits, pk=edit_id)
    attempts = list(edit.attempts.all())
    may_edit = can_edit(request.user, edit.instance.owner)
    heading, current = _current(edit)
    before = edit.base.get("status", "")
    is_lease_conflict = edit.may_be_discarded and edit.kind == Edit.Kind.EXTEND
    # Attempts end one by one while the state stays "sending".
    finished = sum(bool(attempt.finished_at) for attempt in attempts)
    layout = layout_hash((edit.state, finished, edit.outcome))
    return {
        "edit": edit,
        "current_heading": heading,
        "changes": display.changes(edit, current),
        "status_before": status_badge(before).label,
        "attempts": attempts,
        "may_edit": may_edit,
        "conflicts": display.conflicts(edit) if may_edit else [],
        "is_lease_conflict": is_lease_conflict,
        "changed_by": is_lease_conflict and extension_behind(edit.instance),
        "layout": layout,
        "poller": poller(
            request,
            reverse("edits:progress", args=[edit.pk]),
            {"layout": layout},
            interval_seconds=poll_interval(has_open_edit=not edit.is_waiting_for_stop),
        ),
        **_queue(edit),
    }


def _queue(edit: Edit) -> dict[str, Any]:
    """Return when the next attempt is, or until when a late write is watched for."""
    is_held = edit.instance.cloud.held_since is not None
    is_retrying = edit.state == Edit.State.RETRYING and edit.is_under_way
    is_retrying = is_retrying and not is_held
    is_watched = edit.is_unconfirmed and not edit.is_open
    if not is_retrying and not is_watched:
        return {}
    queue = EditQueue.objects.filter(instance_id=edit.instance_id).first()
    if queue is None:
        return {}
    if is_retrying:
        return {"next_attempt_at": queue.next_at}
    return {"checked_until": queue.late_write_until}


def _current(edit: Edit) -> tuple[str, dict[str, Any]]:
    """Return a heading for the values in the cloud, and the values by field."""
    if edit.state == Edit.State.APPLIED:
        return _("Confirmed value"), edit.result
    if edit.state in {Edit.State.FAILED, Edit.State.CONFLICT}:
        # A retry would replace these.
        return _("Current value in ModelArts"), expected_values(edit.instance)
    return "", {}


def _to(edit: Edit) -> HttpResponse:
    return HttpResponseRedirect(edit.get_absolute_url(), status=303)
