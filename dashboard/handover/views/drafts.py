"""Editing a draft, with autosave.

For htmx each response is the line below the field: saved, or changed by someone else,
with both texts to choose from. Without JavaScript a button saves, and the page of the
draft shows a conflict and keeps the typed text in its fields.
"""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import HttpResponse, HttpResponseBadRequest
from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST
from django_htmx.http import HttpResponseClientRefresh

from dashboard.accounts.http import SignedInRequest
from dashboard.handover import services
from dashboard.handover.forms import (
    DraftWindowForm,
    FactForm,
    NoteForm,
    SaveTokenForm,
    SummaryForm,
)
from dashboard.handover.models import Handover, Note
from dashboard.instances.models import Instance
from dashboard.saved.models import SavedView

from .handovers import LAST_KEY, draft_page, redirect_to, visible_handover

TEXTS = ("summary", "text", "owner", "next_action")
SUMMARY = "summary"
"""Id of the form of the summary; for notes see ``Note.place``."""

UNPROCESSABLE = 422
CONFLICT = 409


@require_POST
def save(request: SignedInRequest, handover_id: int) -> HttpResponse:
    """Save the summary.

    Returns:
        For htmx 200 or 422 with ``handover/draft.html#state``; else 303 to the draft,
        or the draft with 409 or 422.
    """
    draft = _draft(request, handover_id)
    form = SummaryForm(request.POST)
    return _autosave(
        request, draft, form, SUMMARY, services.save_summary, handover=draft
    )


@require_POST
def window(request: SignedInRequest, handover_id: int) -> HttpResponse:
    """Change the window.

    Returns:
        303 to the draft, with a message when someone else has changed it meanwhile; 422
        with the draft for an invalid form.
    """
    draft = _draft(request, handover_id)
    views = SavedView.objects.for_menu(request.user)
    form = DraftWindowForm(request.POST, views=views)
    if not form.is_valid():
        if draft.published_at is not None:
            return redirect_to(draft)
        return draft_page(request, draft, status=UNPROCESSABLE, window=form)
    try:
        services.set_window(handover=draft, actor=request.user, **form.cleaned_data)
    except services.ChangedError:
        messages.error(
            request,
            _("Someone else has changed the period. Check it again."),
        )
    except services.HandoverError as error:
        messages.error(request, str(error))
    return redirect_to(draft)


@require_POST
def add_note(request: SignedInRequest, handover_id: int) -> HttpResponse:
    """Add an empty note, or one about a line of the report.

    Returns:
        For htmx 200 with ``handover/draft.html#note``; else 303 to the draft. 400 for
        an invalid line.
    """
    draft = _draft(request, handover_id)
    form = FactForm(request.POST)
    if not form.is_valid():
        return HttpResponseBadRequest()
    fact = form.cleaned_data["fact"]
    visible = Instance.objects.visible_to(request.user).select_related("cloud")
    instance = visible.filter(
        cloud__name=fact["cloud"], instance_id=fact["instance_id"]
    ).first()
    texts = {"text": fact["text"]}
    if instance:
        texts |= {
            "instance_name": instance.name or instance.instance_id,
            "cloud_name": instance.cloud.name,
            "instance_id": instance.instance_id,
        }
    try:
        note = services.add_note(handover=draft, actor=request.user, **texts)
    except services.HandoverError as error:
        messages.error(request, str(error))
        return HttpResponseClientRefresh() if request.htmx else redirect_to(draft)
    if not request.htmx:
        return redirect_to(draft, note.place)
    context = {
        "handover": draft,
        "note": note,
        "client_id": request.POST.get("client_id", "")[:32],
        "is_new": True,
    }
    return render(request, "handover/draft.html#note", context)


@require_POST
def save_note(request: SignedInRequest, handover_id: int, note_id: int) -> HttpResponse:
    """Save a note; responds like ``save``."""
    draft, note = _note(request, handover_id, note_id)
    form = NoteForm(request.POST)
    return _autosave(request, draft, form, note.place, services.save_note, note=note)


