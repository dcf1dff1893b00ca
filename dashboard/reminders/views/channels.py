"""For admins: where teams are told, and what became of all that was sent."""

from django.contrib import messages as notes
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext
from django.views.decorators.http import (
    require_http_methods,
    require_POST,
    require_safe,
)

from dashboard.accounts.http import SignedInRequest
from dashboard.accounts.permissions import can_manage_channels
from dashboard.reminders import selectors, services
from dashboard.reminders.forms import ChannelForm
from dashboard.reminders.models import Channel, NotificationSettings, Reminder
from dashboard.reminders.texts import headline
from dashboard.reminders.webhooks import LABELS

UNPROCESSABLE = 422
PER_PAGE = 50


@require_safe
def channels(request: SignedInRequest) -> HttpResponse:
    """All channels; 403 for others than admins."""
    _require_right(request)
    found = [
        (channel, LABELS.get(channel.service, channel.service))
        for channel in Channel.objects.select_related("cloud")
    ]
    context = {"current": "channels", "channels": found}
    return render(request, "reminders/channels.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def new(request: SignedInRequest) -> HttpResponse:
    """A form for a new channel; a POST sets it up.

    Returns:
        302 to the channel; 422 with the form when something is wrong; 403 for others
        than admins.
    """
    _require_right(request)
    return _form(request, Channel(scope=NotificationSettings.Scope.ALL))


@require_http_methods(["GET", "HEAD", "POST"])
def channel(request: SignedInRequest, channel_pk: int) -> HttpResponse:
    """Change a channel; as ``new``, and 404 for an unknown one."""
    return _form(request, _channel(request, channel_pk))


@require_POST
def test(request: SignedInRequest, channel_pk: int) -> HttpResponse:
    """Send a word there; 302 to the log."""
    found = _channel(request, channel_pk)
    services.test_channel(channel=found, actor=request.user)
    notes.success(
        request, gettext("Sending a test notification. This log shows the result.")
    )
    return redirect("reminders:log")


@require_POST
def remove(request: SignedInRequest, channel_pk: int) -> HttpResponse:
    """Forget a channel; 302 to the others."""
    found = _channel(request, channel_pk)
    services.remove_channel(channel=found, actor=request.user)
    notes.success(request, gettext("“%(found)s” removed.") % {"found": found.name})
    return redirect("reminders:channels")


@require_safe
def sent(request: SignedInRequest) -> HttpResponse:
    """Every reminder and its attempts, newest first; 403 for others than admins.

    Query parameters:
        state: One of ``Reminder.State``; ``q``: part of a name; ``page``. What makes no
            sense filters nothing.
    """
    _require_right(request)
    state, q = request.GET.get("state", ""), request.GET.get("q", "")[:200]
    found = selectors.log(state, q.replace("\0", ""))
    page = Paginator(found, PER_PAGE).get_page(request.GET.get("page"))
    context = {
        "current": "log",
        "page": page,
        "pages": page.paginator.get_elided_page_range(page.number, on_ends=1),
        "lines": [(one, headline(one, str(one.instance or ""))) for one in page],
        "states": Reminder.State.choices,
        "state": state,
        "q": q,
        "is_filtered": bool(q or state in Reminder.State.values),
    }
    return render(request, "reminders/log.html", context)


def _form(request: SignedInRequest, channel: Channel) -> HttpResponse:
    is_new = channel.pk is None
    name = channel.name
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
        notes.success(request, gettext("“%(saved)s” saved.") % {"saved": saved.name})
        return redirect(saved)
    context = {
        "current": "channels",
        "form": form,
        "channel": None if is_new else channel,
        "heading": gettext("New channel") if is_new else name,
        "service": LABELS.get(channel.service, ""),
    }
    status = UNPROCESSABLE if form.is_bound else 200
    return render(request, "reminders/channel.html", context, status=status)


def _channel(request: SignedInRequest, channel_pk: int) -> Channel:
    _require_right(request)
    # A number beyond what the database holds is the number of no channel.
    return get_object_or_404(Channel, pk=min(channel_pk, 2**63 - 1))


def _require_right(request: SignedInRequest) -> None:
    if not can_manage_channels(request.user):
        raise PermissionDenied
