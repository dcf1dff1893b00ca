"""The facts of a handover, read from the mirror, the edits and the rules."""

from datetime import datetime, timedelta
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import translation
from django.utils.translation import gettext_noop

from dashboard.accounts.models import User
from dashboard.edits.models import Edit
from dashboard.edits.selectors import edits_visible_to
from dashboard.edits.wording import wish
from dashboard.instances import clock
from dashboard.instances.filters import FAILED, UNKNOWN
from dashboard.instances.listing import counters
from dashboard.instances.models import FleetVersion, Instance
from dashboard.instances.run_state import PRESENT, WITHOUT_END, ends_by
from dashboard.instances.selectors import Age, Freshness, freshness
from dashboard.policies.models import RuleException
from dashboard.policies.selectors import exceptions_visible_to

from .document import MOST_LINES, Document, Line, Remark, Section
from .models import Handover

_LONGEST_DELIVERY = timedelta(days=1)
"""The longest deadline that an edit can have."""

_TROUBLED = (Edit.State.FAILED, Edit.State.CONFLICT)


def draw(handover: Handover, *, user: User, now: datetime) -> Document:
    """The document of a draft, as things stand at ``now``.

    Args:
        handover: The draft.
        user: Who looks: the facts are of what this person may see.
        now: Aware.
    """
    # What is published is kept, and what is kept is English.
    with translation.override("en"):
        return _draw(handover, user=user, now=now)


def _draw(handover: Handover, *, user: User, now: datetime) -> Document:
    since, until = handover.since, now + timedelta(hours=handover.ahead_hours)
    fresh = freshness(now)
    notes = handover.notes.filter(is_removed=False).select_related("changed_by")
    return Document(
        at=now,
        since=since,
        until=until,
        as_of=fresh.as_of,
        counts=counters(user, version=FleetVersion.current())._asdict(),
        sections=[
            _stops(user, now, until),
            _endless(user),
            _troubled(user, since),
            _edits(user, since),
            _requests(user),
            _changes(user, since),
            _health(fresh, since),
        ],
        summary=handover.summary,
        notes=[
            Remark(note.text, note.owner, note.next_action, str(note.changed_by))
            for note in notes
            if not note.is_empty
        ],
    )


def _instances(user: User) -> QuerySet[Instance]:
    seen = Instance.objects.visible_to(user).select_related("cloud")
    return seen.defer("document", "search_text")


def _stops(user: User, now: datetime, until: datetime) -> Section:
    due = _instances(user).filter(ends_by(until))
    return _section(
        "stops",
        due.order_by("run_ends_at", "pk"),
        lambda one: _line(
            one,
            at=one.stops_at,
            at_words=gettext_noop("was due") if one.stops_at <= now else "stops",
        ),
    )


def _endless(user: User) -> Section:
    # The longest run first, as in the lane: it has cost most.
    found = _instances(user).filter(WITHOUT_END).order_by("run_started_at", "pk")
    return _section(
        "endless",
        found,
        lambda one: _line(
            one,
            words=clock.look(one).label,
            at=one.run_started_at,
            at_words="since",
        ),
    )


def _troubled(user: User, since: datetime) -> Section:
    def line(one: Instance) -> Line:
        if one.missing_since:
            return _line(
                one,
                words=gettext_noop("Gone from the cloud"),
                at=one.missing_since,
                at_words="since",
            )
        words = clock.look(one).label
        if one.problems:
            words = gettext_noop("%(words)s; not all of it could be read") % {
                "words": words
            }
        return _line(one, words=words, at=one.status_since, at_words="since")

    unreadable = PRESENT & ~Q(problems=[])
    gone = Q(missing_since__gte=since)
    found = _instances(user).filter(FAILED | UNKNOWN | unreadable | gone)
    return _section("troubled", found.order_by("status", "name", "pk"), line)


def _edits(user: User, since: datetime) -> Section:
    def line(one: Edit) -> Line:
        words = f"{wish(one)}: {one.get_state_display().lower()}"
        return _edit_line(one, words, one.finished_at or one.created_at)

    # All that is open, however old; of what failed, this shift's, unless a retry of it
    # was applied.
    found = edits_visible_to(user).filter(
        Q(state__in=Edit.OPEN)
        | Q(
            state__in=_TROUBLED,
            created_at__gte=since - _LONGEST_DELIVERY,
            finished_at__gte=since,
        )
    )
    applied_again = Edit.objects.filter(
        retry_of=OuterRef("pk"), state=Edit.State.APPLIED
    )
    return _section("edits", found.exclude(Exists(applied_again)), line)


def _requests(user: User) -> Section:
    def line(one: RuleException) -> Line:
        words = f"“{one.rule}”: {one.reason}"
        return _line(one.instance, who=str(one.asked_by), words=words, at=one.asked_at)

    waiting = exceptions_visible_to(user).filter(state=RuleException.State.ASKED)
    return _section("requests", waiting.order_by("asked_at", "pk"), line)


def _changes(user: User, since: datetime) -> Section:
    applied = edits_visible_to(user).filter(
        state=Edit.State.APPLIED,
        created_at__gte=since - _LONGEST_DELIVERY,
        finished_at__gte=since,
    )
    return _section(
        "changes", applied, lambda one: _edit_line(one, wish(one), one.finished_at)
    )


def _health(fresh: Freshness, since: datetime) -> Section:
    lines = []
    for cloud in fresh.clouds:
        if cloud.unconfigured_since:
            words = gettext_noop("No longer configured; its instances are not updated.")
            since = cloud.unconfigured_since
            lines.append(Line(cloud.name, words=words, at=since, at_words="since"))
            continue
        if cloud.incomplete == cloud.Incomplete.WRONG_COUNT:
            words = gettext_noop(
                "Incomplete: ModelArts counts %(counted)s instances, but listed "
                "%(listed)s."
            ) % {"counted": cloud.counted, "listed": cloud.listed}
            lines.append(
                Line(
                    cloud.name, words=words, at=cloud.incomplete_since, at_words="since"
                )
            )
        if cloud.problem:
            lines.append(
                Line(cloud.name, words=str(cloud.problem), at=cloud.problem_since)
            )
        elif cloud.refreshed_at is None:
            lines.append(Line(cloud.name, words=gettext_noop("Never read yet.")))
        elif Freshness([cloud], cloud.refreshed_at, fresh.now).age is not Age.FRESH:
            lines.append(
                Line(
                    cloud.name,
                    words=gettext_noop("Read less often than it should be."),
                    at=cloud.refreshed_at,
                    at_words=gettext_noop("last read"),
                )
            )
        if cloud.held_since:
            words = (
                gettext_noop("Edits are held back. %(hold_reason)s")
                % {"hold_reason": str(cloud.hold_reason)}
            ).strip()
            lines.append(
                Line(cloud.name, words=words, at=cloud.held_since, at_words="since")
            )
    return Section("health", lines, len(lines))


def _section(key: str, found: QuerySet[Any], line: Any) -> Section:
    lines = [line(one) for one in found[:MOST_LINES]]
    # Counted only where the lines do not tell already.
    total = len(lines) if len(lines) < MOST_LINES else found.count()
    return Section(key, lines, total)


def _line(instance: Instance, **fields: Any) -> Line:
    return Line(
        instance.name or instance.instance_id,
        instance.cloud.name,
        instance.instance_id,
        **({"who": instance.owner_name} | fields),
    )


def _edit_line(edit: Edit, words: str, at: datetime | None) -> Line:
    return _line(edit.instance, edit_id=str(edit.pk), who=edit.by, words=words, at=at)
