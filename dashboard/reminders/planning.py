"""What is there to tell, and what is no longer: by a fixed number of queries."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db import connection, transaction
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone
from django.utils.translation import gettext_noop

from dashboard.edits.models import Edit
from dashboard.instances.mirror import SAME_RUN_MS
from dashboard.instances.models import Instance
from dashboard.modelarts.statuses import FAILED, InstanceStatus

from .audience import Audience, Recipient, Subject, audience
from .models import Attempt, Reminder

log = structlog.get_logger(__name__)

Kind, Medium, State = Reminder.Kind, Reminder.Medium, Reminder.State

FRESH = timedelta(hours=1)
"""A failure older than this is told to nobody any more."""

OF_USE = timedelta(days=1)
"""For so long a failure is tried to be told, and counts as unread."""

KEPT = timedelta(days=30)
NOT_SO = gettext_noop("This does not hold any more.")
AT_ONCE = 500
_LOCK = 0x52656D69  # "Remi"

Known = dict[tuple[str, int, int], list[int]]
"""Stops that were told, Unix ms, by recipient, instance and lead time."""


def plan(now: datetime | None = None) -> int:
    """Write the reminders that have become due; end those that no longer hold.

    Args:
        now: The present moment.

    Returns:
        How many were written.
    """
    now = now or timezone.now()
    _give_up_the_lost(now)
    _forget_the_old(now)
    with transaction.atomic():
        _alone()
        end_what_no_longer_holds(now)
        everybody = audience()
        new = [*_stops(everybody, now), *_failures(everybody, now)]
        new += _edits(everybody, now)
        # The key has the last word, whoever else may be planning.
        Reminder.objects.bulk_create(new, batch_size=AT_ONCE, ignore_conflicts=True)
    return len(new)


def due() -> list[int]:
    """Reminders to be sent now, longest due first; no more than a tick's worth."""
    waiting = Reminder.objects.filter(state=State.WAITING, due_at__lte=timezone.now())
    return list(waiting.order_by("due_at", "pk").values_list("pk", flat=True)[:50])


def _holds() -> Q:
    """Condition on reminders: what they say is still so."""
    runs_on = Instance.objects.filter(
        pk=OuterRef("instance_id"),
        missing_since=None,
        status=InstanceStatus.RUNNING,
        stop_timestamp_ms__gte=OuterRef("deadline_ms") - SAME_RUN_MS,
        stop_timestamp_ms__lte=OuterRef("deadline_ms") + SAME_RUN_MS,
    )
    failed = Instance.objects.filter(
        pk=OuterRef("instance_id"), missing_since=None, status__in=FAILED
    )
    tried_again = Edit.objects.filter(retry_of=OuterRef("edit_id"))
    return (
        Q(Q(kind=Kind.STOP) & Exists(runs_on))
        | Q(Q(kind=Kind.FAILURE) & Exists(failed))
        | Q(Q(kind=Kind.EDIT) & ~Exists(tried_again))
        | Q(kind=Kind.TEST)
    )


def holds(reminder: Reminder) -> bool:
    """Whether what it says is still so; one query."""
    return Reminder.objects.filter(_holds(), pk=reminder.pk).exists()


def end_what_no_longer_holds(now: datetime) -> None:
    """Cancel what is no longer true, drop what is of no use any more.

    What is true again, as after a listing that lacked an instance, is taken up again
    where it was left: its key would keep a second row away.
    """
    waiting = Reminder.objects.filter(state=State.WAITING)
    waiting.filter(expires_at__lte=now).update(
        state=State.DROPPED,
        note=gettext_noop("Its moment passed before it could be sent."),
    )
    of_use = Reminder.objects.filter(expires_at__gt=now)
    shown = of_use.filter(medium=Medium.PAGE, state=State.SENT)
    for which in (waiting, shown):
        which.exclude(_holds()).update(state=State.CANCELLED, note=NOT_SO)
    cancelled = of_use.filter(state=State.CANCELLED, note=NOT_SO, tries=0)
    for is_page, state in ((True, State.SENT), (False, State.WAITING)):
        page = Q(medium=Medium.PAGE)
        again = cancelled.filter(page if is_page else ~page).filter(_holds())
        again.update(state=state, note="")


def _stops(everybody: Audience, now: datetime) -> Iterator[Reminder]:
    known = _known_stops(now)
    running = Instance.objects.filter(
        run_ends_at__gt=now,
        run_ends_at__lte=now + everybody.longest_lead,
        stop_timestamp_ms__isnull=False,
    ).values_list(
        *("pk", "cloud_id", "owner_id", "owner_name"),
        *("run_ends_at", "stop_timestamp_ms"),
    )
    for pk, cloud_pk, owner_id, owner_name, stops_at, stop_ms in running.order_by():
        for one in everybody.of(Subject(cloud_pk, owner_id, owner_name)):
            lead = one.lead(stops_at - now)
            if lead is None or _was_told(known, one, pk, lead, stop_ms):
                continue
            yield _reminder(
                one,
                f"stop:{pk}:{lead}:{stop_ms}",
                now,
                kind=Kind.STOP,
                instance_id=pk,
                lead_minutes=lead,
                deadline_ms=stop_ms,
                moment=stops_at,
                expires_at=stops_at,
            )


