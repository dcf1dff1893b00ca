"""What happened to an instance: changes and observed statuses, newest first."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.db import models

from dashboard.modelarts.statuses import InstanceStatus
from dashboard.web.raw_queries import Prepared

from . import countdown
from .edit_states import EditKind, EditState, InstanceEdit
from .models import Instance, InstanceEvent
from .selectors import READS, edits as edits_of_all, is_of_one_moment, with_version

PER_PAGE = 20

_NEVER_IN_EFFECT = {EditState.CANCELLED, EditState.SUPERSEDED}
_POWER = {EditKind.START, EditKind.STOP}


class StatusChange(NamedTuple):
    """A change of status as a page shows it; unknown texts are empty.

    Attributes:
        actor: Who requested it with the edit ``edit_id``; empty if nobody here did.
    """

    badge: countdown.StatusBadge
    before: str
    reason: str
    actor: str
    edit_id: UUID | None


class Item(NamedTuple):
    """One entry: a status or an edit.

    Attributes:
        may_act: Whether no newer edit is about the same, so that it makes sense to
            retry or to undo this one.
    """

    at: datetime
    status: StatusChange | None = None
    edit: InstanceEdit | None = None
    may_act: bool = False


class Activity(NamedTuple):
    """A page of the activity.

    Attributes:
        edits: Those among the items, newest first.
        earlier: The next page has what happened before this moment; None on the last.
    """

    items: list[Item]
    edits: list[InstanceEdit]
    earlier: datetime | None


def activity(instance: Instance, before: datetime | None = None) -> Activity:
    """Return the newest entries, or the newest before a moment, in two queries.

    An instance that has changed before its edits were read is read again.
    """
    for _ in range(READS):
        found = _activity(instance, before)
        if is_of_one_moment(instance, found.edits):
            break
        instance.refresh_from_db()
        vars(instance).pop("open_overrides", None)  # of an earlier moment
    return found


def _activity(instance: Instance, before: datetime | None) -> Activity:
    if before:
        edits = list(_edits(instance).filter(created_at__lt=before)[: PER_PAGE + 1])
        events = list(_events(instance).filter(at__lt=before)[: PER_PAGE + 1])
    else:
        edits = _latest_edits.rows(instance=instance.pk)
        events = _latest_events.rows(instance=instance.pk)
    for edit in edits:
        edit.instance = instance
    items = [*_edit_items(edits), *_status_items(instance, events, edits)]
    # Stable: an edit comes before the status that it led to at the same moment.
    items.sort(key=lambda item: item.at, reverse=True)
    shown, earlier = items[:PER_PAGE], None
    if len(items) > PER_PAGE:
        # What happened at one moment stays on one page.
        next_at = items[PER_PAGE].at
        shown = [item for item in shown if item.at > next_at] or shown
        earlier = shown[-1].at
    on_page = [item.edit for item in shown if item.edit]
    return Activity(shown, on_page, earlier)


def _edits(instance: Any) -> models.QuerySet[Any]:
    found = with_version(edits_of_all.get()()).filter(instance=instance)
    found = found.select_related("actor")
    return found.fetch_mode(models.FETCH_PEERS)


def _events(instance: Any) -> models.QuerySet[InstanceEvent]:
    return InstanceEvent.objects.filter(instance=instance).select_related("actor")


_latest_edits = Prepared(
    lambda instance: _edits(instance)[: PER_PAGE + 1], instance=models.BigAutoField()
)
_latest_events = Prepared(
    lambda instance: _events(instance)[: PER_PAGE + 1], instance=models.BigAutoField()
)


def _edit_items(edits: Iterable[InstanceEdit]) -> list[Item]:
    items: list[Item] = []
    changed_later: set[str] = set()
    for edit in edits:
        about = {"status"} if edit.kind in _POWER else set(edit.patch)
        may_act = edit.is_open or changed_later.isdisjoint(about)
        items.append(Item(edit.created_at, edit=edit, may_act=may_act))
        if edit.state not in _NEVER_IN_EFFECT:
            changed_later |= about
    return items


def _status_items(
    instance: Instance, events: Sequence[InstanceEvent], edits: Iterable[InstanceEdit]
) -> list[Item]:
    actors: dict[UUID | None, str] = {edit.pk: edit.actor_name for edit in edits}
    # An event names a person; only its edit names a policy.
    missing = {
        event.edit_id
        for event in events
        if event.edit_id and event.actor is None and event.edit_id not in actors
    }
    if missing:
        actors |= {
            edit.pk: edit.actor_name for edit in instance.edits.filter(pk__in=missing)
        }
    return [
        Item(
            event.at,
            StatusChange(
                badge=countdown.status_badge(event.to_status),
                before=event.from_status
                and countdown.status_badge(event.from_status).label,
                reason=_reason(event),
                actor=str(event.actor or actors.get(event.edit_id, "")),
                edit_id=event.edit_id,
            ),
        )
        for event in events
    ]


def _reason(event: InstanceEvent) -> str:
    unknown = event.reason == InstanceEvent.Reason.UNKNOWN
    # A start needs no reason when nobody requested it here; a stop always shows one.
    stops = event.to_status in {InstanceStatus.STOPPING, InstanceStatus.STOPPED}
    if unknown and not stops:
        return ""
    return event.get_reason_display()
