from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.utils.crypto import get_random_string
from django.utils.translation import gettext, ngettext
from django.views.decorators.http import (
    require_http_methods,
    require_POST,
    require_safe,
)

from dashboard.accounts.http import SignedInRequest
from dashboard.accounts.models import User
from dashboard.accounts.permissions import can_hand_over
from dashboard.handover import report_data, services, since_published
from dashboard.handover.document import Document, digest, from_json
from dashboard.handover.forms import ChosenWindowForm, PublishForm, WindowForm
from dashboard.handover.markdown import markdown, moment
from dashboard.handover.models import Handover
from dashboard.web.templatetags.pages import zone_name

PER_PAGE = 25
MOST_NAMED = 5
"""Drafts named on the page for a new one; the list has all."""
USUAL_SHIFT = timedelta(hours=8)
LAST_KEY = 2**63 - 1
"""The largest key that the database can store."""


@require_safe
def handovers(request: SignedInRequest) -> HttpResponse:
    """List drafts, for those who write them, then published ones, newest first."""
    people = ("author", "published_by", "taken_over_by", "changed_by")
    seen = Handover.objects.visible_to(request.user).select_related(*people)
    light = seen.defer("document", "summary")
    drafts = Paginator(light.drafts(), PER_PAGE).get_page(request.GET.get("drafts"))
    page = Paginator(light.published(), PER_PAGE).get_page(request.GET.get("page"))
    context = {
        "drafts": drafts,
        "page": page,
        "pages": page.paginator.get_elided_page_range(page.number, on_ends=1),
        **tabs(request, "handovers"),
    }
    return render(request, "handover/list.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def new(request: SignedInRequest) -> HttpResponse:
    """Choose the window of a new draft; a POST creates it.

    Returns:
        303 to the draft; 422 with the form when it is invalid; 403 for those who do not
        hand over.
    """
    _require_operator(request)
    if request.method == "POST":
        form = WindowForm(request.POST)
        if form.is_valid():
            try:
                made = services.draft(author=request.user, **form.cleaned_data)
            except services.HandoverError as error:
                form.add_error(None, str(error))
            else:
                _tell_open_notes(request, made)
                return see(made)
    else:
        form = WindowForm(initial=_usual_window())
    status = 422 if form.is_bound else 200
    context = {
        "form": form,
        "zone": zone_name(timezone.localtime()),
        "drafts": Handover.objects.drafts().select_related("author")[:MOST_NAMED],
        **tabs(request, "handovers"),
    }
    return render(request, "handover/new.html", context, status=status)


@require_safe
def handover(request: SignedInRequest, handover_id: int) -> HttpResponse:
    """Show a published handover with later changes on top, or the form of a draft."""
    handover = seen_by(request, handover_id)
    if handover.published_at is None:
        return draft_page(request, handover)
    now = timezone.now()
    context = {
        "handover": handover,
        "document": published(handover),
        "is_broken": handover.document is None
        or digest(handover.document) != handover.digest,
        "news": since_published.since(handover, user=request.user, now=now),
        "earlier": _earlier(handover),
        **tabs(request, "handovers"),
    }
    return render(request, "handover/published.html", context)


def draft_page(
    request: SignedInRequest, draft: Handover, *, status: int = 200, **more: Any
) -> HttpResponse:
    """Return the page of a draft; ``more`` extends its template context."""
    window = {name: getattr(draft, name) for name in ("since", "ahead_hours")}
    notes = list(draft.notes.select_related("changed_by"))
    clashing = more.get("clash", {}).get("place")
    context = {
        "handover": draft,
        "window": ChosenWindowForm(initial=window | {"seen": draft.window}),
        # Include a removed note that someone was typing into.
        "notes": [
            note for note in notes if not note.is_removed or note.place == clashing
        ],
        "removed": [
            note
            for note in notes
            if note.is_removed and not note.is_empty and note.place != clashing
        ],
        "document": report_data.draw(draft, user=request.user, now=timezone.now()),
        "owners": User.objects.filter(is_active=True).order_by("username"),
        "page": get_random_string(16),
        **tabs(request, "handovers"),
    }
    return render(request, "handover/draft.html", context | more, status=status)


@require_http_methods(["GET", "HEAD", "POST"])
def publish(request: SignedInRequest, handover_id: int) -> HttpResponse:
    """Preview a draft; a POST publishes it.

    Returns:
        303 to the handover; 409 with the page when someone has changed or published the
        draft since this person read it.
    """
    _require_operator(request)
    draft = seen_by(request, handover_id)
    changed = False
    if request.method == "POST" and draft.published_at is None:
        form = PublishForm(request.POST)
        version = form.cleaned_data["version"] if form.is_valid() else -1
        try:
            services.publish(handover=draft, actor=request.user, version=version)
        except services.ChangedError as error:
            draft, changed = error.now, True
        except services.PublishedError as error:
            messages.error(request, str(error))
            return see(draft)
        else:
            messages.success(
                request,
                gettext("Published. It can no longer be changed."),
            )
            return see(draft)
    if draft.published_at is not None:
        return see(draft)
    context = {
        "handover": draft,
        "document": report_data.draw(draft, user=request.user, now=timezone.now()),
        "changed": changed,
        **tabs(request, "handovers"),
    }
    return render(
        request, "handover/publish.html", context, status=409 if changed else 200
    )


@require_POST
def take_over(request: SignedInRequest, handover_id: int) -> HttpResponse:
    return _act(
        request,
        handover_id,
        services.take_over,
        gettext("You have taken over."),
    )


@require_POST
def discard(request: SignedInRequest, handover_id: int) -> HttpResponse:
    """Discard a draft; 303 to the list, or to the handover if it is published."""
    return _act(
        request,
        handover_id,
        services.discard,
        gettext("Draft discarded."),
        reverse(LIST),
    )


LIST = "handover:list"


@require_safe
def as_markdown(request: SignedInRequest, handover_id: int) -> HttpResponse:
    """Return the handover as a Markdown file in the reader's language."""
    handover = seen_by(request, handover_id)
    is_draft = handover.published_at is None
    document = (
        report_data.draw(handover, user=request.user, now=timezone.now())
        if is_draft
        else published(handover)
    )
    signed = [gettext("Draft, not published")] if is_draft else _signatures(handover)
    text = markdown(
        document,
        title=f"{handover.title}, {moment(document.at)}",
        signed=signed,
        site=request.build_absolute_uri("/").rstrip("/"),
    )
    name = f"curfew-{str(handover).lower().replace(' ', '-')}.md"
    return HttpResponse(
        text,
        content_type="text/markdown; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def tabs(request: SignedInRequest, current: str) -> dict[str, Any]:
    return {"current": current, "may_hand_over": can_hand_over(request.user)}


def seen_by(request: SignedInRequest, handover_id: int) -> Handover:
    """Return a handover that this person may see.

    Raises:
        Http404: There is none.
    """
    people = ("author", "published_by", "taken_over_by", "changed_by")
    seen = Handover.objects.visible_to(request.user).select_related(*people)
    return get_object_or_404(seen, pk=min(handover_id, LAST_KEY))


def see(handover: Handover) -> HttpResponse:
    return HttpResponseRedirect(handover.get_absolute_url(), status=303)


def published(handover: Handover) -> Document:
    """Return the frozen document.

    Raises:
        Http404: It is a draft.
    """
    if handover.document is None:
        raise Http404
    return from_json(handover.document)


def _require_operator(request: SignedInRequest) -> None:
    if not can_hand_over(request.user):
        raise PermissionDenied(gettext("Only operators and admins can hand over."))


def _act(
    request: SignedInRequest,
    handover_id: int,
    service: Callable[..., object],
    done: str,
    leads_to: str = "",
) -> HttpResponse:
    # Everyone may see published ones, so 403 gives a reason.
    handover = seen_by(request, handover_id)
    _require_operator(request)
    try:
        service(handover=handover, actor=request.user)
    except services.HandoverError as error:
        messages.error(request, str(error))
        return see(handover)
    messages.success(request, done)
    return HttpResponseRedirect(leads_to or handover.get_absolute_url(), status=303)


def _tell_open_notes(request: SignedInRequest, draft: Handover) -> None:
    if brought := draft.notes.count():
        messages.info(
            request,
            ngettext(
                "%(number)s open note was copied from the last handover.",
                "%(number)s open notes were copied from the last handover.",
                brought,
            )
            % {"number": brought},
        )


def _usual_window() -> dict[str, Any]:
    """Return the time since the last handover if that is recent, else a usual shift."""
    now = timezone.now()
    usual = now.replace(second=0, microsecond=0) - USUAL_SHIFT
    last = Handover.objects.published().values_list("published_at", flat=True).first()
    since = last if last and now - last < 3 * USUAL_SHIFT else usual
    return {"since": since, "ahead_hours": 8}


def _earlier(handover: Handover) -> Handover | None:
    older = Handover.objects.published().filter(published_at__lt=handover.published_at)
    return older.defer("document").first()


def _signatures(handover: Handover) -> list[str]:
    lines = [
        gettext("Published by %(published_by)s, %(published_at)s")
        % {
            "published_by": handover.published_by,
            "published_at": moment(handover.published_at),
        }
    ]
    if handover.taken_over_at:
        by, at = handover.taken_over_by, moment(handover.taken_over_at)
        lines.append(gettext("Taken over by %(by)s, %(at)s") % {"by": by, "at": at})
    else:
        lines.append(gettext("Not taken over yet"))
    return lines