def _known_stops(now: datetime) -> Known:
    known: Known = defaultdict(list)
    told = Reminder.objects.filter(kind=Kind.STOP, moment__gt=now - FRESH).order_by()
    for person, channel, medium, instance, lead, ms in told.values_list(
        *("person_id", "channel_id", "medium", "instance_id"),
        *("lead_minutes", "deadline_ms"),
    ):
        name = f"c{channel}" if channel else f"p{person}:{medium}"
        known[name, instance or 0, lead or 0].append(ms or 0)
    return known


def _was_told(known: Known, one: Recipient, pk: int, lead: int, stop_ms: int) -> bool:
    """Whether it was told before, of this lead time or a nearer one."""
    return any(
        abs(stop_ms - ms) <= SAME_RUN_MS
        for chosen in {*one.wants.leads, lead}
        if chosen <= lead
        for ms in known.get((one.name, pk, chosen), ())
    )


def _failures(everybody: Audience, now: datetime) -> Iterator[Reminder]:
    failed = Instance.objects.filter(
        status__in=FAILED, missing_since=None, status_since__gte=now - FRESH
    ).values_list("pk", "cloud_id", "owner_id", "owner_name", "status_since")
    known = _known_keys(Kind.FAILURE, now)
    for pk, cloud_pk, owner_id, owner_name, since in failed.order_by():
        assert since is not None  # noqa: S101 (asked for above)
        for one in everybody.of(Subject(cloud_pk, owner_id, owner_name)):
            subject = f"failure:{pk}:{round(since.timestamp() * 1e3)}"
            if one.wants.on_failure and f"{one.name}:{subject}" not in known:
                yield _reminder(
                    one,
                    subject,
                    now,
                    kind=Kind.FAILURE,
                    instance_id=pk,
                    moment=since,
                    expires_at=since + OF_USE,
                )


def _edits(everybody: Audience, now: datetime) -> Iterator[Reminder]:
    """Of one's own edits to people, of all in its scope to a channel.

    The failures of a batch are one message to each.
    """
    failed = Edit.objects.filter(
        state__in=[Edit.State.FAILED, Edit.State.CONFLICT],
        finished_at__gte=now - FRESH,
    ).values_list(
        *("pk", "batch_id", "actor_id", "instance_id", "finished_at"),
        *("instance__cloud_id", "instance__owner_id", "instance__owner_name"),
    )
    known = _known_keys(Kind.EDIT, now)
    for pk, batch, actor, instance, ended, *whose in failed.order_by("finished_at"):
        assert ended is not None  # noqa: S101 (asked for above)
        teams = [one for one in everybody.of(Subject(*whose)) if one.channel]
        for one in [*everybody.ways_to(actor), *teams]:
            subject = f"edit:b{batch}" if batch else f"edit:{pk}"
            key = f"{one.name}:{subject}"
            if not one.wants.on_failed_edit or key in known:
                continue
            known.add(key)
            yield _reminder(
                one,
                subject,
                now,
                kind=Kind.EDIT,
                instance_id=instance,
                edit_id=pk,
                moment=ended,
                expires_at=ended + OF_USE,
            )


def _known_keys(kind: str, now: datetime) -> set[str]:
    # A little more than is looked at: a failure is seen later than it happens.
    told = Reminder.objects.filter(kind=kind, created_at__gt=now - 2 * FRESH)
    return set(told.order_by().values_list("key", flat=True))


def _reminder(one: Recipient, subject: str, now: datetime, **fields: Any) -> Reminder:
    is_page = one.medium == Medium.PAGE
    return Reminder(
        key=f"{one.name}:{subject}",
        person=one.person,
        channel=one.channel,
        medium=one.medium,
        # The row is the page's entry: it is there as soon as it is committed.
        state=State.SENT if is_page else State.WAITING,
        sent_at=now if is_page else None,
        created_at=now,
        due_at=one.due_at(now),
        **fields,
    )


@transaction.atomic
def _give_up_the_lost(now: datetime) -> None:
    """Whoever held these is dead; whether their messages left, nobody can know."""
    lost = Reminder.objects.filter(state=State.SENDING, lease_until__lte=now)
    keys = list(lost.values_list("pk", flat=True))
    if not keys:
        return
    # The condition again: it may have been recorded between.
    ended = Reminder.objects.filter(pk__in=keys, state=State.SENDING).update(
        state=State.UNKNOWN,
        note=gettext_noop(
            "The worker ended while sending: perhaps sent, not sent again."
        ),
        lease_until=None,
    )
    Attempt.objects.filter(
        reminder__in=keys, reminder__state=State.UNKNOWN, outcome=""
    ).update(
        outcome=Attempt.Outcome.UNKNOWN,
        detail=gettext_noop("The worker ended while sending."),
        finished_at=now,
    )
    log.warning("reminders perhaps sent", reminders=ended)


def _forget_the_old(now: datetime) -> None:
    old = Reminder.objects.filter(created_at__lt=now - KEPT).order_by()
    keys = list(old.values_list("pk", flat=True)[:AT_ONCE])
    if keys:
        Reminder.objects.filter(pk__in=keys).delete()


def _alone() -> None:
    """One planner at a time; SQLite lets only one write anyway."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
