"""What has happened since a handover was published."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q
from django.utils.translation import gettext, gettext_noop

from dashboard.accounts.models import User
from dashboard.edits.selectors import edits_visible_to
from dashboard.edits.wording import wish
from dashboard.instances import clock
from dashboard.instances.models import Instance
from dashboard.instances.selectors import freshness
from dashboard.policies.models import RuleException
from dashboard.policies.selectors import exceptions_visible_to

from .document import Line, Section
from .models import Handover

MOST_NEWS = 10
"""Lines of each kind; a handover that is read late leads to the pages themselves."""


@dataclass(frozen=True)
class News:
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
            (gettext_noop("Instances"), self.instances),
            (gettext_noop("Edits"), self.edits),
            (gettext_noop("Requests"), self.requests),
            (gettext_noop("Clouds"), self.health),
        )
        return [(name, one) for name, one in named if one is not None and one.total]


def since(handover: Handover, *, user: User, now: datetime) -> News:
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
        return News(later=later)
    return News(
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
        is_new = one.first_seen_at > then
        at = one.missing_since or one.status_since or one.first_seen_at
        words = clock.look(one).label
        lines.append(
            Line(
                one.name or one.instance_id,
                one.cloud.name,
                one.instance_id,
                who=one.owner_name,
                words=_new(words) if is_new else words,
                at=at,
                at_words="since",
            )
        )
    return Section("troubled", lines, found.count())


def _new(words: str) -> str:
    return gettext("New: %(status)s") % {"status": words.lower()}


def _edits(user: User, then: datetime) -> Section:
    found = edits_visible_to(user).filter(created_at__gt=then)
    lines = [
        Line(
            one.instance.name or one.instance.instance_id,
            one.instance.cloud.name,
            one.instance.instance_id,
            edit_id=str(one.pk),
            who=one.by,
            words=f"{wish(one)}: {one.get_state_display().lower()}",
            at=one.created_at,
        )
        for one in found[:MOST_NEWS]
    ]
    return Section("edits", lines, found.count())


def _requests(user: User, then: datetime) -> Section:
    found = exceptions_visible_to(user).filter(
        state=RuleException.State.ASKED, asked_at__gt=then
    )
    lines = [
        Line(
            str(one.instance),
            one.instance.cloud.name,
            one.instance.instance_id,
            who=str(one.asked_by),
            words=f"“{one.rule}”: {one.reason}",
            at=one.asked_at,
        )
        for one in found[:MOST_NEWS]
    ]
    return Section("requests", lines, found.count())


def _health(now: datetime) -> Section:
    lines = [
        Line(
            cloud.name,
            words=str(cloud.problem),
            at=cloud.problem_since,
            at_words="since",
        )
        for cloud in freshness(now).troubled
    ]
    return Section("health", lines, len(lines))
