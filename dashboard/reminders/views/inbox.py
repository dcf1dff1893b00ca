"""A person's notifications and their settings."""

from typing import Any

from django.contrib import messages as notes
from django.core.paginator import Paginator
from django.http import HttpResponse, HttpResponseBadRequest, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import (
    require_http_methods,
    require_POST,
    require_safe,
)

from dashboard.accounts.http import SignedInRequest
from dashboard.accounts.permissions import can_acknowledge, can_edit
from dashboard.reminders import headlines, selectors, services, texts
from dashboard.reminders.forms import PreferencesForm, ReadForm
from dashboard.reminders.links import ActionLink, action_path
from dashboard.reminders.models import Acknowledgement, Reminder
from dashboard.reminders.recipients import may_mail, preferences_of

UNPROCESSABLE = 422
PER_PAGE = 25


@require_safe
def inbox(request: SignedInRequest) -> HttpResponse:
    """Show a person's notifications, grouped by cause.

    Query parameters:
        ``kind`` (a ``Reminder.Kind``), ``show`` (``open`` leaves out what is over) and
        ``page``; invalid ones are ignored.
    """
    kind, show = request.GET.get("kind", ""), request.GET.get("show", "")
    reminders = selectors.inbox(request.user, is_open=show == "open", kind=kind)
    page = Paginator(reminders, PER_PAGE).get_page(request.GET.get("page"))
    context = {
        "current": "inbox",
        "page": page,
        "pages": page.paginator.get_elided_page_range(page.number, on_ends=1),
        "groups": _groups(_entries(request, list(page))),
        "kinds": [
            choice
            for choice in Reminder.Kind.choices
            if choice[0] != Reminder.Kind.TEST
        ],
        "may_acknowledge": can_acknowledge(request.user),
        "kind": kind,
        "show": show,
        "is_filtered": show == "open" or kind in Reminder.Kind.values,
    }
    return render(request, "reminders/inbox.html", context)


@require_safe
def newest(request: SignedInRequest) -> HttpResponse:
    """Return the newest unread notification as JSON, for the browser's own; or 204."""
    reminder = selectors.newest_unread(request.user)
    if reminder is None:
        return HttpResponse(status=204)
    return JsonResponse(
        {
            "title": headlines.headline(reminder, str(reminder.instance or "")),
            "tag": f"curfew-{reminder.pk}",
            "url": texts.subject_url(reminder),
        }
    )


@require_POST
def acknowledge(request: SignedInRequest, reminder_pk: int) -> HttpResponse:
    """Tell the team that this person looks after it; 302 to the inbox."""
    reminder = get_object_or_404(
        Reminder.objects.select_related("instance__cloud", "cloud"),
        pk=min(reminder_pk, 2**63 - 1),
        person=request.user,
    )
    services.acknowledge(reminder=reminder, actor=request.user)
    return redirect("reminders:inbox")


@require_POST
def read(request: SignedInRequest) -> HttpResponse:
    """Mark an entry of this person, or all of them, as read."""
    form = ReadForm(request.POST)
    if not form.is_valid():
        return HttpResponseBadRequest()
    key = form.cleaned_data["reminder"]
    services.mark_read(actor=request.user, keys=[key] if key else None)
    return redirect("reminders:inbox")


@require_http_methods(["GET", "HEAD", "POST"])
def preferences(request: SignedInRequest) -> HttpResponse:
    """Show the notification settings; a POST saves them.

    Returns:
        For a POST 302 to the same page; 422 with an invalid form.
    """
    form = PreferencesForm(
        request.POST if request.method == "POST" else None,
        instance=preferences_of(request.user),
        owners=selectors.owners(),
    )
    if form.is_bound and form.is_valid():
        services.save_preferences(preferences=form.save(commit=False))
        notes.success(request, _("Saved."))
        return redirect("reminders:settings")
    context = {
        "current": "settings",
        "form": form,
        "may_mail": may_mail(request.user),
        "owns": sorted(request.user.cloud_identifiers),
    }
    status = UNPROCESSABLE if form.is_bound else 200
    return render(request, "reminders/settings.html", context, status=status)


def _groups(entries: list[dict[str, Any]]) -> list[tuple[str, list[dict[str, Any]]]]:
    """Return the entries by the label of their kind, what came last first."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for entry in entries:
        label = entry["reminder"].get_kind_display()
        groups.setdefault(label, []).append(entry)
    return list(groups.items())


def _entries(
    request: SignedInRequest, reminders: list[Reminder]
) -> list[dict[str, Any]]:
    members = {
        reminder: list(reminder.members.all()) if reminder.is_list else []
        for reminder in reminders
    }
    everything = [*reminders, *(item for some in members.values() for item in some)]
    cancelled = [item for item in everything if item.state == Reminder.State.CANCELLED]
    ends = selectors.ends_of(cancelled)
    edits = selectors.edits_of(ends.values())
    known = selectors.acknowledgements(
        {item.event for item in everything if item.for_team and not item.is_list}
    )
    entries = {item: _entry(request, item, known) for item in everything}
    for reminder in cancelled:
        end = ends.get(reminder.pk)
        edit = edits.get(end.edit_id) if end else None
        actor = edit.actor_name if edit else ""
        entries[reminder]["outcome"] = texts.cancelled_text(reminder, end, actor)
    for reminder, listed in members.items():
        entry = entries[reminder]
        entry["members"] = [entries[member] for member in listed]
        if listed and all(item["acknowledged"] for item in entry["members"]):
            entry["acknowledged"] = entry["members"][-1]["acknowledged"]
    return [entries[reminder] for reminder in reminders]


def _entry(
    request: SignedInRequest, reminder: Reminder, known: dict[str, Acknowledgement]
) -> dict[str, Any]:
    instance, edit = reminder.instance, reminder.edit
    if edit is not None and instance is not None:
        edit.instance = instance
    is_over = reminder.expires_at <= timezone.now()
    is_sent = reminder.state in {Reminder.State.SENT, Reminder.State.GROUPED}
    is_active = is_sent and not is_over
    actions = []
    if (
        is_active
        and instance
        and not (edit and edit.batch_id)
        and can_edit(request.user, instance.owner)
    ):
        for action in texts.actions(reminder):
            link = ActionLink(request.user.pk, reminder.pk, action.name)
            actions.append((action, action_path(link)))
    return {
        "reminder": reminder,
        "headline": headlines.headline(reminder, str(instance or "")),
        "url": texts.subject_url(reminder),
        "is_over": is_over,
        "is_active": is_active,
        "is_unread": is_active and reminder.read_at is None,
        "actions": actions,
        "moment_label": texts.moment_label(reminder, is_over=is_over),
        "details": texts.details(reminder),
        "why_not_extend": texts.why_not_extend(reminder) if is_active else "",
        "ask_url": texts.exception_url(reminder) if is_active else "",
        "acknowledged": known.get(reminder.event),
        "may_acknowledge": is_active and reminder.for_team,
    }
