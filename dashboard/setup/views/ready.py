"""Whether the workers have read the clouds of the fleet."""

from typing import Any

from django.db.models import Count, Q
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from dashboard.accounts.http import SignedInRequest
from dashboard.instances.models import Cloud
from dashboard.livepoll.pages import not_modified, poller
from dashboard.modelarts.errors import ConfigurationError
from dashboard.setup import known_clouds
from dashboard.setup.http import INTERVAL_SECONDS, where_allowed


@require_safe
@where_allowed
def ready(request: SignedInRequest) -> HttpResponse:
    """Show whether the workers have read the clouds of the fleet."""
    return render(request, "setup/ready.html", _ready_context(request))


@require_safe
@where_allowed
def ready_changes(request: SignedInRequest) -> HttpResponse:
    """Fragment: the clouds that have been read.

    Query parameters:
        ``done``: How many the page shows as read.

    Returns:
        200 with ``setup/ready.html#changes``; 204 without news.
    """
    context = _ready_context(request)
    if request.GET.get("done") == context["done"] and context["poller"]:
        return not_modified()
    return render(request, "setup/ready.html#changes", context)


def _ready_context(request: SignedInRequest) -> dict[str, Any]:
    try:
        names = known_clouds.chosen_clouds(known_clouds.known_clouds().names)
    except ConfigurationError:
        names = known_clouds.saved_choice()
    # Until the workers have restarted, a cloud may still count as removed.
    read = Cloud.objects.filter(name__in=names, unconfigured_since=None).annotate(
        present=Count("instances", filter=Q(instances__missing_since=None))
    )
    mirrors = {cloud.name: cloud for cloud in read}
    rows = [(name, mirrors.get(name)) for name in names]
    is_over = all(cloud and (cloud.refreshed_at or cloud.problem) for _, cloud in rows)
    done = "-".join(
        str(int(bool(cloud and cloud.refreshed_at)) + 2 * bool(cloud and cloud.problem))
        for _, cloud in rows
    )
    return {
        "rows": rows,
        "done": done,
        "is_over": is_over,
        "poller": None
        if is_over
        else poller(
            request,
            reverse("setup:ready_changes"),
            {"done": done},
            interval_seconds=INTERVAL_SECONDS,
        ),
    }
