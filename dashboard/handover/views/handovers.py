from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.utils.crypto import get_random_string
from django.utils.translation import gettext as _
from django.views.decorators.http import (
    require_http_methods,
    require_POST,
    require_safe,
)
from django_htmx.http import HttpResponseClientRefresh

from dashboard.accounts.http import SignedInRequest
from dashboard.accounts.models import User
from dashboard.accounts.permissions import can_hand_over
from dashboard.handover import report_data, services, since_published
from dashboard.handover.document import Document, digest, from_json
from dashboard.handover.forms import (
    ActionForm,
    DraftWindowForm,
    PublishForm,
    WindowForm,
)
from dashboard.handover.markdown import markdown, moment
from dashboard.handover.models import Handover, Note
from dashboard.handover.note_lines import action_line, words
from dashboard.saved.models import SavedView
from dashboard.web.templatetags.pages import zone_name

PER_PAGE = 25
MAX_NAMED_DRAFTS = 5
"""On the page for a new draft; the list has all."""
USUAL_SHIFT = timedelta(hours=8)
LAST_KEY = 2**63 - 1
"""The largest key that the database can store."""
_PEOPLE = ("author", "published_by", "taken_over_by", "changed_by")


@require_safe
def handovers(request: SignedInRequest) -> HttpResponse:
    """List the drafts that a person may see, and published handovers, newest first."""
    visible = Handover.objects.visible_to(request.user).select_related(*_PEOPLE)
    queryset = visible.defer("document", "summary")
    drafts = Paginator(queryset.drafts(), PER_PAGE).get_page(request.GET.get("drafts"))
    page = Paginator(queryset.published(), PER_PAGE).get_page(request.GET.get("page"))
    context = {
        "drafts": drafts,
        "page": page,
        "pages": page.paginator.get_elided_page_range(page.number, on_ends=1),
        **tabs(request, "handovers"),
    }
    return render(request, "handover/list.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def new(request: SignedInRequest) -> HttpResponse:
    """Show the form of a new draft; a POST creates it.

    Returns:
        For a POST 303 to the draft; 422 with an invalid form.
    """
    services.require_operator(request.user)
    views = SavedView.objects.for_menu(request.user)
    if request.method == "POST":
        form = WindowForm(request.POST, views=views)
        if form.is_valid():
            try:
                draft = services.draft(actor=request.user, **form.cleaned_data)
            except services.HandoverError as error:
                form.add_error(None, str(error))
            else:
                return redirect_to(draft)
    else:
        form = WindowForm(initial=_usual_window(), views=views)
    status = 422 if form.is_bound else 200
    context = {
        "form": form,
        "zone": zone_name(timezone.localtime()),
        "drafts": Handover.objects.drafts().select_related("author")[:MAX_NAMED_DRAFTS],
        **tabs(request, "handovers"),
    }
    return render(request, "handover/new.html", context, status=status)


@require_safe
def handover(request: SignedInRequest, handover_id: int) -> HttpResponse:
    """Show a published handover and the changes since then, or the page of a draft."""
    handover = visible_handover(request, handover_id)
    if handover.published_at is None:
        return draft_page(request, handover)
    later = since_published.next_handover(handover)
    older = Handover.objects.published().filter(
        published_at__lt=handover.published_at, query=handover.query
    )
    document = _published_document(handover)
    context = {
        "handover": handover,
        "document": document,
        **words(document, request.user)._asdict(),
        "is_broken": digest(handover.document or {}) != handover.digest,
        "later": later,
        # A later handover has these changes.
        "changes": None
        if later
        else since_published.changes_since(
            handover, user=request.user, now=timezone.now()
        ),
        "earlier": older.defer("document").first(),
        **tabs(request, "handovers"),
    }
    return render(request, "handover/published.html", context)


def draft_page(
    request: SignedInRequest, draft: Handover, *, status: int = 200, **more: Any
) -> HttpResponse:
    """Return the page of a draft; ``more`` extends its template context."""
    names = ("since", "ahead_hours", "view", "window")
    document = report_data.build_document(draft, user=request.user, now=timezone.now())
    carried = [note for note in document.notes if note.carried_from]
    notes = list(draft.notes.select_related("changed_by"))
    clashing = more.get("clash", {}).get("place")
    context = {
        "handover": draft,
        "window": DraftWindowForm(
            initial={name: getattr(draft, name) for name in names},
            views=SavedView.objects.for_menu(request.user),
        ),
        # Include a removed note that someone was typing into.
        "notes": [
            note for note in notes if not note.is_removed or note.place == clashing
        ],
        "removed": [
            note
            for note in notes
            if note.is_removed and not note.is_empty and note.place != clashing
        ],
        "document": document,
        "carried": words(
            replace(document, summary="", notes=carried), request.user
        ).actions,
        "owners": User.objects.filter(is_active=True).order_by("username"),
        "client_id": get_random_string(16),
        **tabs(request, "handovers"),
    }
    return render(request, "handover/draft.html", context | more, status=status)


@require_http_methods(["GET", "HEAD", "POST"])
def publish(request: SignedInRequest, handover_id: int) -> HttpResponse:
    """Show a draft as it will be published; a POST publishes it.

    Returns:
        For a POST 303 to the handover; 409 with the page when someone has changed the
        draft since this person read it.
    """
    services.require_operator(request.user)
    draft = visible_handover(request, handover_id)
    if draft.published_at is not None:
        return redirect_to(draft)
    is_changed = False
    if request.method == "POST":
        form = PublishForm(request.POST)
        version = form.cleaned_data["version"] if form.is_valid() else -1
        try:
            services.publish(handover=draft, actor=request.user, version=version)
        except services.ChangedError as error:
            draft, is_changed = error.current, True
        except services.PublishedError as error:
            messages.error(request, str(error))
            return redirect_to(draft)
        else:
            messages.success(request, _("Published. It can no longer be changed."))
            return redirect_to(draft)
    document = report_data.build_document(draft, user=request.user, now=timezone.now())
    context = {
        "handover": draft,
        "document": document,
        **words(document, request.user)._asdict(),
        "changed": is_changed,
        **tabs(request, "handovers"),
    }
    status = 409 if is_changed else 200
    return render(request, "handover/publish.html", context, status=status)


@require_POST
def take_over(request: SignedInRequest, handover_id: int) -> HttpResponse:
    return _call_service(
        request, handover_id, services.take_over, _("You have taken over.")
    )


@require_POST
def mark_action(
    request: SignedInRequest, handover_id: int, note_id: int
) -> HttpResponse:
    """Mark an action on the page of a handover as done, or as open again.

    Returns:
        For htmx 200 with ``handover/_action.html``; else 303 to the handover.
    """
    services.require_operator(request.user)
    handover = visible_handover(request, handover_id)
    form = ActionForm(request.POST)
    is_done = form.is_valid() and form.cleaned_data["done"]
    note = get_object_or_404(Note, pk=min(note_id, LAST_KEY))
    try:
        row = services.mark_action(note=note, actor=request.user, is_done=is_done)
    except services.HandoverError as error:
        messages.error(request, str(error))
        return HttpResponseClientRefresh() if request.htmx else redirect_to(handover)
    if not request.htmx:
        return redirect_to(handover, f"action-{row.pk}")
    notes = (
        _published_document(handover).notes
        if handover.published_at
        else report_data.document_notes(handover)
    )
    shown = next((note for note in notes if note.key == row.pk), None)
    if shown is None:
        return HttpResponseClientRefresh()
    context = {
        "handover": handover,
        "line": action_line(shown, request.user),
        **tabs(request, "handovers"),
    }
    return render(request, "handover/_action.html", context)


@require_POST
def discard(request: SignedInRequest, handover_id: int) -> HttpResponse:
    """Discard a draft; 303 to the list, or to the handover if it is published."""
    return _call_service(
        request,
        handover_id,
        services.discard,
        _("Draft discarded."),
        reverse("handover:list"),
    )


@require_safe
def as_markdown(request: SignedInRequest, handover_id: int) -> HttpResponse:
    """Return the handover as a Markdown file in the reader's language."""
    handover = visible_handover(request, handover_id)
    if handover.published_at is None:
        document = report_data.build_document(
            handover, user=request.user, now=timezone.now()
        )
        signatures = [_("Draft, not published")]
    else:
        document, signatures = _published_document(handover), _signatures(handover)
    text = markdown(
        document,
        title=str(handover.title),
        signatures=signatures,
        url=request.build_absolute_uri(handover.get_absolute_url()),
    )
    name = f"curfew-{str(handover).lower().replace(' ', '-')}.md"
    return HttpResponse(
        text,
        content_type="text/markdown; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def tabs(request: SignedInRequest, current: str) -> dict[str, Any]:
    return {"current": current, "may_hand_over": can_hand_over(request.user)}


def visible_handover(request: SignedInRequest, handover_id: int) -> Handover:
    """Return a handover that this person may see.

    Raises:
        Http404: There is none.
    """
    visible = Handover.objects.visible_to(request.user).select_related(*_PEOPLE)
    return get_object_or_404(visible, pk=min(handover_id, LAST_KEY))


def redirect_to(handover: Handover, place: str = "") -> HttpResponse:
    """Return a redirect to the page of a handover, perhaps to an element on it."""
    fragment = f"#{place}" if place else ""
    url = f"{handover.get_absolute_url()}{fragment}"
    return HttpResponseRedirect(url, status=303)


def _published_document(handover: Handover) -> Document:
    if handover.document is None:
        raise Http404
    return from_json(handover.document)


def _call_service(
    request: SignedInRequest,
    handover_id: int,
    service: Callable[..., object],
    success: str,
    url: str = "",
) -> HttpResponse:
    handover = visible_handover(request, handover_id)
    try:
        service(handover=handover, actor=request.user)
    except services.HandoverError as error:
        messages.error(request, str(error))
        return redirect_to(handover)
    messages.success(request, success)
    return HttpResponseRedirect(url or handover.get_absolute_url(), status=303)


def _usual_window() -> dict[str, Any]:
    """Return the time since the last handover if that is recent, or a usual shift."""
    now = timezone.now()
    usual = now.replace(second=0, microsecond=0) - USUAL_SHIFT
    last = Handover.objects.published().values_list("published_at", flat=True).first()
    since = last if last and now - last < 3 * USUAL_SHIFT else usual
    return {"since": since, "ahead_hours": 8}


def _signatures(handover: Handover) -> list[str]:
    lines = [
        _("Published by %(published_by)s, %(published_at)s")
        % {
            "published_by": handover.published_by,
            "published_at": moment(handover.published_at),
        }
    ]
    if handover.taken_over_at:
        lines.append(
            _("Taken over by %(person)s, %(at)s")
            % {
                "person": handover.taken_over_by,
                "at": moment(handover.taken_over_at),
            }
        )
    else:
        lines.append(_("Not taken over yet"))
    return lines
