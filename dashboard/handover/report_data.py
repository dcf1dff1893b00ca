"""Builds the document of a handover from the mirror, the edits and the policies.

It lists exceptions and what has changed during the shift, not the whole fleet.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from django.db.models import Exists, OuterRef, Q, QuerySet

from dashboard.accounts.models import User
from dashboard.costs.money import Money, amount_text
from dashboard.costs.recent import ran_since, saved_since
from dashboard.edits.late_stops import causes_of
from dashboard.edits.models import Edit
from dashboard.edits.selectors import batches_waiting_for_approval, edits_visible_to
from dashboard.instances.filters import FAILED, UNKNOWN, ListQuery
from dashboard.instances.listing import counters
from dashboard.instances.models import Cloud, FleetVersion, Instance
from dashboard.instances.run_state import (
    PRESENT,
    WITHOUT_END,
    ends_by,
    late_stop,
    overdue,
)
from dashboard.instances.selectors import Age, Freshness, freshness
from dashboard.policies.models import RuleException
from dashboard.policies.selectors import exceptions_visible_to
from dashboard.saved.queries import read
from dashboard.web.stored_messages import Message, sentences

from . import messages
from .document import Document, DocumentNote, Item, Named, Section
from .facts import (
    MAX_LINES,
    approval_item,
    edits_section,
    instance_item,
    instances_item,
    request_item,
    section,
    status,
)
from .models import Handover, Note

_MAX_DELIVERY_TIME = timedelta(days=1)
"""The longest deadline of an edit."""

MAX_APPROVALS = 3

_TROUBLED = (Edit.State.FAILED, Edit.State.CONFLICT)


class Scope:
    """What a handover is about: the instances of its view that a person may see."""

    def __init__(self, user: User, query: str) -> None:
        self.user = user
        self.query = _filters_only(read(query))

    @property
    def instances(self) -> QuerySet[Instance]:
        instances = Instance.objects.visible_to(self.user)
        return self.query.filters.filter_queryset(instances)  # type: ignore[no-any-return]  # untyped library

    @property
    def edits(self) -> QuerySet[Edit]:
        edits = edits_visible_to(self.user)
        if self.query.narrowed:
            edits = edits.filter(instance__in=self.instances)
        return edits

    @property
    def requests(self) -> QuerySet[RuleException]:
        requests = exceptions_visible_to(self.user)
        if self.query.narrowed:
            requests = requests.filter(instance__in=self.instances)
        return requests.filter(state=RuleException.State.ASKED).order_by(
            "asked_at", "pk"
        )

    def list_query(self, **filters: str) -> str:
        """Return the query string of the list of its instances with these filters.

        Empty if the view has another filter of these names.
        """
        query = self.query.kept.copy()
        if query.keys() & filters.keys():
            return ""
        query.update(filters)
        return query.urlencode()


def build_document(handover: Handover, *, user: User, now: datetime) -> Document:
    """Return the document of a draft as of ``now``, with what ``user`` may see."""
    since, until = handover.since, now + timedelta(hours=handover.ahead_hours)
    fresh, scope = freshness(now), Scope(user, handover.query)
    return Document(
        at=now,
        since=since,
        until=until,
        as_of=fresh.as_of,
        counts=counters(
            user, version=FleetVersion.current(), within=scope.query
        )._asdict(),
        sections=[
            _late_stops(scope, now),
            _stops(scope, now, until),
            _no_auto_stop(scope, since),
            _troubled(scope, since),
            _edits(scope, since),
            _requests(scope, now),
            _changes(scope, since),
            _health(fresh),
            _costs(scope, since, now),
        ],
        summary=handover.summary,
        notes=document_notes(handover),
        scope=handover.scope,
    )


def document_notes(handover: Handover) -> list[DocumentNote]:
    """Return the actions that carry over into a draft, and its own notes."""
    carried = Note.objects.carried_into(handover)
    own = handover.notes.filter(is_removed=False).select_related("changed_by")
    return [
        *(
            replace(
                _document_note(note),
                carried_from=note.handover.title,
                done_by=str(note.done_by or "") if note.done_at else "",
            )
            for note in carried
        ),
        *(_document_note(note) for note in own if not note.is_empty),
    ]


def _document_note(note: Note) -> DocumentNote:
    instance = Named(note.instance_name, note.cloud_name, note.instance_id)
    return DocumentNote(
        note.text,
        note.owner,
        note.next_action,
        str(note.changed_by),
        key=note.pk,
        instance=instance if note.instance_id else None,
    )


def _filters_only(query: ListQuery) -> ListQuery:
    return query.without("sort", "page", "per_page")


def _late_stops(scope: Scope, now: datetime) -> Section:
    late = scope.instances.filter(late_stop(now)).order_by("stop_due_at", "pk")
    light = late.select_related("cloud").defer("document", "search_text")
    first = list(light[:MAX_LINES])
    causes = causes_of(first)
    items = [
        instance_item(
            instance,
            status=status(instance),
            message=causes[instance.pk],
            at=instance.stop_due_at,
            at_label=messages.SINCE(),
        )
        for instance in first
    ]
    total = len(items) if len(items) < MAX_LINES else late.count()
    query = scope.list_query(autostop="late")
    return Section("late_stops", items, total, query)


def _stops(scope: Scope, now: datetime, until: datetime) -> Section:
    runs = scope.instances.order_by("run_ends_at", "pk")
    return _section(
        "stops",
        instances_item(
            messages.OVERDUE(),
            runs.filter(overdue(now)),
            query=scope.list_query(autostop="overdue"),
        ),
        instances_item(
            messages.DUE(),
            runs.filter(ends_by(until) & ~overdue(now)),
            at=until,
            at_label=messages.BY(),
        ),
        query=scope.list_query(stops_before=until.isoformat()),
    )


def _no_auto_stop(scope: Scope, since: datetime) -> Section:
    # The longest run first, as in the lane: it has cost most.
    runs = scope.instances.filter(WITHOUT_END).order_by("run_started_at", "pk")
    is_new = Q(run_started_at__gte=since)
    return _section(
        "no_auto_stop",
        instances_item(
            messages.STARTED(),
            runs.filter(is_new),
            at=since,
            at_label=messages.SINCE(),
        ),
        instances_item(
            messages.STARTED(),
            runs.exclude(is_new),
            at=since,
            at_label=messages.BEFORE(),
        ),
        query=scope.list_query(autostop="never"),
    )


def _troubled(scope: Scope, since: datetime) -> Section:
    newest = scope.instances.order_by("-status_since", "pk")
    is_new = Q(status_since__gte=since)
    unreadable = PRESENT & ~Q(problems=[]) & ~FAILED & ~UNKNOWN
    gone = scope.instances.filter(missing_since__gte=since)
    return _section(
        "troubled",
        instances_item(
            messages.FAILED(),
            newest.filter(FAILED & is_new),
            at=since,
            at_label=messages.SINCE(),
        ),
        instances_item(
            messages.FAILED(),
            newest.filter(FAILED).exclude(is_new),
            at=since,
            at_label=messages.BEFORE(),
        ),
        instances_item(messages.UNKNOWN(), newest.filter(UNKNOWN)),
        instances_item(messages.PARTLY_READ(), newest.filter(unreadable)),
        instances_item(
            messages.MISSING(),
            gone.order_by("-missing_since", "pk"),
            at=since,
            at_label=messages.SINCE(),
        ),
    )


def _section(key: str, *items: Item | None, query: str = "") -> Section:
    lines = [item for item in items if item]
    return Section(key, lines, sum(item.number for item in lines), query)


def _requests(scope: Scope, now: datetime) -> Section:
    exceptions = section("requests", scope.requests, request_item)
    # They are about the instances of several views.
    waiting = batches_waiting_for_approval(now)[:MAX_APPROVALS]
    approvals = [approval_item(batch) for batch in waiting]
    return Section(
        "requests",
        [*approvals, *exceptions.items],
        exceptions.total + len(approvals),
    )


def _edits(scope: Scope, since: datetime) -> Section:
    # All open edits, however old; failed ones of this shift, unless a retry was
    # applied.
    failed = Q(state__in=_TROUBLED) & _finished_after(since)
    edits = scope.edits.filter(Q(state__in=Edit.OPEN) | failed)
    applied_retry = Edit.objects.filter(
        retry_of=OuterRef("pk"), state=Edit.State.APPLIED
    )
    return edits_section("edits", edits.exclude(Exists(applied_retry)))


def _changes(scope: Scope, since: datetime) -> Section:
    applied = Q(state=Edit.State.APPLIED) & _finished_after(since)
    return edits_section("changes", scope.edits.filter(applied))


def _finished_after(since: datetime) -> Q:
    # The condition on the creation uses an index.
    return Q(created_at__gte=since - _MAX_DELIVERY_TIME, finished_at__gte=since)


def _health(fresh: Freshness) -> Section:
    items = [item for cloud in fresh.clouds for item in _troubles(cloud, fresh.now)]
    return Section("health", items, len(items))


def _troubles(cloud: Cloud, now: datetime) -> Iterator[Item]:
    if cloud.unconfigured_since:
        yield health_item(cloud, messages.NOT_CONFIGURED(), cloud.unconfigured_since)
        return
    if cloud.incomplete == cloud.Incomplete.WRONG_COUNT:
        message = messages.INCOMPLETE(counted=cloud.counted, listed=cloud.listed)
        yield health_item(cloud, message, cloud.incomplete_since)
    if cloud.notebooks_scope == cloud.Scope.OWN:
        yield Item(cloud.name, message=messages.OWN_ONLY())
    if cloud.problem:
        yield health_item(cloud, cloud.problem, cloud.problem_since)
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
        yield health_item(cloud, paused, cloud.held_since)


def health_item(cloud: Cloud, message: Message, since: datetime | None) -> Item:
    return Item(cloud.name, message=message, at=since, at_label=messages.SINCE())


def _costs(scope: Scope, since: datetime, now: datetime) -> Section:
    """Return what ran in the shift, what that cost, and what stops have saved."""
    instances = scope.instances if scope.query.narrowed else None
    ran = ran_since(since, now, instances)
    saved = saved_since(since, now, instances)
    lines: list[Message] = []
    if ran.instances:
        lines.append(messages.RAN(instances=ran.instances, seconds=ran.seconds))
    if ran.unknown_seconds:
        lines.append(messages.RAN_UNKNOWN(seconds=ran.unknown_seconds))
    if ran.cost:
        lines.append(messages.COST(amounts=_texts(ran.cost)))
    if ran.cost.unpriced_seconds:
        lines.append(messages.NO_PRICE(seconds=ran.cost.unpriced_seconds))
    if saved.number:
        amounts = _texts(saved.money)
        number, unknown = saved.number, saved.unknown
        lines.append(
            messages.SAVED(
                number=number, unknown=unknown, seconds=saved.seconds, amounts=amounts
            )
        )
    return Section("costs", [Item("", message=line) for line in lines], len(lines))


def _texts(money: Money) -> list[str]:
    """Return the amounts as a document stores them, such as ``4.20 EUR``."""
    return [f"{amount_text(value)} {name}" for name, value in money.amounts.items()]
