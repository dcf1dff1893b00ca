"""The page of one instance, and its poll."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django import forms
from django.db.models import CharField, FilteredRelation, Q, QuerySet
from django.db.models.functions import Coalesce
from django.http import Http404, HttpResponse, HttpResponseBadRequest
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from dashboard.accounts.http import SignedInRequest
from dashboard.accounts.permissions import can_edit, can_see_fleet, fleet_scope
from dashboard.instances import availability, countdown, detail_sections, tasks
from dashboard.instances.activity import activity
from dashboard.instances.edit_states import InstanceEdit
from dashboard.instances.filter_fields import MomentField
from dashboard.instances.models import FleetVersion, Instance
from dashboard.instances.open_notebook import open_link
from dashboard.instances.selectors import Freshness
from dashboard.livepoll import state
from dashboard.livepoll.pages import PollForm, not_modified, poll_interval, poller
from dashboard.livepoll.state import FleetState
from dashboard.livepoll.token import SharedPage, page_key
from dashboard.web.raw_queries import Prepared
from dashboard.web.refusals import referring_page

NEWS_STAYS = timedelta(minutes=10)
"""How long the page shows the outcome of an edit at its top."""


class ActivityForm(forms.Form):
    """Which page of the activity is shown: what happened before a moment."""

    before = MomentField(required=False)


@require_safe
def detail(request: SignedInRequest, cloud: str, instance_id: str) -> HttpResponse:
    """Show one instance; 404 when it is not visible to the person.

    Query parameters:
        before: Show the activity before this moment, ISO 8601; ignored if invalid.
    """
    instance, version = _instance_and_version(request, cloud, instance_id)
    tasks.request_refresh(instance)
    context = _context(request, instance, version) | {"back": _opened_from(request)}
    return render(request, "instances/detail.html", context)


@require_safe
def detail_changes(
    request: SignedInRequest, cloud: str, instance_id: str
) -> HttpResponse:
    """Answer a poll of the page with its live parts if the instance has changed.

    Query parameters:
        since: ``version`` of the instance on the page.
        before: As of the page: what happened before this moment.

    Returns:
        200 with ``instances/detail.html#changes``; 204 when nothing changed, with the
        mirror's age in ``HX-Trigger``; 400 for an invalid ``since``.
    """
    form = PollForm(request.GET)
    if not form.is_valid():
        return HttpResponseBadRequest()
    instance, version = _instance_and_version(request, cloud, instance_id)
    cloud_pk, page = instance.cloud_id, _page(request, instance)
    state.put_page(page, version, instance_pks=[instance.pk])
    if instance.version != form.cleaned_data["since"]:
        context = _context(request, instance, version)
        return render(request, "instances/detail.html#changes", context)
    fleet = FleetState(version, {cloud_pk: instance.cloud.refreshed_at_ms})
    return not_modified(fleet, request, cloud_pk=cloud_pk, page=page)


def _page(request: SignedInRequest, instance: Instance) -> SharedPage:
    key = page_key("instance", fleet_scope(request.user), instance.pk)
    return SharedPage(key, str(instance.version))


def _opened_from(request: SignedInRequest) -> str:
    """Return the URL of the list that links here, with its filters; may be empty."""
    path = referring_page(request)
    return path if path.partition("?")[0] == reverse("instances:list") else ""


def _instance_and_version(
    request: SignedInRequest, cloud: str, instance_id: str
) -> tuple[Instance, int]:
    """Return the instance, and the fleet version that it was read with."""
    found = (
        _named.rows(cloud=cloud, instance_id=instance_id)
        if can_see_fleet(request.user)
        else []
    )
    if not found:
        raise Http404
    instance: Any = found[0]
    has_override = hasattr(instance, "override")
    instance.open_overrides = [instance.override] if has_override else []
    return instance, instance.fleet_version


def _by_name(cloud: Any, instance_id: Any) -> QuerySet[Instance]:
    version = FleetVersion.objects.values("version")[:1]
    # An instance has at most one that has not ended.
    override = FilteredRelation("overrides", condition=Q(overrides__ended_at=None))
    return (
        Instance.objects.annotate(fleet_version=Coalesce(version, 0), override=override)
        .select_related(*("cloud", "override__created_by"))
        .filter(cloud__name=cloud, instance_id=instance_id)
    )


_named = Prepared(_by_name, cloud=CharField(), instance_id=CharField())


def _context(
    request: SignedInRequest, instance: Instance, version: int
) -> dict[str, Any]:
    form = ActivityForm(request.GET)
    before = form.cleaned_data["before"] if form.is_valid() else None
    shown = activity(instance, before)  # first, since it may read the instance again
    cloud, now = instance.cloud, timezone.now()
    this_run = countdown.this_run(instance, now)
    has_open_edit = any(edit.is_under_way for edit in shown.edits)
    may_act = can_edit(request.user, instance.owner)
    may_stop = may_act and not availability.why_not_stoppable(instance)
    details = detail_sections.details(instance)
    params = {"since": instance.version}
    return {
        "instance": instance,
        "badge": countdown.badge(instance),
        "this_run": this_run,
        "next_run": countdown.next_run(instance),
        "may_act": may_act,
        "may_edit": may_act and not availability.why_not_editable(instance),
        "may_extend": may_act and not availability.why_not_extendable(instance),
        "may_start": may_act and not availability.why_not_startable(instance),
        "may_stop": may_stop,
        "may_restart": may_stop and availability.restart_applies_setting(instance),
        "open_link": open_link(instance) if may_act else None,
        "failure": detail_sections.failure(instance),
        "main_items": details.main,
        "sections": details.others,
        "capabilities": instance.capabilities,
        "explanation": availability.what_is_possible(instance),
        "tags": sorted(instance.tags.items()),
        "activity": shown,
        "before": before,
        "news": None if before else _news(shown.edits),
        "has_open_edit": has_open_edit,
        "freshness": Freshness([cloud], cloud.refreshed_at, now),
        "poller": poller(
            request,
            reverse(
                "instances:detail_changes", args=[cloud.name, instance.instance_id]
            ),
            params | ({"before": before.isoformat()} if before else {}),
            version=version,
            interval_seconds=poll_interval(
                has_open_edit=has_open_edit, expects_change=this_run.expects_change
            ),
            cloud_pk=cloud.pk,
            page=_page(request, instance),
        ),
    }


def _news(edits: Sequence[InstanceEdit]) -> InstanceEdit | None:
    """Return the edit of the status line: the latest open one, or a new outcome."""
    if open_edit := next((edit for edit in edits if edit.is_open), None):
        return open_edit
    latest = edits[0] if edits else None
    just_now = timezone.now() - NEWS_STAYS
    if latest and latest.finished_at and latest.finished_at > just_now:
        return latest
    return None
