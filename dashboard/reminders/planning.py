"""What is there to tell, and what is no longer: read by a fixed number of queries.

Reading and comparing hold no lock, and what comes of it is written in small
transactions: SQLite has one lock for all that write, and edits wait for it, too.
"""

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import batched

import structlog
from django.conf import settings
from django.db import connection, transaction
from django.db.models import Q
from django.utils import timezone

from dashboard.edits.models import Edit
from dashboard.instances.mapping import SAME_RUN_MS
from dashboard.instances.models import Instance
from dashboard.instances.run_state import ends_by
from dashboard.modelarts.statuses import FAILED
from dashboard.policies.stops import note_warned

from . import expiry, policy_news
from .drafts import FRESH, OF_USE, draft, known_keys
from .models import CORRECTED_KEY, Reminder
from .recipients import Recipient, Recipients, Subject, all_recipients

log = structlog.get_logger(__name__)

Kind, Medium, State = Reminder.Kind, Reminder.Medium, Reminder.State

_LOCK = 0x52656D69  # "Remi"

Known = dict[tuple[str, int, int], list[int]]
"""Stops that were told, Unix ms, by recipient, instance and lead time."""


def plan(now: datetime | None = None) -> int:
    """Write the reminders that have become due and return how many."""
    now = now or timezone.now()
    expiry.expire_stalled(now)
    expiry.delete_old(now)
    expiry.expire_invalid(now)
    everybody = all_recipients()
    new = [*_stops(everybody, now), *_failures(everybody, now)]
    new += _edits(everybody, now)
    ahead = policy_news.warnings(everybody, now)
    new += [*ahead.reminders, *policy_news.stopped(everybody, now)]
    new += policy_news.requests(everybody, now)
    new += policy_news.answers(everybody, now)
    # The nearest first, in case this process dies in between.
    new.sort(key=lambda reminder: reminder.moment)
    written = sum(_write(list(some), now) for some in batched(new, expiry.AT_ONCE))
    if ahead.plans:
        # Only now: without this nothing is stopped.
        least = timedelta(minutes=min(settings.CURFEW.policy_warning_minutes))
        note_warned(plans=ahead.plans, least=least, now=now)
    return written


@transaction.atomic
def _write(new: list[Reminder], now: datetime) -> int:
    """Write those reminders that do not exist yet, and return how many."""
    _alone()
    # By another planner, perhaps, of a stop that wobbled: then the keys differ.
    stops = [reminder.instance_id for reminder in new if reminder.kind == Kind.STOP]
    known: dict[tuple[str, int], list[tuple[int, int]]] = defaultdict(list)
    for (name, instance, lead), moments in _known_stops(now, stops).items():
        known[name, instance] += [(lead, ms) for ms in moments]
    new = [reminder for reminder in new if not _is_known_now(known, reminder)]
    # The key has the last word, whoever else may be planning.
    Reminder.objects.bulk_create(new, ignore_conflicts=True)
    return len(new)


def _is_known_now(
    known: dict[tuple[str, int], list[tuple[int, int]]], reminder: Reminder
) -> bool:
    name = reminder.key.rpartition(f":{Kind.STOP}:")[0]
    return any(
        lead <= (reminder.lead_minutes or 0)
        and abs((reminder.deadline_ms or 0) - ms) <= SAME_RUN_MS
        for lead, ms in known.get((name, reminder.instance_id or 0), ())
    )


def due() -> list[int]:
    """Return the reminders to send now, the oldest first, at most 50."""
    waiting = Reminder.objects.filter(state=State.WAITING, due_at__lte=timezone.now())
    return list(waiting.order_by("due_at", "pk").values_list("pk", flat=True)[:50])


def _stops(everybody: Recipients, now: datetime) -> Iterator[Reminder]:
    known = _known_stops(now)
    running = Instance.objects.filter(
        ends_by(now + everybody.longest_lead),
        run_ends_at__gt=now,
        stop_timestamp_ms__isnull=False,
    ).values_list(
        *("pk", "cloud_id", "owner_id", "owner_name"),
        *("run_ends_at", "stop_timestamp_ms"),
    )
    for pk, cloud_pk, owner_id, owner_name, stops_at, stop_ms in running.order_by():
        for recipient in everybody.for_instance(
            Subject(cloud_pk, owner_id, owner_name)
        ):
            lead = recipient.lead(stops_at - now)
            if lead is None or _is_known(known, recipient, pk, lead, stop_ms):
                continue
            yield draft(
                recipient,
                f"stop:{pk}:{lead}:{stop_ms}",
                now,
                kind=Kind.STOP,
                instance_id=pk,
                lead_minutes=lead,
                deadline_ms=stop_ms,
                moment=stops_at,
                expires_at=stops_at,
            )


