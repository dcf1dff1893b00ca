"""One's own reminders: the inbox, and what to be told."""

from typing import Any

from django.contrib import messages as notes
from django.core.paginator import Paginator
from django.http import HttpResponse, HttpResponseBadRequest
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext
from django.views.decorators.http import (
    require_http_methods,
    require_POST,
    require_safe,
)

from dashboard.accounts.http import SignedInRequest
from dashboard.accounts.permissions import can_edit
from dashboard.reminders import policy_texts, selectors, services
from dashboard.reminders.forms import PreferencesForm, ReadForm
from dashboard.reminders.links import Act, action_path
from dashboard.reminders.models import Reminder
from dashboard.reminders.recipients import may_mail, preferences_of
from dashboard.reminders.texts import (
    action,
    cancelled_text,
    headline,
    moment_label,
    subject_url,
)

TELLS_FACTS = policy_texts.KINDS
UNPROCESSABLE = 422
PER_PAGE = 25


@require_safe
def inbox(request: SignedInRequest) -> HttpResponse:
    """What one was told, newest first. Query parameters: ``page``."""
    reminders = selectors.inbox(request.user)
    page = Paginator(reminders, PER_PAGE).get_page(request.GET.get("page"))
    context = {
        "current": "inbox",
        "page": page,
        "pages": page.paginator.get_elided_page_range(page.number, on_ends=1),
        "entries": _entries(request, list(page)),
        "has_mail": may_mail(request.user),
    }
    return render(request, "reminders/inbox.html", context)


@require_POST
def read(request: SignedInRequest) -> HttpResponse:
    """Take one entry, or all, as read; others' are left alone. 303 to the inbox.

    Fields:
        reminder: Key of the entry; empty for all.
    """
    form = ReadForm(request.POST)
    if not form.is_valid():
        return HttpResponseBadRequest()
    key = form.cleaned_data["reminder"]
    services.mark_read(user=request.user, keys=[key] if key else None)
    return redirect("reminders:inbox")


@require_http_methods(["GET", "HEAD", "POST"])
def preferences(request: SignedInRequest) -> HttpResponse:
    """What one wants to be told: a form and its submission.

    Returns:
        302 back to it once it is saved; 422 with the form when something is wrong.
    """
    form = PreferencesForm(
        request.POST if request.method == "POST" else None,
        instance=preferences_of(request.user),
        owners=selectors.owners(),
    )
    if form.is_bound and form.is_valid():
        services.save_preferences(preferences=form.save(commit=False))
        notes.success(request, gettext("Saved."))
        return redirect("reminders:settings")
    context = {
        "current": "settings",
        "form": form,
        "may_mail": may_mail(request.user),
        "owns": sorted(request.user.cloud_identifiers),
    }
    status = UNPROCESSABLE if form.is_bound else 200
    return render(request, "reminders/settings.html", context, status=status)


def _entries(
    request: SignedInRequest, reminders: list[Reminder]
) -> list[dict[str, Any]]:
    cancelled = [
        reminder for reminder in reminders if reminder.state == Reminder.State.CANCELLED
    ]
    ends = selectors.ends_of(cancelled)
    edits = selectors.edits_of(ends.values())
    entries = []
    for reminder in reminders:
        entry = _entry(request, reminder)
        if reminder.state == Reminder.State.CANCELLED:
            end = ends.get(reminder.pk)
            edit = edits.get(end.edit_id) if end else None
            entry["outcome"] = cancelled_text(reminder, end, edit.by if edit else "")
        entries.append(entry)
    return entries


def _entry(request: SignedInRequest, reminder: Reminder) -> dict[str, Any]:
    instance = reminder.instance
    name = str(instance or "")
    is_new = reminder.state == Reminder.State.SENT and reminder.read_at is None
    now = timezone.now()
    kind = Reminder.Kind(reminder.kind)
    if reminder.edit is not None and instance is not None:
        reminder.edit.instance = instance
    offered = action(reminder)
    is_over = reminder.expires_at <= now
    may_act = instance is not None and can_edit(request.user, instance.owner)
    of_batch = reminder.edit is not None and reminder.edit.batch_id is not None
    offers = may_act and not is_over and not of_batch and offered is not None
    is_shown = reminder.state == Reminder.State.SENT
    act = Act(request.user.pk, reminder.pk, offered.name if offered else "")
    return {
        "reminder": reminder,
        "headline": headline(reminder, name),
        "url": subject_url(reminder),
        "is_over": is_over,
        "is_unread": is_new and not is_over,
        "action": offered,
        "act_url": action_path(act) if offers and is_shown else "",
        "moment_label": moment_label(reminder, is_over=is_over),
        "facts": policy_texts.facts(reminder, str) if kind in TELLS_FACTS else [],
        "ask_url": policy_texts.ask_url(reminder) if is_shown and not is_over else "",
    }
