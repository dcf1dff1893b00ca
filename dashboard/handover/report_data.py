"""The facts of a handover, read from the mirror, the edits and the policies."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet

from dashboard.accounts.models import User
from dashboard.edits.models import Edit
from dashboard.edits.selectors import edits_visible_to
from dashboard.instances.countdown import status_message
from dashboard.instances.filters import FAILED, UNKNOWN
from dashboard.instances.listing import counters
from dashboard.instances.models import Cloud, FleetVersion, Instance
from dashboard.instances.run_state import PRESENT, WITHOUT_END, ends_by
from dashboard.instances.selectors import Age, Freshness, freshness
from dashboard.policies.models import RuleException
from dashboard.policies.selectors import exceptions_visible_to
from dashboard.web.stored_messages import Message, sentences

from . import messages
from .document import MOST_LINES, Document, FrozenNote, Item, Section
from .models import Handover

_LONGEST_DELIVERY = timedelta(days=1)
"""The longest deadline of an edit."""

_TROUBLED = (Edit.State.FAILED, Edit.State.CONFLICT)


def draw(handover: Handover, *, user: User, now: datetime) -> Document:
    """Return the document of a draft as of ``now``, with what ``user`` may see."""
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
            _no_auto_stop(user),
            _troubled(user, since),
            _edits(user, since),
            _requests(user),
            _changes(user, since),
            _health(fresh),
        ],
        summary=handover.summary,
        notes=[
            FrozenNote(note.text, note.owner, note.next_action, str(note.changed_by))
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
        lambda item: instance_line(
            item,
            at=item.stops_at,
            at_label=messages.WAS_DUE() if item.stops_at <= now else messages.STOPS(),
        ),
    )


def _no_auto_stop(user: User) -> Section:
    # The longest run first, as in the bucket: it has cost most.
    queryset = _instances(user).filter(WITHOUT_END).order_by("run_started_at", "pk")
    return _section(
        "no_auto_stop",
        queryset,
        lambda item: instance_line(
            item,
            status=status(item),
            at=item.run_started_at,
            at_label=messages.SINCE(),
        ),
    )


def _troubled(user: User, since: datetime) -> Section:
    def line(item: Instance) -> Item:
        is_unreadable = item.problems and not item.missing_since
        return instance_line(
            item,
            status=status(item),
            message=messages.UNREADABLE() if is_unreadable else Message(),
            at=item.missing_since or item.status_since,
            at_label=messages.SINCE(),
        )

    unreadable = PRESENT & ~Q(problems=[])
    gone = Q(missing_since__gte=since)
    queryset = _instances(user).filter(FAILED | UNKNOWN | unreadable | gone)
    return _section("troubled", queryset.order_by("status", "name", "pk"), line)


def _edits(user: User, since: datetime) -> Section:
    # All open edits, however old; failed ones of this shift, unless a retry was
    # applied.
    queryset = edits_visible_to(user).filter(
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
    return _section("edits", queryset.exclude(Exists(applied_again)), edit_line)


def _requests(user: User) -> Section:
    waiting = exceptions_visible_to(user).filter(state=RuleException.State.ASKED)
    return _section("requests", waiting.order_by("asked_at", "pk"), request_line)


def _changes(user: User, since: datetime) -> Section:
    applied = edits_visible_to(user).filter(
        state=Edit.State.APPLIED,
        created_at__gte=since - _LONGEST_DELIVERY,
        finished_at__gte=since,
    )
    return _section("changes", applied, lambda item: edit_line(item, state=""))


def _health(fresh: Freshness) -> Section:
    lines = [line for cloud in fresh.clouds for line in _troubles(cloud, fresh.now)]
    return Section("health", lines, len(lines))


def _troubles(cloud: Cloud, now: datetime) -> Iterator[Item]:
    if cloud.unconfigured_since:
        yield health_line(cloud, messages.NOT_CONFIGURED(), cloud.unconfigured_since)
        return
    if cloud.incomplete == cloud.Incomplete.WRONG_COUNT:
        message = messages.INCOMPLETE(counted=cloud.counted, listed=cloud.listed)
        yield health_line(cloud, message, cloud.incomplete_since)
    if cloud.problem:
        yield health_line(cloud, cloud.problem, cloud.problem_since)
    elif cloud.refreshed_at is None:
        yield Item(cloud.name, message=messages.NEVER_SYNCED())
    elif Freshness([cloud], cloud.refreshed_at, now).age is not Age.FRESH:
        yield Item(
            cloud.name,
            message=messages.SYNCED_RARELY(),
            at=cloud.refreshed_at,
            at_label=messages.LAST_SYNCED(),
        )
    if cloud.held_since:
        paused = sentences(messages.CHANGES_PAUSED(), cloud.hold_reason)
        yield health_line(cloud, paused, cloud.held_since)


def health_line(cloud: Cloud, message: Message, since: datetime | None) -> Item:
    return Item(cloud.name, message=message, at=since, at_label=messages.SINCE())


def status(instance: Instance) -> Message:
    """Return the status of an instance, or that the cloud no longer lists it."""
    if instance.missing_since:
        return messages.MISSING()
    return status_message(instance.status)


def _section(key: str, queryset: QuerySet[Any], line: Any) -> Section:
    lines = [line(item) for item in queryset[:MOST_LINES]]
    # Count only if the lines are not all.
    total = len(lines) if len(lines) < MOST_LINES else queryset.count()
    return Section(key, lines, total)


def edit_line(edit: Edit, *, state: str | None = None) -> Item:
    """Return a line about a change; ``state`` replaces its own, empty for none."""
    state_label = edit.state if state is None else state
    return instance_line(
        edit.instance,
        edit_id=str(edit.pk),
        change={"kind": edit.kind, "patch": edit.patch, "state": state_label},
        who=edit.by,
        at=edit.finished_at or edit.created_at,
    )


def request_line(request: RuleException) -> Item:
    return instance_line(
        request.instance,
        who=str(request.asked_by),
        message=messages.REQUEST(policy=request.rule.name, reason=request.reason),
        at=request.asked_at,
    )


def instance_line(instance: Instance, **fields: Any) -> Item:
    return Item(
        instance.name or instance.instance_id,
        instance.cloud.name,
        instance.instance_id,
        **({"who": instance.owner_name} | fields),
    )
