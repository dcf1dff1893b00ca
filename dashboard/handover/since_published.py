"""Changes since a handover was published."""

from datetime import datetime

from django.db.models import Count, Q
from django.utils.translation import gettext as _

from dashboard.accounts.models import User
from dashboard.instances.countdown import status_message
from dashboard.instances.filters import FAILED
from dashboard.instances.run_state import PRESENT
from dashboard.instances.selectors import freshness

from . import messages
from .document import Item, Section
from .facts import edits_section, instances_item, request_item, section
from .models import Handover
from .report_data import Scope, health_item

MAX_LINES = 15
"""Of all sections, with "and N more". Changes take what the others leave."""

MAX_STATUSES, MAX_REQUESTS, MAX_CLOUDS = 3, 1, 1


def next_handover(handover: Handover) -> Handover | None:
    """Return the handover of the same scope that was published next."""
    at = handover.published_at
    newer = Q(published_at__gt=at) | Q(published_at=at, pk__gt=handover.pk)
    published = Handover.objects.published().filter(query=handover.query)
    return published.filter(newer).defer("document", "summary").last()


def changes_since(
    handover: Handover, *, user: User, now: datetime
) -> list[tuple[str, Section]]:
    """Return headings and the sections that are not empty.

    These are instances in another status, new or gone, changes, open requests, and
    clouds with problems now.
    """
    then, scope = handover.published_at, Scope(user, handover.query)
    clouds = [
        health_item(cloud, cloud.problem, cloud.problem_since)
        for cloud in freshness(now).failing
    ]
    instances = _instances(scope, then)
    requests = section(
        "requests",
        scope.requests.filter(asked_at__gt=then),
        request_item,
        limit=MAX_REQUESTS,
    )
    health = Section("health", clouds[:MAX_CLOUDS], len(clouds))
    taken = sum(
        len(part.items) + bool(part.hidden) for part in (instances, requests, health)
    )
    sections = {
        _("Instances"): instances,
        _("Changes"): edits_section(
            "edits",
            scope.edits.filter(created_at__gt=then),
            limit=MAX_LINES - taken - 1,
        ),
        _("Requests"): requests,
        _("Clouds"): health,
    }
    return [(heading, part) for heading, part in sections.items() if part.total]


def _instances(scope: Scope, then: datetime | None) -> Section:
    """Return a line for each status that instances have now and had not then."""
    newest = scope.instances.order_by("-version", "pk")
    moved = newest.filter(PRESENT, status_since__gt=then)
    failed = instances_item(messages.FAILED(), moved.filter(FAILED))
    others = moved.exclude(FAILED)
    numbers = others.order_by().values("status").annotate(number=Count("pk"))
    statuses = numbers.order_by("-number", "status").values_list("status", flat=True)
    lines = [
        instances_item(status_message(status), others.filter(status=status))
        for status in statuses[:MAX_STATUSES]
    ]
    new = newest.filter(PRESENT, first_seen_at__gt=then)
    gone = newest.filter(missing_since__gt=then)
    items: list[Item] = [
        line
        for line in (
            failed,
            instances_item(messages.MISSING(), gone),
            *lines,
            instances_item(messages.NEW(), new),
        )
        if line
    ]
    hidden = others.count() - sum(line.number for line in lines if line)
    return Section("troubled", items, sum(item.number for item in items) + hidden)
