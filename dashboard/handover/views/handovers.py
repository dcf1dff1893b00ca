"""Pages of handovers: all of them, one, and what becomes of it."""

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
"""Drafts that the page for a new one names; the list has all."""
USUAL_SHIFT = timedelta(hours=8)
LAST_KEY = 2**63 - 1
"""A number beyond what the database holds is the number of no row."""


@require_safe
def handovers(request: SignedInRequest) -> HttpResponse:
    """Drafts first for those who write them, then what is published, newest first."""
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
    """Choose the window of a new draft; a POST begins it.

    Returns:
        303 to the draft; 422 with the form when something is wrong with it; 403 for
        those who do not hand over.
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
    """A published handover, with what is new on top; of a draft, the form."""
    found = seen_by(request, handover_id)
    if found.published_at is None:
        return draft_page(request, found)
    now = timezone.now()
    context = {
        "handover": found,
        "document": published(found),
        "is_broken": found.document is None or digest(found.document) != found.digest,
        "news": since_published.since(found, user=request.user, now=now),
        "earlier": _earlier(found),
        **tabs(request, "handovers"),
    }
    return render(request, "handover/published.html", context)


def draft_page(
    request: SignedInRequest, draft: Handover, *, status: int = 200, **more: Any
) -> HttpResponse:
    """The page that a draft is written on.

    Args:
        request: Whose it is.
        draft: What is written.
        status: Of the answer.
        more: For the template, over the usual.
    """
    window = {name: getattr(draft, name) for name in ("since", "ahead_hours")}
    notes = list(draft.notes.select_related("changed_by"))
    clashing = more.get("clash", {}).get("place")
    context = {
        "handover": draft,
        "window": ChosenWindowForm(initial=window | {"seen": draft.window}),
        # One that somebody typed on while it was removed, too.
        "notes": [one for one in notes if not one.is_removed or one.place == clashing],
        "removed": [
            one
            for one in notes
            if one.is_removed and not one.is_empty and one.place != clashing
        ],
        "document": report_data.draw(draft, user=request.user, now=timezone.now()),
        "owners": User.objects.filter(is_active=True).order_by("username"),
        "page": get_random_string(16),
        **tabs(request, "handovers"),
    }
    return render(request, "handover/draft.html", context | more, status=status)


@require_http_methods(["GET", "HEAD", "POST"])
def publish(request: SignedInRequest, handover_id: int) -> HttpResponse:
    """Show a draft as it will be frozen; a POST freezes it.

    Returns:
        303 to the handover; 409 with the page when somebody has changed the draft
        since this person read it, or published it; 403 and 404 as ever.
    """
    _require_operator(request)
    draft = seen_by(request, handover_id)
    changed = False
    if request.method == "POST" and draft.published_at is None:
        form = PublishForm(request.POST)
        version = form.cleaned_data["version"] if form.is_valid() else -1
        try:
            services.publish(handover=draft, by=request.user, version=version)
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
    """Take over from whoever published it; 303 to the handover, with a message."""
    return _act(
        request,
        handover_id,
        services.take_over,
        gettext("You have taken over."),
    )


@require_POST
def discard(request: SignedInRequest, handover_id: int) -> HttpResponse:
    """Throw a draft away; 303 to the list, or to the handover once it is published."""
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
    """The handover as a Markdown file in the reader's language.

    A draft is written as it stands now.
    """
    found = seen_by(request, handover_id)
    is_draft = found.published_at is None
    told = (
        report_data.draw(found, user=request.user, now=timezone.now())
        if is_draft
        else published(found)
    )
    signed = [gettext("Draft, not published")] if is_draft else _signatures(found)
    text = markdown(
        told,
        title=f"{found.title}, {moment(told.at)}",
        signed=signed,
        site=request.build_absolute_uri("/").rstrip("/"),
    )
    name = f"curfew-{str(found).lower().replace(' ', '-')}.md"
    return HttpResponse(
        text,
        content_type="text/markdown; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def tabs(request: SignedInRequest, current: str) -> dict[str, Any]:
    """What ``handover/_tabs.html`` wants."""
    return {"current": current, "may_hand_over": can_hand_over(request.user)}


def seen_by(request: SignedInRequest, handover_id: int) -> Handover:
    """A handover that this person may see, with its people.

    Raises:
        Http404: There is none.
    """
    people = ("author", "published_by", "taken_over_by", "changed_by")
    seen = Handover.objects.visible_to(request.user).select_related(*people)
    return get_object_or_404(seen, pk=min(handover_id, LAST_KEY))


def see(handover: Handover) -> HttpResponse:
    """303 to its page."""
    return HttpResponseRedirect(handover.get_absolute_url(), status=303)


def published(handover: Handover) -> Document:
    """What was frozen.

    Raises:
        Http404: Nothing was.
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
    # Published ones are everybody's to see, so who may not act is told that.
    found = seen_by(request, handover_id)
    _require_operator(request)
    try:
        service(handover=found, by=request.user)
    except services.HandoverError as error:
        messages.error(request, str(error))
        return see(found)
    messages.success(request, done)
    return HttpResponseRedirect(leads_to or found.get_absolute_url(), status=303)


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
    """Since the last handover, if that was lately; else an ordinary shift."""
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
