"""Changes since a handover was published."""

from dataclasses import dataclass, replace
from datetime import datetime

from django.db.models import Q
from django.utils.translation import gettext

from dashboard.accounts.models import User
from dashboard.edits.selectors import edits_visible_to
from dashboard.instances.models import Instance
from dashboard.instances.selectors import freshness
from dashboard.policies.models import RuleException
from dashboard.policies.selectors import exceptions_visible_to

from . import messages, report_data
from .document import Section
from .models import Handover

MOST_NEWS = 10
"""Lines of each kind; the pages themselves have the rest."""


@dataclass(frozen=True)
class SincePublished:
    """Changes since then.

    Attributes:
        later: The next handover, which has the changes instead.
        instances: In another state, new, or gone.
        requests: Requests for exceptions that are still open.
        health: Clouds with problems now.
    """

    later: Handover | None = None
    instances: Section | None = None
    edits: Section | None = None
    requests: Section | None = None
    health: Section | None = None

    @property
    def sections(self) -> list[tuple[str, Section]]:
        named = (
            (gettext("Instances"), self.instances),
            (gettext("Changes"), self.edits),
            (gettext("Requests"), self.requests),
            (gettext("Clouds"), self.health),
        )
        return [(name, item) for name, item in named if item is not None and item.total]


def since(handover: Handover, *, user: User, now: datetime) -> SincePublished:
    then = handover.published_at
    assert then is not None  # noqa: S101  (asked by the caller)
    newer = Q(published_at__gt=then) | Q(published_at=then, pk__gt=handover.pk)
    later = Handover.objects.published().filter(newer).last()
    if later:
        return SincePublished(later=later)
    return SincePublished(
        instances=_instances(user, then),
        edits=_edits(user, then),
        requests=_requests(user, then),
        health=_health(now),
    )


def _instances(user: User, then: datetime) -> Section:
    seen = Instance.objects.visible_to(user).select_related("cloud")
    queryset = seen.defer("document", "search_text").filter(
        Q(status_since__gt=then) | Q(first_seen_at__gt=then) | Q(missing_since__gt=then)
    )
    lines = []
    for item in queryset.order_by("-version", "pk")[:MOST_NEWS]:
        is_new = item.first_seen_at > then and not item.missing_since
        line = report_data.instance_line(
            item,
            status=report_data.status(item),
            at=item.first_seen_at
            if is_new
            else item.missing_since or item.status_since,
            at_label=messages.DISCOVERED() if is_new else messages.SINCE(),
        )
        lines.append(line)
    return Section("troubled", lines, queryset.count())


def _edits(user: User, then: datetime) -> Section:
    queryset = edits_visible_to(user).filter(created_at__gt=then)
    lines = [
        replace(report_data.edit_line(item), at=item.created_at)
        for item in queryset[:MOST_NEWS]
    ]
    return Section("edits", lines, queryset.count())


def _requests(user: User, then: datetime) -> Section:
    queryset = exceptions_visible_to(user).filter(
        state=RuleException.State.ASKED, asked_at__gt=then
    )
    lines = [report_data.request_line(item) for item in queryset[:MOST_NEWS]]
    return Section("requests", lines, queryset.count())


def _health(now: datetime) -> Section:
    lines = [
        report_data.health_line(cloud, cloud.problem, cloud.problem_since)
        for cloud in freshness(now).failing
    ]
    return Section("health", lines, len(lines))
