"""The page of one instance, and its poll."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.db import models
from django.http import HttpResponse, HttpResponseBadRequest
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext
from django.views.decorators.http import require_safe

from dashboard.accounts.http import SignedInRequest
from dashboard.accounts.permissions import can_edit
from dashboard.instances import availability, countdown, detail_sections, tasks
from dashboard.instances.detail_sections import HISTORY
from dashboard.instances.edit_states import InstanceEdit
from dashboard.instances.models import FleetVersion, Instance, InstanceEvent
from dashboard.instances.selectors import Freshness
from dashboard.livepoll.pages import PollForm, not_modified, poll_interval, poller
from dashboard.livepoll.state import FleetState
from dashboard.modelarts.statuses import InstanceStatus
from dashboard.web.refusals import referring_page

NEWS_STAYS = timedelta(minutes=10)
"""How long the page shows the outcome of an edit at its top."""


class StatusChange(NamedTuple):
    """A change of status in words; empty where nothing is known.

    Attributes:
        actor: Who asked for it by ``edit_id``; empty when it came from elsewhere.
    """

    at: datetime
    look: countdown.StatusBadge
    before: str
    reason: str
    actor: str
    edit_id: UUID | None


@require_safe
def detail(request: SignedInRequest, cloud: str, instance_id: str) -> HttpResponse:
    """Show all about one instance; 404 when it is not visible to the person."""
    version = FleetVersion.current()
    instance = _instance(request, cloud, instance_id)
    tasks.request_refresh(instance)
    context = _context(request, instance, version) | {"back": _opened_from(request)}
    return render(request, "instances/detail.html", context)


@require_safe
def detail_changes(
    request: SignedInRequest, cloud: str, instance_id: str
) -> HttpResponse:
    """Fragment: what is live on the page, when it changed since the last poll.

    Query parameters:
        since: ``version`` of the instance as drawn.

    Returns:
        200 with ``instances/detail.html#changes``; 204 when nothing changed, with the
        mirror's age in ``HX-Trigger``; 400 for a ``since`` that makes no sense.
    """
    form = PollForm(request.GET)
    if not form.is_valid():
        return HttpResponseBadRequest()
    version = FleetVersion.current()
    instance = _instance(request, cloud, instance_id)
    if instance.version != form.cleaned_data["since"]:
        context = _context(request, instance, version)
        return render(request, "instances/detail.html#changes", context)
    cloud_pk = instance.cloud_id
    fleet = FleetState(version, {cloud_pk: instance.cloud.refreshed_at_ms})
    return not_modified(fleet, request, cloud_pk=cloud_pk)


def _opened_from(request: SignedInRequest) -> str:
    """Return the URL of the list that links here, with its filters; may be empty."""
    path = referring_page(request)
    return path if path.partition("?")[0] == reverse("instances:list") else ""


def _instance(request: SignedInRequest, cloud: str, instance_id: str) -> Instance:
    return get_object_or_404(
        Instance.objects.visible_to(request.user).select_related("cloud"),
        cloud__name=cloud,
        instance_id=instance_id,
    )


def _context(
    request: SignedInRequest, instance: Instance, version: int
) -> dict[str, Any]:
    this_run = countdown.this_run(instance, timezone.now())
    edits = list(
        instance.edits.select_related("actor").fetch_mode(models.FETCH_PEERS)[:HISTORY]
    )
    under_way = any(edit.is_open for edit in edits)
    return {
        "instance": instance,
        "look": countdown.badge(instance),
        "this_run": this_run,
        "next_run": countdown.next_run(instance),
        "may_edit": can_edit(request.user, instance.owner),
        "why_not_editable": availability.why_not_editable(instance),
        "why_not_startable": availability.why_not_startable(instance),
        "why_not_stoppable": availability.why_not_stoppable(instance),
        "failure": detail_sections.failure(instance),
        "sections": detail_sections.sections(instance),
        "duration": _duration(instance),
        "edits": edits,
        "news": _news(edits),
        "under_way": under_way,
        "events": _status_changes(instance, edits),
        "freshness": _freshness(instance),
        "poller": poller(
            request,
            reverse(
                "instances:detail_changes",
                args=[instance.cloud.name, instance.instance_id],
            ),
            {"since": instance.version},
            version=version,
            interval_seconds=poll_interval(
                has_open_edit=under_way, is_moving=this_run.state in countdown.MOVING
            ),
            cloud_pk=instance.cloud_id,
        ),
    }


def _news(edits: Sequence[InstanceEdit]) -> list[InstanceEdit]:
    """Return the edits at the top of the page: open ones, else the latest outcome."""
    under_way = [edit for edit in edits if edit.is_open]
    just_now = timezone.now() - NEWS_STAYS
    return under_way or [
        edit for edit in edits[:1] if edit.finished_at and edit.finished_at > just_now
    ]


def _status_changes(
    instance: Instance, edits: Sequence[InstanceEdit]
) -> list[StatusChange]:
    events = list(instance.events.select_related("actor")[:HISTORY])
    actors: dict[UUID | None, str] = {edit.pk: edit.by for edit in edits}
    # The event itself names a person; a policy is named by the edit alone.
    missing = {
        event.edit_id
        for event in events
        if event.edit_id and event.actor is None and event.edit_id not in actors
    }
    if missing:
        actors |= {edit.pk: edit.by for edit in instance.edits.filter(pk__in=missing)}
    return [
        StatusChange(
            at=event.at,
            look=countdown.status_badge(event.to_status),
            before=event.from_status
            and countdown.status_badge(event.from_status).label,
            reason=_reason(event),
            actor=str(event.actor or actors.get(event.edit_id, "")),
            edit_id=event.edit_id,
        )
        for event in events
    ]


def _reason(event: InstanceEvent) -> str:
    unknown = event.reason == InstanceEvent.Reason.UNKNOWN
    # A start that nobody here asked for needs no reason; a stop always has one.
    stops = event.to_status in {InstanceStatus.STOPPING, InstanceStatus.STOPPED}
    if unknown and not stops:
        return ""
    return event.get_reason_display()


def _duration(instance: Instance) -> str:
    seconds = instance.auto_stop_duration
    return gettext("not reported") if seconds is None else countdown.exact_text(seconds)


def _freshness(instance: Instance) -> Freshness:
    return Freshness([instance.cloud], instance.cloud.refreshed_at, timezone.now())
