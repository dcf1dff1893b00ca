"""Editing a draft, with autosave.

For htmx each response is the line below the field: saved, or that someone else has
changed it, with both texts to choose from. Without JavaScript a button saves, and the
draft's page shows a conflict with the typed text still in its fields.
"""

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext
from django.views.decorators.http import require_POST
from django_htmx.http import HttpResponseClientRefresh

from dashboard.accounts.http import SignedInRequest
from dashboard.accounts.permissions import can_hand_over
from dashboard.handover import services
from dashboard.handover.forms import (
    ChosenWindowForm,
    NoteForm,
    SaveTokenForm,
    SummaryForm,
)
from dashboard.handover.models import Handover, Note

from .handovers import LAST_KEY, draft_page, see, seen_by

WORDS = ("summary", "text", "owner", "next_action")
"""Fields for text."""

SUMMARY = "summary"
"""The form of the summary; that of a note is ``note-`` and its key."""

UNPROCESSABLE = 422
CONFLICT = 409


@require_POST
def save(request: SignedInRequest, handover_id: int) -> HttpResponse:
    """Save the summary.

    Returns:
        For htmx 200 or 422 with ``handover/draft.html#state``; else 303 to the draft,
        or the draft with 409 or 422.
    """
    draft = _writable(request, handover_id)
    form = SummaryForm(request.POST)
    if not form.is_valid():
        return _refused(request, draft, form, SUMMARY)
    try:
        row = services.save_summary(
            handover=draft,
            actor=request.user,
            save_token=form.save_token,
            summary=_lines(form.cleaned_data["summary"]),
        )
    except services.HandoverError as error:
        return _clash(request, draft, error, form, SUMMARY)
    return _saved(request, draft, row, SUMMARY)


@require_POST
def window(request: SignedInRequest, handover_id: int) -> HttpResponse:
    """Choose another window.

    Returns:
        303 to the draft, with a message when someone else was faster; 422 with the
        draft for an invalid form.
    """
    draft = _writable(request, handover_id)
    form = ChosenWindowForm(request.POST)
    if not form.is_valid():
        if draft.published_at is not None:
            return see(draft)
        return draft_page(request, draft, status=UNPROCESSABLE, window=form)
    try:
        services.set_window(handover=draft, actor=request.user, **form.cleaned_data)
    except services.ChangedError:
        messages.error(
            request,
            gettext("Someone else has changed the period. Check it again."),
        )
    except services.HandoverError as error:
        messages.error(request, str(error))
    return see(draft)


@require_POST
def add_note(request: SignedInRequest, handover_id: int) -> HttpResponse:
    """Add an empty note.

    Returns:
        For htmx 200 with ``handover/draft.html#note``; else 303 to the draft.
    """
    draft = _writable(request, handover_id)
    try:
        note = services.add_note(handover=draft, actor=request.user)
    except services.HandoverError as error:
        messages.error(request, str(error))
        return HttpResponseClientRefresh() if request.htmx else see(draft)
    if not request.htmx:
        where = f"{draft.get_absolute_url()}#{note.place}"
        return HttpResponseRedirect(where, status=303)
    context = {
        "handover": draft,
        "note": note,
        "page": request.POST.get("page", "")[:32],
        "is_new": True,
    }
    return render(request, "handover/draft.html#note", context)


@require_POST
def save_note(request: SignedInRequest, handover_id: int, note_id: int) -> HttpResponse:
    """Save a note; responds like ``save``."""
    draft, note = _note(request, handover_id, note_id)
    form, place = NoteForm(request.POST), note.place
    if not form.is_valid():
        return _refused(request, draft, form, place)
    words = {name: _lines(text) for name, text in form.words.items()}
    try:
        row = services.save_note(
            note=note, actor=request.user, save_token=form.save_token, **words
        )
    except services.HandoverError as error:
        return _clash(request, draft, error, form, place)
    return _saved(request, draft, row, place)


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
        who = error.now.changed_by
        messages.error(
            request,
            gettext("Not removed: %(who)s has changed this note.") % {"who": who},
        )
    except services.HandoverError as error:
        messages.error(request, str(error))
    else:
        if request.htmx:
            context = {"handover": draft, "note": row}
            return render(request, "handover/draft.html#removed_note", context)
        messages.success(request, gettext("Note removed. You can restore it below."))
    if request.htmx:
        return HttpResponseClientRefresh()
    return see(draft)


def _writable(request: SignedInRequest, handover_id: int) -> Handover:
    if not can_hand_over(request.user):
        raise PermissionDenied(gettext("Only operators and admins can hand over."))
    return seen_by(request, handover_id)


def _note(
    request: SignedInRequest, handover_id: int, note_id: int
) -> tuple[Handover, Note]:
    draft = _writable(request, handover_id)
    notes = draft.notes.select_related("handover", "changed_by")
    return draft, get_object_or_404(notes, pk=min(note_id, LAST_KEY))


def _typed(form: Any) -> dict[str, str]:
    return {name: form.data.get(name, "") for name in ("revision", *WORDS)}


def _lines(text: str) -> str:
    # Browsers send CRLF.
    return text.replace("\r\n", "\n")


def _saved(
    request: SignedInRequest, draft: Handover, row: Handover | Note, place: str
) -> HttpResponse:
    if not request.htmx:
        return HttpResponseRedirect(f"{draft.get_absolute_url()}#{place}", status=303)
    context = {"place": place, "revision": row.revision, "saved_at": row.changed_at}
    return render(request, "handover/draft.html#state", context)


def _clash(
    request: SignedInRequest,
    draft: Handover,
    error: services.HandoverError,
    form: Any,
    place: str,
) -> HttpResponse:
    if isinstance(error, services.PublishedError) and not request.htmx:
        # The typed text must survive the response.
        typed = [form.cleaned_data.get(name) for name in WORDS]
        context = {"handover": draft, "typed": filter(None, typed), "error": error}
        return render(request, "handover/late.html", context, status=CONFLICT)
    clash = {
        "place": place,
        "typed": _typed(form),
        "error": str(error),
        "theirs": getattr(error, "now", None),
        "is_published": isinstance(error, services.PublishedError),
    }
    return _not_saved(request, draft, clash, CONFLICT)


def _refused(
    request: SignedInRequest, draft: Handover, form: Any, place: str
) -> HttpResponse:
    faults = " ".join(str(text) for texts in form.errors.values() for text in texts)
    clash = {"place": place, "typed": _typed(form), "error": faults}
    return _not_saved(request, draft, clash, UNPROCESSABLE)


def _not_saved(
    request: SignedInRequest, draft: Handover, clash: dict[str, Any], status: int
) -> HttpResponse:
    if not request.htmx:
        return draft_page(request, draft, status=status, clash=clash)
    context = {
        "handover": draft,
        "place": clash["place"],
        # Stays the old one: the typed text is still based on it.
        "revision": clash["typed"]["revision"],
        "clash": clash,
    }
    # htmx swaps 422
    return render(request, "handover/draft.html#state", context, status=UNPROCESSABLE)
