from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

from django.db import models
from django.db.models import Exists, Max, OuterRef, Prefetch, Q, QuerySet
from django.utils import timezone

from dashboard.accounts.models import Team, User
from dashboard.edits.models import Edit
from dashboard.instances.models import Instance, InstanceEvent
from dashboard.modelarts.statuses import InstanceStatus
from dashboard.policies.selectors import exceptions_waiting
from dashboard.web.raw_queries import Prepared, count_each

from .models import (
    TEXT_RELATIONS,
    Acknowledgement,
    Channel,
    NotificationSettings,
    OnCall,
    Reminder,
)

Medium, State = Reminder.Medium, Reminder.State


def inbox(user: User, *, is_open: bool = False, kind: str = "") -> QuerySet[Reminder]:
    """Return a person's entries: the newest first, then the nearest stop.

    Args:
        is_open: Whether to leave out what is over, withdrawn or acknowledged.
        kind: A ``Reminder.Kind``; others are ignored.
    """
    entries = Reminder.objects.filter(person=user, medium=Medium.PAGE, part_of=None)
    if kind in Reminder.Kind.values:
        entries = entries.filter(kind=kind)
    if is_open:
        entries = entries.filter(
            ~_is_acknowledged(), state=State.SENT, expires_at__gt=timezone.now()
        )
    members = Reminder.objects.order_by("moment", "pk").select_related(
        "person", "instance__cloud", *TEXT_RELATIONS
    )
    return (
        entries.order_by("-created_at", "moment", "pk")
        .select_related("person", "instance__cloud", *TEXT_RELATIONS)
        .prefetch_related(Prefetch("members", members.fetch_mode(models.FETCH_PEERS)))
        .fetch_mode(models.FETCH_PEERS)
    )


def _is_acknowledged() -> Q:
    """Match what was acknowledged; of a list, all that still applies."""
    acknowledged = Exists(Acknowledgement.objects.filter(event=OuterRef("event")))
    open_members = Reminder.objects.filter(
        ~acknowledged, part_of=OuterRef("pk"), state=State.GROUPED
    )
    return Q(for_team=True) & (
        Q(acknowledged, is_list=False) | Q(~Exists(open_members), is_list=True)
    )


def acknowledgements(events: Iterable[str]) -> dict[str, Acknowledgement]:
    """Return who acknowledged which of these events; one query."""
    found = Acknowledgement.objects.filter(event__in=events).select_related("person")
    return {acknowledgement.event: acknowledgement for acknowledgement in found}


def ends_of(reminders: Iterable[Reminder]) -> dict[int, InstanceEvent]:
    """Return, by ``Reminder.pk``, the events that ended announced runs; one query."""
    stops = [reminder for reminder in reminders if reminder.kind == Reminder.Kind.STOP]
    if not stops:
        return {}
    events = InstanceEvent.objects.filter(
        instance__in=[reminder.instance_id for reminder in stops],
        at__gte=min(reminder.created_at for reminder in stops),
        to_status__in=[InstanceStatus.STOPPING, InstanceStatus.STOPPED],
    ).select_related("actor")
    newest_first = list(events.order_by("-at", "-pk"))
    return {
        reminder.pk: event
        for reminder in stops
        for event in newest_first
        if event.instance_id == reminder.instance_id and event.at >= reminder.created_at
    }


def edits_of(events: Iterable[InstanceEvent]) -> dict[object, Edit]:
    """Return the edits that caused these events, by key; one query."""
    keys = {event.edit_id for event in events if event.edit_id}
    if not keys:
        return {}
    return dict(Edit.objects.select_related("actor").in_bulk(keys))


def unread(user: User) -> int:
    """Return the number of unread entries that have not expired; one query."""
    return _counted.count(person=user.pk, now=timezone.now())


class FrameCounts(NamedTuple):
    """Numbers in the frame of each page, for one person.

    Attributes:
        unread: As ``unread``.
        exceptions: Number of exceptions that wait for their decision.
    """

    unread: int
    exceptions: int


def frame_counts(user: User) -> FrameCounts:
    """Return the numbers of what waits for the person; one query."""
    queries: list[Prepared[Any]] = [_counted, *exceptions_waiting(user)]
    unread, *exceptions = count_each(queries, person=user.pk, now=timezone.now())
    return FrameCounts(unread, sum(exceptions))


def _unread(user: Any, now: Any) -> QuerySet[Reminder]:
    return Reminder.objects.filter(
        person=user,
        medium=Medium.PAGE,
        state=State.SENT,
        read_at=None,
        expires_at__gt=now,
    )


# On every page.
_counted = Prepared(
    lambda person, now: _unread(person, now).only("pk"),
    person=models.BigAutoField(),
    now=models.DateTimeField(),
)


def log(state: str = "", q: str = "") -> QuerySet[Reminder]:
    """Return reminders and their attempts, newest first; members in their lists.

    Args:
        state: A ``Reminder.State``; others are ignored.
        q: Part of a recipient's or instance's name.
    """
    reminders = Reminder.objects.select_related(
        *("person", "channel", "instance__cloud", *TEXT_RELATIONS)
    ).prefetch_related("attempts", "members")
    if state in State.values:
        reminders = reminders.filter(state=state)
    else:
        reminders = reminders.exclude(state=State.GROUPED)
    if q:
        listed = Reminder.objects.filter(
            part_of=OuterRef("pk"), instance__name__icontains=q
        )
        reminders = reminders.filter(
            Q(person__username__icontains=q)
            | Q(channel__name__icontains=q)
            | Q(instance__name__icontains=q)
            | Exists(listed)
        )
    return reminders.fetch_mode(models.FETCH_PEERS)


def newest_unread(user: User) -> Reminder | None:
    """Return the newest of the entries that ``unread`` counts."""
    return (
        _unread(user, timezone.now())
        .select_related("person", "instance__cloud", *TEXT_RELATIONS)
        .first()
    )


def coming_shifts() -> QuerySet[OnCall]:
    """Return the next shifts of the roster."""
    shifts = OnCall.objects.filter(ends_at__gt=timezone.now())
    return shifts.select_related("person")[:20]


def names_without_account() -> list[str]:
    """Return the names in the roster that Curfew cannot notify."""
    shifts = OnCall.objects.filter(person=None, ends_at__gt=timezone.now())
    return list(shifts.order_by("name").values_list("name", flat=True).distinct()[:20])


def roster_end() -> datetime | None:
    end: datetime | None = OnCall.objects.aggregate(end=Max("ends_at"))["end"]
    return end


def owners() -> list[str]:
    names = Instance.objects.order_by().values_list("owner_name", flat=True).distinct()
    return sorted(set(names) - {""}, key=str.casefold)


def channels_of_team(team: Team) -> QuerySet[Channel]:
    """Return the channels that only receive what concerns a team."""
    return Channel.objects.filter(scope=NotificationSettings.Scope.TEAM, team=team)
