"""What has happened since a handover was published."""

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
"""Lines of each kind; a handover that is read late leads to the pages themselves."""


@dataclass(frozen=True)
class SincePublished:
    """New since then.

    Attributes:
        later: The handover published after it, which tells the news instead.
        instances: That are in another state, are new, or are gone.
        edits: Wished for since then.
        requests: Exceptions asked for since then that still wait.
        health: Clouds in trouble now.
    """

    later: Handover | None = None
    instances: Section | None = None
    edits: Section | None = None
    requests: Section | None = None
    health: Section | None = None

    @property
    def sections(self) -> list[tuple[str, Section]]:
        """What there is to tell, with its name."""
        named = (
            (gettext("Instances"), self.instances),
            (gettext("Changes"), self.edits),
            (gettext("Requests"), self.requests),
            (gettext("Clouds"), self.health),
        )
        return [(name, one) for name, one in named if one is not None and one.total]


def since(handover: Handover, *, user: User, now: datetime) -> SincePublished:
    """What is new at ``now`` since a handover was published.

    Args:
        handover: A published one.
        user: Who reads.
        now: Aware.
    """
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
    found = seen.defer("document", "search_text").filter(
        Q(status_since__gt=then) | Q(first_seen_at__gt=then) | Q(missing_since__gt=then)
    )
    lines = []
    for one in found.order_by("-version", "pk")[:MOST_NEWS]:
        is_new = one.first_seen_at > then and not one.missing_since
        line = report_data.instance_line(
            one,
            status=report_data.status(one),
            at=one.first_seen_at if is_new else one.missing_since or one.status_since,
            at_label=messages.DISCOVERED() if is_new else messages.SINCE(),
        )
        lines.append(line)
    return Section("troubled", lines, found.count())


def _edits(user: User, then: datetime) -> Section:
    found = edits_visible_to(user).filter(created_at__gt=then)
    lines = [
        replace(report_data.edit_line(one), at=one.created_at)
        for one in found[:MOST_NEWS]
    ]
    return Section("edits", lines, found.count())


def _requests(user: User, then: datetime) -> Section:
    found = exceptions_visible_to(user).filter(
        state=RuleException.State.ASKED, asked_at__gt=then
    )
    lines = [report_data.request_line(one) for one in found[:MOST_NEWS]]
    return Section("requests", lines, found.count())


def _health(now: datetime) -> Section:
    lines = [
        report_data.health_line(cloud, cloud.problem, cloud.problem_since)
        for cloud in freshness(now).failing
    ]
    return Section("health", lines, len(lines))