def _known_stops(now: datetime, instances: list[int | None] | None = None) -> Known:
    known: Known = defaultdict(list)
    reminders = Reminder.objects.filter(
        kind=Kind.STOP, moment__gt=now - FRESH
    ).order_by()
    if instances is not None:
        reminders = reminders.filter(instance__in=instances)
    for person, channel, medium, instance, lead, ms in reminders.values_list(
        *("person_id", "channel_id", "medium", "instance_id"),
        *("lead_minutes", "deadline_ms"),
    ):
        name = f"c{channel}" if channel else f"p{person}:{medium}"
        known[name, instance or 0, lead or 0].append(ms or 0)
    return known


def _is_known(
    known: Known, recipient: Recipient, pk: int, lead: int, stop_ms: int
) -> bool:
    """Whether there is a reminder for this lead time or a shorter one."""
    return any(
        abs(stop_ms - ms) <= SAME_RUN_MS
        for chosen in {*recipient.wants.lead_times, lead}
        if chosen <= lead
        for ms in known.get((recipient.name, pk, chosen), ())
    )


def _failures(everybody: Recipients, now: datetime) -> Iterator[Reminder]:
    failed = Instance.objects.filter(
        status__in=FAILED, missing_since=None, status_since__gte=now - FRESH
    ).values_list("pk", "cloud_id", "owner_id", "owner_name", "status_since")
    known = known_keys(Kind.FAILURE, now)
    for pk, cloud_pk, owner_id, owner_name, since in failed.order_by():
        assert since is not None  # noqa: S101 (the query selects it)
        for recipient in everybody.for_instance(
            Subject(cloud_pk, owner_id, owner_name)
        ):
            subject = f"failure:{pk}:{round(since.timestamp() * 1e3)}"
            if (
                recipient.wants.on_failure
                and f"{recipient.name}:{subject}" not in known
            ):
                yield draft(
                    recipient,
                    subject,
                    now,
                    kind=Kind.FAILURE,
                    instance_id=pk,
                    moment=since,
                    expires_at=since + OF_USE,
                )


def _edits(everybody: Recipients, now: datetime) -> Iterator[Reminder]:
    """Yield failures of edits: people get their own, a channel all in its scope.

    The failures of a batch are one message to each recipient. A late write can correct
    the outcome of an edit. That is a message of its own, also to those in whose scope
    the instance is, since its settings are not what was reported.
    """
    failed = Q(
        state__in=[Edit.State.FAILED, Edit.State.CONFLICT],
        finished_at__gte=now - FRESH,
    )
    corrected = Q(outcome__in=Edit.CORRECTED, corrected_at__gte=now - FRESH)
    edits = Edit.objects.filter(failed | corrected).values_list(
        *("pk", "batch_id", "actor_id", "instance_id", "finished_at"),
        *("outcome", "corrected_at"),
        *("instance__cloud_id", "instance__owner_id", "instance__owner_name"),
    )
    known = known_keys(Kind.EDIT, now)
    for pk, batch, actor, instance, ended, outcome, at, *whose in edits.order_by(
        "finished_at"
    ):
        late = outcome in Edit.CORRECTED
        concerned = everybody.for_instance(Subject(*whose))
        others = [recipient for recipient in concerned if recipient.channel or late]
        ways = {
            recipient.name: recipient
            for recipient in [*everybody.ways_to(actor), *others]
        }
        moment = at if late else ended
        assert moment is not None  # noqa: S101 (the query selects it)
        for recipient in ways.values():
            subject = f"edit:b{batch}" if batch else f"edit:{pk}"
            subject = f"edit:{pk}{CORRECTED_KEY}" if late else subject
            key = f"{recipient.name}:{subject}"
            if not recipient.wants.on_failed_edit or key in known:
                continue
            known.add(key)
            yield draft(
                recipient,
                subject,
                now,
                kind=Kind.EDIT,
                instance_id=instance,
                edit_id=pk,
                moment=moment,
                expires_at=moment + OF_USE,
            )


def _alone() -> None:
    """Wait until no other planner runs; SQLite has only one writer anyway."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