@require_POST
def remove_note(
    request: SignedInRequest, handover_id: int, note_id: int
) -> HttpResponse:
    """Remove a note, unless someone else has changed it meanwhile.

    Returns:
        For htmx 200 with ``handover/draft.html#removed_note``; else, and when the note
        stays, 303 to the draft with a message.
    """
    draft, note = _note(request, handover_id, note_id)
    form = SaveTokenForm(request.POST)
    save_token = form.save_token if form.is_valid() else services.SaveToken(-1)
    try:
        row = services.remove_note(note=note, actor=request.user, save_token=save_token)
    except services.ChangedError as error:
        who = error.current.changed_by
        messages.error(
            request,
            _("Not removed: %(who)s has changed this note.") % {"who": who},
        )
    except services.HandoverError as error:
        messages.error(request, str(error))
    else:
        if request.htmx:
            context = {"handover": draft, "note": row}
            return render(request, "handover/draft.html#removed_note", context)
        messages.success(request, _("Note removed. You can restore it below."))
    if request.htmx:
        return HttpResponseClientRefresh()
    return redirect_to(draft)


def _draft(request: SignedInRequest, handover_id: int) -> Handover:
    services.require_operator(request.user)
    return visible_handover(request, handover_id)


def _note(
    request: SignedInRequest, handover_id: int, note_id: int
) -> tuple[Handover, Note]:
    draft = _draft(request, handover_id)
    notes = draft.notes.select_related("handover", "changed_by")
    return draft, get_object_or_404(notes, pk=min(note_id, LAST_KEY))


def _autosave(
    request: SignedInRequest,
    draft: Handover,
    form: SaveTokenForm,
    place: str,
    service: Callable[..., Handover | Note],
    **target: Handover | Note,
) -> HttpResponse:
    """Save the texts of a form with a service.

    Args:
        place: Id of the form.
        target: The argument of the service that names what to save.
    """
    if not form.is_valid():
        errors = " ".join(str(text) for texts in form.errors.values() for text in texts)
        return _not_saved(request, draft, form, place, UNPROCESSABLE, error=errors)
    texts = {
        # Browsers send CRLF.
        name: form.cleaned_data[name].replace("\r\n", "\n")
        for name in TEXTS
        if name in form.cleaned_data
    }
    try:
        row = service(**target, actor=request.user, save_token=form.save_token, **texts)
    except services.PublishedError as error:
        if not request.htmx:
            # The typed text must survive the response.
            context = {
                "handover": draft,
                "typed": filter(None, texts.values()),
                "error": error,
            }
            return render(request, "handover/late.html", context, status=CONFLICT)
        clash = {"error": str(error), "is_published": True}
        return _not_saved(request, draft, form, place, CONFLICT, **clash)
    except services.ChangedError as error:
        clash = {"error": str(error), "theirs": error.current}
        return _not_saved(request, draft, form, place, CONFLICT, **clash)
    if not request.htmx:
        return redirect_to(draft, place)
    context = {"place": place, "revision": row.revision, "saved_at": row.changed_at}
    return render(request, "handover/draft.html#state", context)


def _not_saved(
    request: SignedInRequest,
    draft: Handover,
    form: SaveTokenForm,
    place: str,
    status: int,
    **clash: Any,
) -> HttpResponse:
    typed = {name: form.data.get(name, "") for name in ("revision", *TEXTS)}
    clash |= {"place": place, "typed": typed}
    if not request.htmx:
        return draft_page(request, draft, status=status, clash=clash)
    context = {
        "handover": draft,
        "place": place,
        # Stays the old one: the typed text is still based on it.
        "revision": typed["revision"],
        "clash": clash,
    }
    # htmx swaps 422
    return render(request, "handover/draft.html#state", context, status=UNPROCESSABLE)
