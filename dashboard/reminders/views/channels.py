"""Channels and the notification log, for admins."""

from django.contrib import messages as notes
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import (
    require_http_methods,
    require_POST,
    require_safe,
)

from dashboard.accounts.http import SignedInRequest
from dashboard.reminders import selectors, services
from dashboard.reminders.forms import ChannelForm
from dashboard.reminders.headlines import headline
from dashboard.reminders.models import Channel, NotificationSettings, Reminder
from dashboard.reminders.webhooks import LABELS

UNPROCESSABLE = 422
PER_PAGE = 50


@require_safe
def channels(request: SignedInRequest) -> HttpResponse:
    services.require_channel_manager(request.user)
    labelled = [
        (channel, LABELS.get(channel.service, channel.service))
        for channel in Channel.objects.select_related("cloud", "team")
    ]
    context = {"current": "channels", "channels": labelled}
    return render(request, "reminders/channels.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def new(request: SignedInRequest) -> HttpResponse:
    """Show the form of a new channel; a POST creates it.

    Returns:
        For a POST 302 to the channel; 422 with an invalid form.
    """
    services.require_channel_manager(request.user)
    return _form(request, Channel(scope=NotificationSettings.Scope.ALL))


@require_http_methods(["GET", "HEAD", "POST"])
def channel(request: SignedInRequest, channel_pk: int) -> HttpResponse:
    """Show the form of a channel; a POST changes it, as for ``new``."""
    return _form(request, _channel(request, channel_pk))


@require_POST
def test(request: SignedInRequest, channel_pk: int) -> HttpResponse:
    """Send a test notification; 302 to the log."""
    channel = _channel(request, channel_pk)
    services.test_channel(channel=channel, actor=request.user)
    notes.success(request, _("Sending a test notification. This log shows the result."))
    return redirect("reminders:log")


@require_POST
def remove(request: SignedInRequest, channel_pk: int) -> HttpResponse:
    channel = _channel(request, channel_pk)
    services.remove_channel(channel=channel, actor=request.user)
    notes.success(request, _("“%(name)s” removed.") % {"name": channel.name})
    return redirect("reminders:channels")


@require_safe
def sent(request: SignedInRequest) -> HttpResponse:
    """Show all reminders and their attempts, newest first.

    Query parameters:
        ``state``, ``q`` (part of a name) and ``page``; invalid ones are ignored.
    """
    services.require_channel_manager(request.user)
    state, q = request.GET.get("state", ""), request.GET.get("q", "")[:200]
    reminders = selectors.log(state, q.replace("\0", ""))
    page = Paginator(reminders, PER_PAGE).get_page(request.GET.get("page"))
    context = {
        "current": "log",
        "page": page,
        "pages": page.paginator.get_elided_page_range(page.number, on_ends=1),
        "lines": [
            (reminder, headline(reminder, str(reminder.instance or "")))
            for reminder in page
        ],
        "states": Reminder.State.choices,
        "state": state,
        "q": q,
        "is_filtered": bool(q or state in Reminder.State.values),
    }
    return render(request, "reminders/log.html", context)


def _form(request: SignedInRequest, channel: Channel) -> HttpResponse:
    # Validation changes the channel, but the heading shows the present name.
    heading = channel.name or _("New channel")
    form = ChannelForm(
        request.POST if request.method == "POST" else None,
        instance=channel,
        owners=selectors.owners(),
    )
    if form.is_bound and form.is_valid():
        saved = services.save_channel(
            channel=form.save(commit=False),
            actor=request.user,
            address=form.cleaned_data["address"],
        )
        notes.success(request, _("“%(saved)s” saved.") % {"saved": saved.name})
        return redirect(saved)
    context = {
        "current": "channels",
        "form": form,
        "channel": channel if channel.pk else None,
        "heading": heading,
        "service": LABELS.get(channel.service, ""),
    }
    status = UNPROCESSABLE if form.is_bound else 200
    return render(request, "reminders/channel.html", context, status=status)


def _channel(request: SignedInRequest, channel_pk: int) -> Channel:
    services.require_channel_manager(request.user)
    # The database cannot compare a larger number.
    return get_object_or_404(Channel, pk=min(channel_pk, 2**63 - 1))
